"""Generators, encoders and critics of the GAN systems: shapes, layouts, first weights, heads, gradients, errors."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from srgan_kit.contracts import Critique, Gaussian
from srgan_kit.critics.autoencoder import AutoencoderCritic
from srgan_kit.critics.dcgan import DCGANCritic
from srgan_kit.critics.heads import CodeHead, Heads
from srgan_kit.critics.mlp import MLPCritic
from srgan_kit.critics.srgan import SRGANCritic
from srgan_kit.critics.unet import UNetCritic
from srgan_kit.errors import UserError
from srgan_kit.generators.encoder import ConvEncoder, MLPEncoder
from srgan_kit.generators.latent.dcgan import DCGANGenerator
from srgan_kit.generators.latent.inversion import InversionGenerator
from srgan_kit.generators.latent.mlp import MLPGenerator
from srgan_kit.generators.latent.resnet import ResNetGenerator
from srgan_kit.layers.dcgan import pyramid
from srgan_kit.layers.spectral_norm import with_spectral_norm

SIZES = [28, 32, 48, 64, 96, 128]
CONDITION = (2, 8)

CRITICS: dict[str, Callable[..., nn.Module]] = {
    "dcgan": lambda **heads: DCGANCritic(32, 3, 4, **heads),
    "mlp": lambda **heads: MLPCritic(32, 3, (16, 8), **heads),
    "srgan": lambda **heads: SRGANCritic(4, 32, **heads),
    "unet": lambda **heads: UNetCritic(4, **heads),
    "autoencoder": lambda **heads: AutoencoderCritic(32, 3, 4, 8, **heads),
}
SEEING = [name for name in CRITICS if name != "autoencoder"]
"""Those that can see a condition and the batch."""


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def modules(network: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def assert_gradients_reach_everything(network: nn.Module, *outputs: Tensor | None) -> None:
    loss = sum((output * torch.randn_like(output)).sum() for output in outputs if output is not None)
    assert isinstance(loss, Tensor)
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def values(critique: Critique) -> list[Tensor]:
    """All tensors of a critique but its features."""
    codes = [*critique.codes.categorical, critique.codes.mean] if critique.codes else []
    rest = [critique.score, critique.class_logits, critique.reconstruction, critique.embedding, *codes]
    return [value for value in rest if value is not None]


# --- sizes ----------------------------------------------------------------------------------------------------------


def test_every_size_of_the_form_is_taken_apart() -> None:
    for base in (4, 5, 6, 7):
        for halvings in range(1, 8):
            assert pyramid("it", base * 2**halvings) == (base, halvings)


@pytest.mark.parametrize("size", [-8, 0, 1, 4, 7, 9, 17, 30, 36, 100])
@pytest.mark.parametrize(
    "network",
    [
        lambda size: DCGANGenerator(5, size),
        lambda size: ResNetGenerator(5, size),
        lambda size: InversionGenerator(5, 1, size),
        lambda size: ConvEncoder(5, size),
        lambda size: DCGANCritic(size),
        lambda size: AutoencoderCritic(size),
    ],
)
def test_other_sizes_are_rejected(network: Callable[[int], nn.Module], size: int) -> None:
    with pytest.raises(UserError, match=rf"expected a size of 4, 5, 6 or 7 times 2, .* got {size}$"):
        network(size)


# --- generators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [DCGANGenerator, ResNetGenerator])
def test_generators_from_noise(kind: type[DCGANGenerator | ResNetGenerator], size: int, image_channels: int) -> None:
    generator = kind(7, size, image_channels, 4)
    assert generator.squashed is True
    logits = generator(torch.randn(3, 7))
    assert logits.shape == (3, image_channels, size, size)
    assert_gradients_reach_everything(generator, logits)


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("condition_size", "latent"), [(1, 0), (1, 4), (3, 4), (4, 0), (7, 4), (13, 0), (28, 0)])
def test_inversion(condition_size: int, latent: int, size: int, image_channels: int) -> None:
    generator = InversionGenerator(5, condition_size, size, image_channels, 4, latent)
    noise = torch.randn(2, latent) if latent else None
    logits = generator(torch.randn(2, 5, condition_size, condition_size), noise)
    assert generator.squashed is True
    assert logits.shape == (2, image_channels, size, size)
    assert_gradients_reach_everything(generator, logits)


def test_inversion_of_maps_keeps_their_layout() -> None:
    """What one position of the features says is about its place in the image."""
    generator = InversionGenerator(4, 8, 64, 1, 4)
    features = torch.randn(1, 4, 8, 8, requires_grad=True)
    generator(features)[0, 0, 4, 4].backward()
    assert features.grad is not None
    seen = features.grad[0].abs().sum(dim=0)
    assert seen[0, 0] > 0
    assert (seen[5:] == 0).all()
    assert (seen[:, 5:] == 0).all()


@pytest.mark.parametrize("condition_size", [2, 8])
def test_inversion_uses_noise(condition_size: int) -> None:
    generator = InversionGenerator(4, condition_size, 16, 1, 4, latent=3)
    features = torch.randn(1, 4, condition_size, condition_size)
    assert (generator(features, torch.zeros(1, 3)) - generator(features, torch.ones(1, 3))).abs().max() > 1e-3


def test_inversion_starts_with_activations_of_even_size() -> None:
    """He's weights for the slope: the variance neither vanishes nor explodes over fifteen layers."""
    logits = InversionGenerator(256, 4, 128, 3, 16)(torch.randn(4, 256, 4, 4))
    assert 0.2 < logits.std() < 5
    slopes = {m.negative_slope for m in modules(InversionGenerator(4, 1, 16), nn.LeakyReLU)}
    assert slopes == {0.3}


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("size", [1, 5, 28])
@pytest.mark.parametrize("normalisation", ["batch", "none"])
def test_mlp_generator(normalisation, size: int, image_channels: int) -> None:
    generator = MLPGenerator(7, size, image_channels, 16, normalisation=normalisation)
    assert generator.squashed is True
    assert len(modules(generator, nn.BatchNorm1d)) == (2 if normalisation == "batch" else 0)
    logits = generator(torch.randn(3, 7))
    assert logits.shape == (3, image_channels, size, size)
    assert_gradients_reach_everything(generator, logits)


def test_mlp_generator_is_the_papers() -> None:
    dense = [(m.in_features, m.out_features) for m in modules(MLPGenerator(100, 28, 1), nn.Linear)]
    assert dense == [(100, 500), (500, 500), (500, 784)]


def test_mlp_generator_makes_points() -> None:
    generator = MLPGenerator(2, 1, 2, 32, 3, output="linear", normalisation="none", activation="relu")
    assert generator.squashed is False
    assert generator(torch.randn(6, 2)).shape == (6, 2, 1, 1)
    assert len(modules(generator, nn.ReLU)) == 3


def test_dcgan_generator_layout() -> None:
    """The common 64x64 form of the paper's fig. 1, half as wide."""
    layers = modules(DCGANGenerator(100, 64), nn.ConvTranspose2d)
    assert [m.out_channels for m in layers] == [512, 256, 128, 64, 3]
    assert [m.bias is not None for m in layers] == [False] * 4 + [True]
    assert len(modules(DCGANGenerator(100, 64), nn.BatchNorm2d)) == 4


def test_resnet_generator_layout() -> None:
    generator = ResNetGenerator(128, 32, channels=64)
    assert [tuple(block.conv1.weight.shape[:2]) for block in generator.blocks] == [  # pyright: ignore
        (256, 256),
        (128, 256),
        (64, 128),
    ]


@pytest.mark.parametrize("network", [DCGANGenerator(100, 64), DCGANCritic(64, classes=10)])
@torch.no_grad()
def test_first_weights_are_dcgans(network: nn.Module) -> None:
    for module in modules(network, nn.Conv2d, nn.ConvTranspose2d, nn.Linear):
        weight = module.get_parameter("weight")
        if weight.numel() < 1000:
            continue
        assert weight.mean().abs() < 4 * 0.02 / weight.numel() ** 0.5
        assert weight.std() == pytest.approx(0.02, rel=0.1)
    for module in modules(network, nn.BatchNorm2d):
        assert module.get_parameter("weight").mean() == pytest.approx(1, abs=0.02)
        assert module.get_parameter("weight").std() == pytest.approx(0.02, rel=0.35)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all(), name


def test_first_weights_of_the_resnet_are_glorots() -> None:
    block = ResNetGenerator(8, 16).blocks.get_submodule("0")
    for name, gain in (("conv1", 2**0.5), ("conv2", 2**0.5), ("shortcut", 1)):
        weight = block.get_parameter(f"{name}.weight")
        fan = (weight.shape[0] + weight.shape[1]) * weight[0, 0].numel()
        assert weight.abs().max().item() == pytest.approx(gain * (6 / fan) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (DCGANGenerator(5, 16), [(2, 6)], r"DCGANGenerator: expected a latent code of shape \(N, 5\), got \(2, 6\)"),
        (ResNetGenerator(5, 16), [(2, 5, 1, 1)], r"ResNetGenerator: .* \(N, 5\), got \(2, 5, 1, 1\)"),
        (MLPGenerator(5, 16), [(2, 6)], r"MLPGenerator: .* \(N, 5\), got \(2, 6\)"),
        (InversionGenerator(5, 2, 16), [(2, 5, 1, 1)], r"features of shape \(N, 5, 2, 2\), got \(2, 5, 1, 1\)"),
        (InversionGenerator(5, 2, 16, latent=3), [(2, 5, 2, 2)], r"noise of shape \(N, 3\), got none"),
        (InversionGenerator(5, 2, 16, latent=3), [(2, 5, 2, 2), (2, 4)], r"noise .* \(N, 3\), got \(2, 4\)"),
        (
            ConvEncoder(5, 16),
            [(2, 1, 16, 16)],
            r"ConvEncoder: expected images .* \(N, 3, 16, 16\), got \(2, 1, 16, 16\)",
        ),
        (ConvEncoder(5, 16, 3, 4, 2), [(2, 3, 16, 16)], r"a condition of shape \(N, 2, h, w\), got none"),
        (ConvEncoder(5, 16, 3, 4, 2), [(2, 3, 16, 16), (2, 2)], r"a condition of shape \(N, 2, h, w\), got \(2, 2\)"),
        (MLPEncoder(5, 1, 2), [(2, 2)], r"MLPEncoder: expected images of shape \(N, 2, 1, 1\), got \(2, 2\)"),
        (DCGANCritic(16), [(2, 3, 16, 24)], r"DCGANCritic: expected images .* \(N, 3, 16, 16\), got \(2, 3, 16, 24\)"),
        (MLPCritic(1, 2), [(2, 2)], r"MLPCritic: expected images of shape \(N, 2, 1, 1\), got \(2, 2\)"),
        (AutoencoderCritic(16), [(2, 3, 8, 8)], r"AutoencoderCritic: expected images .*, got \(2, 3, 8, 8\)"),
    ],
)
def test_other_inputs_are_rejected(network: nn.Module, inputs: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        network(*(torch.rand(shape) for shape in inputs))


def test_features_larger_than_the_image_are_rejected() -> None:
    with pytest.raises(UserError, match="expected features of at most 16x16, got 20"):
        InversionGenerator(5, 20, 16)


# --- encoders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("condition_channels", [0, 2])
def test_conv_encoder(condition_channels: int, size: int, image_channels: int) -> None:
    encoder = ConvEncoder(6, size, image_channels, 4, condition_channels)
    condition = torch.rand(3, 2, 5, 7) if condition_channels else None
    posterior = encoder(torch.rand(3, image_channels, size, size), condition)
    assert isinstance(posterior, Gaussian)
    assert posterior.mean.shape == posterior.log_variance.shape == (3, 6)
    assert_gradients_reach_everything(encoder, posterior.mean, posterior.log_variance)


@pytest.mark.parametrize(("size", "image_channels"), [(28, 1), (5, 3), (1, 2)])
def test_mlp_encoder(size: int, image_channels: int) -> None:
    encoder = MLPEncoder(6, size, image_channels, 16)
    posterior = encoder(torch.randn(3, image_channels, size, size))
    assert posterior.mean.shape == posterior.log_variance.shape == (3, 6)
    assert_gradients_reach_everything(encoder, posterior.mean, posterior.log_variance)


def test_log_variance_stays_finite() -> None:
    posterior = MLPEncoder(6, 1, 2)(torch.randn(8, 2, 1, 1) * 1e6)
    assert posterior.log_variance.abs().max() == 10
    assert posterior.log_variance.exp().isfinite().all()
    assert posterior.mean.abs().max() > 100


# --- critics --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_dcgan_critic(size: int, image_channels: int) -> None:
    critic = DCGANCritic(size, image_channels, 4)
    critique = critic(torch.rand(3, image_channels, size, size))
    base, halvings = pyramid("it", size)
    assert critique.score.shape == (3, 1)
    assert [f.shape[-1] for f in critique.features] == [base * 2**level for level in reversed(range(halvings))]
    assert len(modules(critic, nn.BatchNorm2d)) == halvings - 1
    assert_gradients_reach_everything(critic, critique.score)


@pytest.mark.parametrize("energy", ["euclidean", "mean-square"])
@pytest.mark.parametrize(
    ("size", "image_channels", "layout"),
    [
        *((size, channels, "convolutional") for size in SIZES for channels in (1, 3)),
        (28, 1, "dense"),
        (1, 2, "dense"),
    ],
)
def test_autoencoder_critic(size: int, image_channels: int, layout, energy) -> None:
    critic = AutoencoderCritic(size, image_channels, 4, 6, energy, layout)
    image = torch.rand(3, image_channels, size, size)
    critique = critic(image)
    residual = (critique.reconstruction - image).flatten(1)
    expected = residual.norm(dim=1) if energy == "euclidean" else residual.square().mean(dim=1)
    torch.testing.assert_close(critique.score, expected)
    assert critique.reconstruction.shape == image.shape
    assert critique.embedding.shape == (3, 6)
    assert all(f.ndim == 4 for f in critique.features)
    assert critic.provides == {"features", "autoencoder"}
    assert_gradients_reach_everything(critic, critique.score)


def test_energy_has_gradients_through_both_sides() -> None:
    """A generator is pulled by the image and by its reconstruction; a detached target is a known mistake."""
    critic = AutoencoderCritic(1, 2, 8, 2, layout="dense")
    image = torch.randn(4, 2, 1, 1, requires_grad=True)
    critic(image).score.sum().backward()
    assert image.grad is not None
    reconstructed = image.detach().requires_grad_()
    (critic(reconstructed).reconstruction - image.detach()).flatten(1).norm(dim=1).sum().backward()
    assert reconstructed.grad is not None
    assert (image.grad - reconstructed.grad).abs().max() > 1e-3


def test_autoencoder_learns_real_points() -> None:
    """A few steps on a line lower the energy there, and not far away."""
    critic = AutoencoderCritic(1, 2, 32, 1, layout="dense")
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    line = torch.linspace(-1, 1, 64)[:, None, None, None].expand(-1, 2, 1, 1)
    before = critic(line).score.mean().item()
    for _ in range(200):
        optimiser.zero_grad()
        critic(line).score.mean().backward()
        optimiser.step()
    assert critic(line).score.mean() < before / 4
    assert critic(line * torch.tensor([1, -1]).view(1, 2, 1, 1)).score.mean() > 2 * critic(line).score.mean()


@pytest.mark.parametrize(("size", "image_channels"), [(28, 1), (8, 3), (1, 2)])
def test_mlp_critic(size: int, image_channels: int) -> None:
    critic = MLPCritic(size, image_channels, (16, 8))
    critique = critic(torch.randn(3, image_channels, size, size))
    assert critique.score.shape == (3, 1)
    assert [tuple(f.shape) for f in critique.features] == [(3, 16, 1, 1), (3, 8, 1, 1)]
    assert_gradients_reach_everything(critic, critique.score)


@torch.no_grad()
def test_mlp_critics_noise_is_of_training_only() -> None:
    image = torch.rand(64, 1, 8, 8)
    plain, noisy = (MLPCritic(8, 1, (32, 32), noises=(noise, 0.0)) for noise in (0.0, 0.5))
    noisy.load_state_dict(plain.state_dict())
    torch.testing.assert_close(noisy.eval()(image).score, plain(image).score, rtol=0, atol=0)
    first, second = (noisy.train()(image) for _ in range(2))
    assert (first.score - second.score).abs().max() > 1e-2
    torch.testing.assert_close(first.features[0], plain(image).features[0])  # the input has none
    assert (first.features[1] - second.features[1]).abs().max() > 1e-2
    only_input = MLPCritic(8, 1, (32, 32), noises=(0.0, 0.3))
    assert (only_input(image).features[0] - only_input(image).features[0]).abs().max() > 1e-2


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("image_channels", [1, 3])
def test_image_channels(name: str, image_channels: int) -> None:
    sizes = {"dcgan": DCGANCritic(32, image_channels, 4), "mlp": MLPCritic(32, image_channels, (8,))}
    sizes |= {"srgan": SRGANCritic(4, 32, image_channels), "unet": UNetCritic(4, image_channels)}
    sizes |= {"autoencoder": AutoencoderCritic(32, image_channels, 4)}
    assert len(sizes[name](torch.rand(2, image_channels, 32, 32)).score) == 2


# --- heads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize(
    ("classes", "categorical", "continuous"),
    [(0, (), 0), (5, (), 0), (0, (4, 3), 0), (0, (), 2), (0, [4], 1), (5, (4, 3), 2)],
)
def test_heads_are_there_when_asked_for(name: str, classes: int, categorical: tuple[int, ...], continuous: int) -> None:
    critic = CRITICS[name](classes=classes, categorical=categorical, continuous=continuous)
    critique = critic(torch.rand(3, 3, 32, 32))
    expected = {"features"} | ({"autoencoder"} if name == "autoencoder" else set())
    expected |= ({"class_logits"} if classes else set()) | ({"codes"} if categorical or continuous else set())
    assert critic.provides == expected
    assert isinstance(critic.provides, frozenset)
    assert (critique.class_logits is not None) == bool(classes)
    assert (critique.codes is not None) == bool(categorical or continuous)
    assert (critique.reconstruction is not None) == (critique.embedding is not None) == (name == "autoencoder")
    assert len(modules(critic, CodeHead)) == bool(categorical or continuous)
    if critique.class_logits is not None:
        assert critique.class_logits.shape == (3, classes)
    if critique.codes is not None:
        assert [tuple(logits.shape) for logits in critique.codes.categorical] == [(3, k) for k in categorical]
        assert critique.codes.mean.shape == (3, continuous)
    assert_gradients_reach_everything(critic, *values(critique))


@pytest.mark.parametrize("name", SEEING)
def test_all_heads_at_once(name: str) -> None:
    critic = CRITICS[name](classes=5, categorical=[4, 3], continuous=2, minibatch_kernels=6, condition=CONDITION)
    critique = critic(torch.rand(8, 3, 32, 32), torch.rand(8, *CONDITION[:1], 8, 8))
    assert critique.score.shape == ((8, 1, 32, 32) if name == "unet" else (8, 1))
    assert_gradients_reach_everything(critic, *values(critique))


@pytest.mark.parametrize("name", SEEING)
@torch.no_grad()
def test_score_sees_the_condition(name: str) -> None:
    critic, image = CRITICS[name](condition=CONDITION).eval(), torch.rand(2, 3, 32, 32)
    one, other = (critic(image, torch.randn(2, 2, 8, 8)).score for _ in range(2))
    assert (one - other).abs().min() > 0
    for condition in (None, torch.rand(2, 3, 8, 8), torch.rand(2, 2)):
        with pytest.raises(UserError, match=r"critic: expected a condition of shape \(N, 2, h, w\), got"):
            critic(image, condition)


@pytest.mark.parametrize("name", CRITICS)
@torch.no_grad()
def test_unconditional_critics_do_not_look_at_a_condition(name: str) -> None:
    critic, image = CRITICS[name]().eval(), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(critic(image, torch.rand(2, 2, 8, 8)).score, critic(image).score, rtol=0, atol=0)


@pytest.mark.parametrize("size", [1, 3, 4, 16])
def test_conditions_of_all_sizes(size: int) -> None:
    heads = Heads(6, condition=(3, size))
    assert heads(torch.randn(2, 6), [], torch.randn(2, 3, size, size)).score.shape == (2, 1)
    assert [m.in_features for m in modules(heads, nn.Linear)] == [3 * min(size, 4) ** 2, 6 + 128]


@pytest.mark.parametrize("name", SEEING)
@torch.no_grad()
def test_minibatch_discrimination_sees_a_collapse(name: str) -> None:
    """The score of one image changes when the others become it; without the kernels it does not; nor do codes."""
    image = torch.rand(8, 3, 32, 32)
    collapsed = image[:1].expand(8, -1, -1, -1)
    for kernels in (0, 20):
        critic = CRITICS[name](classes=3, categorical=[4], minibatch_kernels=kernels).eval()
        diverse, alike = critic(image), critic(collapsed)
        seen = [
            (a[0] - b[0]).abs().max() > 1e-4
            for a, b in [(diverse.score, alike.score), (diverse.class_logits, alike.class_logits)]
        ]
        assert seen == [kernels > 0] * 2
        torch.testing.assert_close(diverse.codes.categorical[0][0], alike.codes.categorical[0][0])


@pytest.mark.parametrize("kind", [SRGANCritic, UNetCritic])
@torch.no_grad()
def test_state_without_heads_is_as_it_was(kind: type[SRGANCritic | UNetCritic]) -> None:
    plain = kind(4)
    assert not any(key.startswith("heads") for key in plain.state_dict())
    missing, unexpected = kind(4, classes=2).load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith("heads") for key in missing)


@pytest.mark.parametrize("unseen", [{"minibatch_kernels": 5}, {"condition": (3, 8)}])
def test_an_energy_is_of_the_image_alone(unseen) -> None:
    with pytest.raises(UserError, match="an energy is of the image alone"):
        AutoencoderCritic(16, **unseen)


# --- all of them ----------------------------------------------------------------------------------------------------

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dcgan generator": (lambda: DCGANGenerator(5, 16, 3, 4), (5,)),
    "resnet generator": (lambda: ResNetGenerator(5, 16, 3, 4), (5,)),
    "mlp generator": (lambda: MLPGenerator(5, 4, 1, 16), (5,)),
    "inversion generator": (lambda: InversionGenerator(3, 4, 16, 3, 4), (3, 4, 4)),
    "conv encoder": (lambda: ConvEncoder(5, 16, 3, 4), (3, 16, 16)),
    "mlp encoder": (lambda: MLPEncoder(5, 16, 3, 16), (3, 16, 16)),
    **{
        f"{name} critic": (
            lambda make=make, seeing=name in SEEING: make(
                classes=3, categorical=[4], continuous=1, **({"minibatch_kernels": 4} if seeing else {})
            ),
            (3, 32, 32),
        )
        for name, make in CRITICS.items()
    },
}


def outputs(result: Tensor | Gaussian | Critique) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [result.mean, result.log_variance] if isinstance(result, Gaussian) else values(result)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_deterministic(name: str) -> None:
    make, shape = NETWORKS[name]
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(outputs(make()(torch.rand(4, *shape))))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("name", NETWORKS)
def test_autocast(name: str) -> None:
    make, shape = NETWORKS[name]
    network, x = make().eval(), torch.rand(4, *shape)
    exact = outputs(network(x))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = outputs(network(x))
    for first, second in zip(exact, rounded, strict=True):
        scale = first.abs().max().item()
        torch.testing.assert_close(second.float(), first, atol=0.05 * scale + 0.01, rtol=0)
    assert_gradients_reach_everything(network, *(output.float() for output in rounded))


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_state_dict_round_trip(name: str) -> None:
    make, shape = NETWORKS[name]
    first, second, x = make().eval(), make().eval(), torch.rand(4, *shape)
    second.load_state_dict(first.state_dict())
    for a, b in zip(outputs(first(x)), outputs(second(x)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", NETWORKS)
def test_spectral_norm(name: str) -> None:
    make, shape = NETWORKS[name]
    network = make()
    layers = modules(network, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    assert with_spectral_norm(network) is network
    assert with_spectral_norm(network) is network  # a second time adds nothing
    for _ in range(30):
        result = network(torch.rand(4, *shape))
    for layer in layers:
        assert is_parametrized(layer, "weight")
        assert len(layer.parametrizations.weight) == 1  # pyright: ignore
        weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
        assert isinstance(weight, Tensor)
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)
    assert_gradients_reach_everything(network, *outputs(result))


def test_a_generator_without_hidden_layers_is_an_affine_function() -> None:
    generator = MLPGenerator(1, 1, 1, layers=0, output="linear", normalisation="none")
    weight, bias = (float(parameter.detach()) for parameter in generator.parameters())
    made = generator(torch.tensor([[0.0], [1.0], [-2.0]])).flatten()
    assert torch.allclose(made, torch.tensor([bias, weight + bias, bias - 2 * weight]))


@pytest.mark.parametrize(
    ("activation", "function"),
    [("leaky-relu", lambda x: F.leaky_relu(x, 0.2)), ("elu", F.elu), ("tanh", torch.tanh)],
)
def test_a_dense_critic_has_the_activation_that_is_asked_for(activation, function) -> None:
    critic = MLPCritic(2, 1, (5,), activation=activation)
    image = torch.randn(3, 1, 2, 2)
    hidden = critic(image).features[0].flatten(1)
    assert torch.allclose(hidden, function(critic.layers[0](image.flatten(1))))


def test_up_convolutions_begin_without_a_checkerboard() -> None:
    generator = InversionGenerator(3, 4, 16, channels=4)
    layer = next(each for each in generator.modules() if isinstance(each, nn.ConvTranspose2d))
    flat = layer(torch.ones(1, layer.in_channels, 6, 6))[..., 2:-2, 2:-2]
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat))
    assert layer.weight.std() > 0
