"""The contextual loss against a plain NumPy version; alignment must not matter."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from losses import ContextualLoss, contextual


def contextual_by_hand(features: np.ndarray, target: np.ndarray, bandwidth: float) -> float:
    """Mechrez, Talmi and Zelnik-Manor 2018, eq. 1-5, of one image: (C, H, W) and (C, h, w), feature by feature."""
    x, y = features.reshape(len(features), -1).T, target.reshape(len(target), -1).T
    center = y.mean(axis=0)
    x, y = x - center, y - center
    distance = np.array([[1 - a @ b / np.sqrt((a @ a) * (b @ b)) for b in y] for a in x])
    similarity = np.zeros_like(distance)
    for i, row in enumerate(distance):
        weight = np.exp((1 - row / (row.min() + 1e-5)) / bandwidth)
        similarity[i] = weight / weight.sum()
    return -math.log(np.mean([similarity[:, j].max() for j in range(len(y))]))


@st.composite
def maps(draw) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    channels = draw(st.integers(3, 8))
    sizes = draw(st.tuples(*[st.integers(2, 4)] * 4))
    features, target = (
        torch.randn(2, channels, *size, generator=generator, dtype=torch.float64) for size in (sizes[:2], sizes[2:])
    )
    return features, target


@settings(max_examples=30)
@given(maps(), st.floats(0.1, 2))
def test_value_is_the_papers_feature_by_feature(pair, bandwidth: float) -> None:
    features, target = pair
    each = [contextual_by_hand(x, y, bandwidth) for x, y in zip(features.numpy(), target.numpy(), strict=True)]
    assert contextual(features, target, bandwidth).item() == pytest.approx(np.mean(each), rel=1e-6)


@settings(max_examples=30)
@given(maps(), st.randoms())
def test_where_a_feature_is_does_not_matter(pair, random) -> None:
    features, target = pair
    value = contextual(features, target)
    order = list(range(features[0, 0].numel()))
    random.shuffle(order)
    shuffled = features.flatten(2)[:, :, order].reshape(features.shape)
    torch.testing.assert_close(contextual(shuffled, target), value)
    torch.testing.assert_close(contextual(features, target.flip(2)), value)
    torch.testing.assert_close(contextual(features.flip(0, 1), target.flip(0, 1)), value)


@settings(max_examples=30)
@given(maps(), st.floats(0.1, 10))
def test_not_negative_and_blind_to_the_mean_and_scale_of_all_features(pair, scale: float) -> None:
    features, target = pair
    value = contextual(features, target)
    assert value > 0
    torch.testing.assert_close(contextual(scale * features + 3, scale * target + 3), value)


def test_shuffled_target_is_found_and_another_image_is_not() -> None:
    target = torch.randn(1, 16, 5, 5)
    shuffled = target.flatten(2)[:, :, torch.randperm(25)].reshape(target.shape)
    assert contextual(shuffled, target, 0.1) < 1e-4
    assert contextual(torch.randn(1, 16, 5, 5), target, 0.1) > 0.5
    assert (shuffled - target).abs().mean() > 0.5


def test_one_feature_everywhere_finds_one_of_the_targets_only() -> None:
    """Each of the image's features fits the same target best: the mean over the targets must notice the others."""
    target = torch.eye(16).reshape(1, 16, 4, 4).double()
    collapsed = target[:, :, :1, :1].expand(-1, -1, 4, 4)
    assert contextual(collapsed, target, 0.1).item() == pytest.approx(math.log(16), abs=1e-3)
    assert contextual(target, target, 0.1) < 1e-3


def test_gradients() -> None:
    features = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(contextual, (features, target))


@pytest.mark.parametrize("value", [0.0, 0.5, 1e4])
def test_constant_maps_have_a_small_gradient(value: float) -> None:
    for target in (torch.full((1, 4, 3, 3), value), torch.randn(1, 4, 3, 3)):
        features = torch.full((1, 4, 3, 3), value, requires_grad=True)
        loss = contextual(features, target)
        (gradient,) = torch.autograd.grad(loss, features)
        assert loss.isfinite()
        assert gradient.abs().max() < 1e3  # and not 1 / eps


def test_module_weighs_layers_and_trains_neither_target_nor_network() -> None:
    network = nn.Conv2d(3, 5, 3).double()

    def extractor(image: Tensor) -> dict[str, Tensor]:
        return {"shallow": image, "deep": network(image)}

    image, target = (torch.rand(2, 3, 6, 6).double().requires_grad_() for _ in range(2))
    loss = ContextualLoss({"shallow": 0.5, "deep": 2.0}, bandwidth=0.3, extractor=extractor)
    value = loss(image, target)
    expected = 0.5 * contextual(image, target, 0.3) + 2 * contextual(network(image), network(target), 0.3)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert target.grad is None


def test_module_on_a_vgg_takes_images_of_two_sizes() -> None:
    weights = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.randn(64)}
    loss = ContextualLoss("relu1_1", weights=weights)
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    value = loss(image, torch.rand(1, 3, 6, 10))
    assert value > 0
    value.backward()
    assert not loss.train().training
    assert all(not p.requires_grad and p.grad is None for p in loss.parameters())


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    good = torch.rand(1, 4, 3, 3)
    for wrong in (good[0], torch.rand(2, 4, 3, 3), torch.rand(1, 5, 3, 3)):
        with pytest.raises(ValueError, match=rf"got \({', '.join(map(str, wrong.shape))}\) and \(1, 4, 3, 3\)"):
            contextual(wrong, good)
    with pytest.raises(ValueError, match=r"floating-point maps, got torch\.int64"):
        contextual(good.long(), good)
    for bandwidth in (0.0, -1.0):
        with pytest.raises(ValueError, match=f"bandwidth: expected a positive number, got {bandwidth}"):
            contextual(good, good, bandwidth)
        with pytest.raises(ValueError, match=f"bandwidth: expected a positive number, got {bandwidth}"):
            ContextualLoss("a", bandwidth, extractor=lambda image: {"a": image})
    with pytest.raises(ValueError, match="layers: expected some of the extractor's a; got 'b'"):
        ContextualLoss("b", extractor=lambda image: {"a": image})(good, good)
    with pytest.raises(ValueError, match="layers: expected at least one"):
        ContextualLoss([], extractor=lambda image: {"a": image})
