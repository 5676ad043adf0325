"""Gram matrices by hand, their scale, and the style loss on any network."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from losses import StyleLoss, gram_matrix
from losses.style import style_distance

RANDOM_VGG = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.randn(64)}


@st.composite
def maps(draw) -> Tensor:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    return torch.randn(draw(st.tuples(*[st.integers(1, 5)] * 4)), generator=generator, dtype=torch.float64)


def test_gram_matrix_by_hand() -> None:
    two_channels = torch.tensor([[[[1.0, 2.0, 3.0]], [[0.0, -1.0, 1.0]]]])  # (1, 2, 1, 3): C H W = 6
    expected = torch.tensor([[[1 + 4 + 9, -2 + 3], [-2 + 3, 1 + 1]]]) / 6
    torch.testing.assert_close(gram_matrix(two_channels), expected)


@settings(max_examples=50)
@given(maps())
def test_gram_matrix_is_the_mean_product_symmetric_and_positive_semidefinite(values: Tensor) -> None:
    gram = gram_matrix(values)
    channels, pixels = values.shape[1], values[0, 0].numel()
    torch.testing.assert_close(gram, torch.einsum("nihw,njhw->nij", values, values) / (channels * pixels))
    torch.testing.assert_close(gram, gram.mT)
    assert torch.linalg.eigvalsh(gram).min() > -1e-10


@settings(max_examples=50)
@given(maps())
def test_neither_size_nor_width_changes_the_scale_of_a_gram_matrix(values: Tensor) -> None:
    """Repeating an image, or a layer's channels, keeps the trace: the mean square of the maps."""
    trace = gram_matrix(values).diagonal(dim1=1, dim2=2).sum(dim=1)
    torch.testing.assert_close(trace, values.square().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(gram_matrix(values.repeat(1, 1, 3, 2)), gram_matrix(values))
    wider = gram_matrix(values.repeat(1, 2, 1, 1)).diagonal(dim1=1, dim2=2).sum(dim=1)
    torch.testing.assert_close(wider, trace)

    def sums(x: Tensor) -> Tensor:  # normalised by nothing, as often seen
        return torch.einsum("nihw,njhw->nij", x, x)

    assert sums(values.repeat(1, 1, 3, 2)).norm() > 5 * sums(values).norm()


@settings(max_examples=50)
@given(maps(), st.randoms())
def test_where_a_feature_is_does_not_matter(values: Tensor, random) -> None:
    order = list(range(values[0, 0].numel()))
    random.shuffle(order)
    torch.testing.assert_close(gram_matrix(values.flatten(2)[:, :, order].reshape(values.shape)), gram_matrix(values))


def test_style_distance_by_hand() -> None:
    features = {"a": torch.tensor([[[[2.0]]], [[[0.0]]]]), "b": torch.ones(2, 2, 1, 1)}
    grams = {"a": torch.tensor([[[1.0]], [[1.0]]]), "b": torch.zeros(2, 2, 2)}
    # a: Gram matrices 4 and 0 against 1, squares 9 and 1, mean 5; b: all four entries 1/2.
    assert style_distance(features, grams, {"a": 0.5, "b": 3.0}).item() == pytest.approx(0.5 * 5 + 3 * 4 / 4)


def test_loss_is_the_distance_of_gram_matrices_of_the_layers() -> None:
    network = nn.Conv2d(3, 5, 3).double()

    def extractor(image: Tensor) -> dict[str, Tensor]:
        return {"shallow": image, "deep": network(image)}

    image, target = (torch.rand(2, 3, 6, 6).double().requires_grad_() for _ in range(2))
    loss = StyleLoss({"shallow": 0.5, "deep": 2.0}, extractor=extractor)
    value = loss(image, target)
    expected = 0.5 * (gram_matrix(image) - gram_matrix(target)).square().sum() / 2
    expected = expected + 2 * (gram_matrix(network(image)) - gram_matrix(network(target))).square().sum() / 2
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(loss(target, image), value)
    assert torch.equal(loss(image, loss.grams_of(target)), value)
    value.backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert target.grad is None
    assert torch.autograd.gradcheck(lambda x: loss(x, target.detach()), (image,))


def test_a_module_given_as_the_extractor_is_frozen() -> None:
    class Extractor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 5, 3)

        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"deep": self.convolution(image)}

    loss = StyleLoss("deep", extractor=Extractor()).train()
    assert not any(module.training for module in loss.modules())
    assert not any(p.requires_grad for p in loss.parameters())


def test_images_of_two_sizes_on_a_vgg_and_equal_images() -> None:
    loss = StyleLoss("relu1_1", weights=RANDOM_VGG)
    image = torch.rand(2, 3, 8, 8, requires_grad=True)
    assert loss(image, torch.rand(2, 3, 16, 12)) > 0
    value = loss(image, image.detach())
    (gradient,) = torch.autograd.grad(value, image)
    assert value == 0
    assert (gradient == 0).all()
    assert torch.autograd.grad(loss(image, torch.rand(2, 3, 8, 8)), image)[0].abs().sum() > 0


def test_gram_matrices_are_in_fp32_inside_autocast() -> None:
    values = 300 * torch.randn(1, 4, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(gram_matrix(values), gram_matrix(values.double()).float(), rtol=1e-5, atol=1e-2)
    half = gram_matrix(values.half())  # whose sums over the pixels overflow fp16
    assert half.dtype == torch.float32
    assert half.isfinite().all()


def test_compiles_without_graph_breaks() -> None:
    torch._dynamo.reset()
    loss = StyleLoss("relu1_1", weights=RANDOM_VGG)
    images = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(torch.compile(loss, backend="eager", fullgraph=True)(*images), loss(*images))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \(2, 3, 4\)"):
        gram_matrix(torch.rand(2, 3, 4))
    with pytest.raises(ValueError, match=r"torch\.int64"):
        gram_matrix(torch.zeros(1, 2, 3, 4).long())
    image = torch.rand(1, 3, 8, 8)
    loss = StyleLoss("b", extractor=lambda image: {"a": image})
    for target in (image, {"b": gram_matrix(image)}):
        with pytest.raises(ValueError, match="layers: expected some of the extractor's a; got 'b'"):
            loss(image, target)
    good = StyleLoss("a", extractor=lambda image: {"a": image})
    with pytest.raises(ValueError, match="target: expected Gram matrices of a, got c"):
        good(image, {"c": gram_matrix(image)})
    with pytest.raises(ValueError, match=r"Gram matrices .*\(1, 3, 3\).* got \(2, 3, 3\)"):
        good(image, torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match="layers: expected at least one"):
        StyleLoss({}, extractor=lambda image: {"a": image})
    with pytest.raises(ValueError, match="'conv5_5'"):
        StyleLoss("conv5_5", weights=RANDOM_VGG)
