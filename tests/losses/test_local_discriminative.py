"""The artefact map against a plain NumPy version, and the gradients that others lose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from losses import LocalDiscriminativeLoss, artifact_map, local_discriminative


def map_by_hand(image: Tensor, target: Tensor, average: Tensor | None = None, window: int = 7) -> np.ndarray:
    """Liang, Zeng and Zhang 2022, one image (C, H, W), pixel by pixel."""
    residual = np.abs(target.numpy() - image.numpy()).sum(axis=0)
    half = window // 2
    padded = np.pad(residual, half, mode="reflect")
    weight = np.zeros_like(residual)
    for y, x in np.ndindex(*residual.shape):
        weight[y, x] = padded[y : y + window, x : x + window].var(ddof=1)
    weight *= residual.var(ddof=1) ** 0.2
    if average is not None:
        weight[residual < np.abs(target.numpy() - average.numpy()).sum(axis=0)] = 0
    return weight


@st.composite
def images(draw) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    shape = (2, draw(st.integers(1, 3)), draw(st.integers(4, 12)), draw(st.integers(4, 12)))
    image, target, average = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    return image, target, average


@settings(max_examples=20)
@given(images(), st.sampled_from([3, 5, 7]))
def test_map_is_the_papers_pixel_by_pixel(three, window: int) -> None:
    image, target, average = three
    for other in (None, average):
        found = artifact_map(image, target, other, window)
        assert found.shape == (2, 1, *image.shape[2:])
        for i in range(2):
            expected = map_by_hand(image[i], target[i], None if other is None else other[i], window)
            np.testing.assert_allclose(found[i, 0].numpy(), expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=20)
@given(images())
def test_loss_is_l1_weighted_with_the_map(three) -> None:
    image, target, average = three
    expected = (artifact_map(image, target, average) * (image - target).abs()).mean()
    torch.testing.assert_close(local_discriminative(image, target, average), expected)


@settings(max_examples=20)
@given(images())
def test_symmetric_not_negative_and_each_image_by_itself(three) -> None:
    image, target, average = three
    value = local_discriminative(image, target, average)
    assert value >= 0
    torch.testing.assert_close(local_discriminative(target, image), local_discriminative(image, target))
    torch.testing.assert_close(local_discriminative(*(x.flip(0) for x in three)), value)
    torch.testing.assert_close(local_discriminative(*(x.flip(1, 3) for x in three)), value)
    each = [local_discriminative(*(x[i : i + 1] for x in three)) for i in range(2)]
    torch.testing.assert_close(torch.stack(each).mean(), value)
    assert local_discriminative(image, target, average) <= local_discriminative(image, target)
    assert local_discriminative(image, image, average) == 0


def test_constant_residual_has_a_finite_gradient_where_the_gradient_of_the_fifth_root_has_none() -> None:
    target = torch.full((1, 3, 8, 8), 0.5)

    def through_the_map(image: Tensor) -> Tensor:
        residual = (image - target).abs().sum(dim=1)
        return (residual.var().pow(1 / 5) * residual).mean()

    for constant in (0.0, 0.25):
        image = (target + constant).requires_grad_()
        (wrong,) = torch.autograd.grad(through_the_map(image), image)
        assert not wrong.isfinite().all()
        value = local_discriminative(image, target)
        (gradient,) = torch.autograd.grad(value, image)
        assert value == 0
        assert (gradient == 0).all()


def test_map_is_detached_so_the_gradient_is_that_of_a_weighted_l1() -> None:
    image, target, average = (torch.rand(2, 3, 9, 8).double().requires_grad_() for _ in range(3))
    weight = artifact_map(image, target, average)
    assert not weight.requires_grad
    gradients = torch.autograd.grad(local_discriminative(image, target, average), (image, average), allow_unused=True)
    torch.testing.assert_close(gradients[0], weight * (image - target).sign() / image.numel())
    assert gradients[1] is None


def test_pixels_better_than_the_average_generators_are_excused() -> None:
    image, target = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert (artifact_map(image, target, 1 - target + 2) == 0).all()  # that one is far worse everywhere
    assert torch.equal(artifact_map(image, target, target), artifact_map(image, target))
    assert torch.equal(artifact_map(image, target, image), artifact_map(image, target))  # equally good is not better


def test_a_speckle_looks_more_like_an_artefact_than_a_shift_of_the_same_size() -> None:
    target = torch.zeros(1, 3, 16, 16)
    shifted, speckled = torch.full((1, 3, 16, 16), 1 / 256), torch.zeros(1, 3, 16, 16)
    speckled[..., 8, 8] = 1
    assert (shifted - target).abs().mean() == (speckled - target).abs().mean()
    assert local_discriminative(shifted, target) == 0
    assert local_discriminative(speckled, target) > 1e-6
    seen = artifact_map(speckled, target)[0, 0] > 0
    assert seen[5:12, 5:12].all()
    assert seen.sum() == 49


def test_module_is_the_function() -> None:
    image, target, average = (torch.rand(2, 3, 8, 8) for _ in range(3))
    loss = LocalDiscriminativeLoss(window=5)
    assert torch.equal(loss(image, target, average), local_discriminative(image, target, average, 5))
    assert torch.equal(loss(image, target), local_discriminative(image, target, window=5))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 8, 8\) and \(1, 3, 8, 7\)"):
        local_discriminative(image, image[..., :7])
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 4, 4\) and \(1, 3, 8, 8\)"):
        local_discriminative(image, image, image[..., :4, :4])
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \(3, 8, 8\)"):
        local_discriminative(image[0], image[0])
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        local_discriminative(image.byte(), image)
    for window, said in ((1, "3 or more"), (4, "an odd number"), (17, "an odd number .* fits"), (5.5, "whole")):
        with pytest.raises(ValueError, match=f"window: expected .*{said}.* got {window}"):
            local_discriminative(image, image, window=window)  # pyright: ignore[reportArgumentType]
