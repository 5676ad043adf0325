"""Virtual batch normalisation: the formula, independence of the batch, records, the state dict."""

import pytest
import torch
from torch import Tensor, nn

from srgan_kit.contracts import Critique, Gaussian
from srgan_kit.critics.dcgan import DCGANCritic
from srgan_kit.critics.srgan import SRGANCritic
from srgan_kit.errors import UserError
from srgan_kit.generators.encoder import ConvEncoder
from srgan_kit.generators.latent.dcgan import DCGANGenerator
from srgan_kit.generators.latent.mlp import MLPGenerator
from srgan_kit.generators.super_resolution.residual import ResidualSR
from srgan_kit.layers.virtual_batch_norm import VirtualBatchNetwork, VirtualBatchNorm
from srgan_kit.losses import MinibatchDiscrimination


def by_the_formula(x: Tensor, references: int, eps: float, over_positions: bool = True) -> Tensor:
    """The paper's normalisation, example by example; without positions, the common mistake."""
    positions = tuple(range(1, x.ndim - 1)) if over_positions else ()

    def moments(values: Tensor) -> tuple[Tensor, Tensor]:  # (n, C, ...) -> two (C, 1, ...)
        dims = (0, *(d + 1 for d in positions))
        return values.mean(dims, keepdim=True)[0], values.square().mean(dims, keepdim=True)[0]

    reference = moments(x[:references])
    results = []
    for number, example in enumerate(x):
        own = moments(example[None])
        weight = 0 if number < references else 1 / (references + 1)
        mean, square = (weight * a + (1 - weight) * b for a, b in zip(own, reference, strict=True))
        results.append((example - mean) / (square - mean**2 + eps).sqrt())
    return torch.stack(results)


def normed(channels: int, references: int, two_d: bool = True) -> VirtualBatchNorm:
    return VirtualBatchNorm((nn.BatchNorm2d if two_d else nn.BatchNorm1d)(channels), references)


def test_a_known_answer() -> None:
    """Reference 0 and 2, one example 4: mean (4 + 2 * 1) / 3 = 2, mean square (16 + 2 * 2) / 3, variance 8 / 3."""
    result = normed(1, 2, two_d=False)(torch.tensor([[0.0], [2.0], [4.0]]))
    torch.testing.assert_close(result, torch.tensor([[-1.0], [1.0], [2 / (8 / 3) ** 0.5]]), atol=1e-4, rtol=0)


def test_a_known_answer_of_maps() -> None:
    """Reference (0, 2), example (4, 8), two positions each, n = 1: mean (6 + 1) / 2, mean square (40 + 2) / 2."""
    x = torch.tensor([[0.0, 2.0], [4.0, 8.0]])[:, None, None]
    deviation = (21 - 3.5**2) ** 0.5
    expected = torch.tensor([[-1.0, 1.0], [0.5 / deviation, 4.5 / deviation]])[:, None, None]
    torch.testing.assert_close(normed(1, 1)(x), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 4, 5), (5, 2, 1, 1)])
def test_the_formula(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64) * 3 + 100
    layer = normed(shape[1], 4, two_d=len(shape) == 4).double()
    torch.testing.assert_close(layer(x), by_the_formula(x, 4, layer.eps))


def test_statistics_are_taken_over_positions() -> None:
    """The form that drops them gives every pixel statistics of its own, and something else."""
    x = torch.randn(6, 3, 4, 4)
    wrong = by_the_formula(x, 4, 1e-5, over_positions=False)
    assert (normed(3, 4)(x) - wrong).abs().max() > 0.5
    constant_shift = torch.tensor([0.0, 5.0])[None, None, None]  # two columns of different level, without variation
    level = normed(1, 4)(constant_shift.expand(6, 1, 4, 2).contiguous())
    torch.testing.assert_close(level[-1, 0, 0], torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)


def test_the_reference_is_normalised_as_batch_norm_does() -> None:
    reference = torch.randn(8, 3, 5, 5) * 2 + 1
    result = normed(3, 8)(torch.cat([reference, torch.randn(2, 3, 5, 5)]))
    torch.testing.assert_close(result[:8], nn.BatchNorm2d(3)(reference), atol=1e-5, rtol=1e-5)


def test_large_means_lose_no_digits() -> None:
    x = torch.randn(6, 2, 8, 8)
    torch.testing.assert_close(normed(2, 4)(x + 1000), normed(2, 4)(x), atol=2e-3, rtol=1e-3)


def test_scale_and_shift_are_those_of_the_replaced_layer() -> None:
    norm = nn.BatchNorm2d(2, eps=0.5)
    layer = VirtualBatchNorm(norm, 2)
    assert layer.weight is norm.weight
    assert layer.bias is norm.bias
    assert layer.eps == 0.5
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([2.0, 3.0]))
        norm.bias.copy_(torch.tensor([5.0, 7.0]))
    x = torch.randn(3, 2, 4, 4)
    plain = VirtualBatchNorm(nn.BatchNorm2d(2, eps=0.5, affine=False), 2)(x)
    scale, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    torch.testing.assert_close(layer(x), plain * scale + shift)


def test_gradients_are_those_of_the_formula() -> None:
    x = torch.randn(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normed(2, 2).double(), x)


@pytest.fixture(params=["dcgan", "mlp", "critic", "encoder"])
def case(request) -> tuple[VirtualBatchNetwork, list[Tensor | None]]:
    torch.manual_seed(3)
    if request.param == "dcgan":
        return VirtualBatchNetwork(DCGANGenerator(5, 16, 1, 4), torch.randn(6, 5)), [torch.randn(4, 5)]
    if request.param == "mlp":
        return VirtualBatchNetwork(MLPGenerator(5, 4, 1, 16), torch.randn(6, 5)), [torch.randn(4, 5)]
    images, conditions = torch.rand(10, 3, 16, 16), torch.rand(10, 2, 4, 4)
    if request.param == "critic":
        network: nn.Module = DCGANCritic(16, 3, 4, classes=3, categorical=[4], condition=(2, 4))
    else:
        network = ConvEncoder(5, 16, 3, 4, condition_channels=2)
    return VirtualBatchNetwork(network, images[:6], conditions[:6]), [images[6:], conditions[6:]]


def tensors(output: Tensor | Critique | Gaussian) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Gaussian):
        return [output.mean, output.log_variance]
    assert output.features is not None
    assert output.class_logits is not None
    assert output.codes is not None
    return [output.score, *output.features, output.class_logits, *output.codes.categorical, output.codes.mean]


@torch.no_grad()
def test_an_example_does_not_depend_on_the_others(case: tuple[VirtualBatchNetwork, list[Tensor | None]]) -> None:
    network, inputs = case
    whole = tensors(network(*inputs))
    alone = tensors(network(*(None if x is None else x[1:2] for x in inputs)))
    for together, single in zip(whole, alone, strict=True):
        assert together.shape[0] == 4
        torch.testing.assert_close(together[1:2], single, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_batch_norm_does_depend_on_the_others() -> None:
    """What the wrapper is for; without it the test above fails."""
    network, latent = DCGANGenerator(5, 16, 1, 4), torch.randn(4, 5)
    assert (network(latent)[1:2] - network(latent[1:2])).abs().max() > 1e-3


@torch.no_grad()
def test_training_and_evaluation_are_alike(case: tuple[VirtualBatchNetwork, list[Tensor | None]]) -> None:
    network, inputs = case
    for trained, evaluated in zip(tensors(network(*inputs)), tensors(network.eval()(*inputs)), strict=True):
        torch.testing.assert_close(trained, evaluated, rtol=0, atol=0)


def test_gradients_reach_everything(case: tuple[VirtualBatchNetwork, list[Tensor | None]]) -> None:
    network, inputs = case
    sum(output.square().sum() for output in tensors(network(*inputs))).backward()  # pyright: ignore
    for name, parameter in network.named_parameters():
        if "condition_encoder" in name or "code_head" in name:
            continue  # rectified units may be off for a whole tiny batch
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def test_state_dict_holds_the_reference(case: tuple[VirtualBatchNetwork, list[Tensor | None]]) -> None:
    network, inputs = case
    state = {key: value.clone() for key, value in network.state_dict().items()}
    assert "reference_0" in state
    assert not any("running" in key for key in state)
    expected = tensors(network(*inputs))
    for value in network.state_dict().values():
        value.mul_(0.5)
    assert any((a != b).any() for a, b in zip(expected, tensors(network(*inputs)), strict=True))
    network.load_state_dict(state)
    for before, after in zip(expected, tensors(network(*inputs)), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_parameters_stay_the_same_objects() -> None:
    network = DCGANGenerator(5, 16, 1, 4)
    before = {id(parameter) for parameter in network.parameters()}
    assert {id(parameter) for parameter in VirtualBatchNetwork(network, torch.randn(2, 5)).parameters()} == before


def test_missing_inputs_stay_missing() -> None:
    network = VirtualBatchNetwork(SRGANCritic(4, 16), torch.rand(2, 3, 16, 16), None)
    image = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(network(image, None).score, network(image).score)


@pytest.mark.parametrize(
    ("network", "references", "message"),
    [
        (ResidualSR(4, 4, 1), [torch.rand(2, 3, 8, 8)], "ResidualSR has none"),
        (DCGANGenerator(5, 16), [], r"got \[\]"),
        (DCGANGenerator(5, 16), [None], r"got \[\]"),
        (DCGANGenerator(5, 16), [torch.rand(0, 5)], r"got \[0\]"),
        (DCGANGenerator(5, 16), [torch.rand(2, 5), torch.rand(3, 5)], r"got \[2, 3\]"),
    ],
)
def test_rejects(network: nn.Module, references: list[Tensor | None], message: str) -> None:
    with pytest.raises(UserError, match=message):
        VirtualBatchNetwork(network, *references)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([torch.rand(1, 3, 16, 16)], r"input 1 like the reference's, \(2, 2, 4, 4\), got none"),
        ([torch.rand(1, 3, 16, 16), torch.rand(1, 2, 4, 4), torch.rand(1, 9)], r"input 2 .*, none, got \(1, 9\)"),
    ],
)
def test_rejects_inputs_unlike_the_reference(inputs: list[Tensor], message: str) -> None:
    critic = DCGANCritic(16, 3, 4, condition=(2, 4))
    network = VirtualBatchNetwork(critic, torch.rand(2, 3, 16, 16), torch.rand(2, 2, 4, 4))
    with pytest.raises(UserError, match=message):
        network(*inputs)


def test_minibatch_discrimination_compares_the_batch_with_itself_alone() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.BatchNorm1d(5), MinibatchDiscrimination(5, kernels=3, dimensions=2))
    network, batch = VirtualBatchNetwork(layers, torch.randn(6, 5)), torch.randn(4, 5)
    given = network(batch)
    normed = given[:, :5]  # what the second layer saw
    discrimination = next(layer for layer in network.modules() if isinstance(layer, MinibatchDiscrimination))
    torch.testing.assert_close(given, discrimination(normed))
    assert (network(batch[:1])[:, 5:] == 0).all()  # one image is like no other
    assert (given[:, 5:] > 0).all()


@torch.no_grad()
def test_autocast() -> None:
    network, latent = VirtualBatchNetwork(DCGANGenerator(5, 16, 1, 4), torch.randn(6, 5)), torch.randn(4, 5)
    exact = network(latent)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(network(latent).float(), exact, atol=0.05, rtol=0.05)
