"""Losses between spectra: against the transform written as a sum, Parseval's theorem, properties."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from losses import FocalFrequencyLoss, focal_frequency, fourier_l1, mse


def spectrum(image: np.ndarray) -> np.ndarray:
    """F_uv = 1 / sqrt(HW) sum_yx f_yx e^{-2 pi i (uy / H + vx / W)}, as the product with two matrices."""
    rows, columns = (np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in image.shape)
    return rows @ image @ columns / np.sqrt(image.size)


def focal_by_hand(a: np.ndarray, b: np.ndarray, alpha: float) -> float:
    distance = np.abs(spectrum(a) - spectrum(b))
    weight = distance**alpha / (distance**alpha).max()
    return (weight * distance**2).mean()


@st.composite
def pairs(draw) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    shape = (2, draw(st.integers(1, 3)), 2 * draw(st.integers(1, 6)), 2 * draw(st.integers(1, 6)))
    a, b = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return a, b


@settings(max_examples=30)
@given(pairs(), st.floats(0, 3))
def test_focal_frequency_is_the_papers_formula_with_the_transform_as_a_sum(pair, alpha: float) -> None:
    a, b = pair
    expected = np.mean([focal_by_hand(a[i, c].numpy(), b[i, c].numpy(), alpha) for i, c in np.ndindex(*a.shape[:2])])
    assert focal_frequency(a, b, alpha).item() == pytest.approx(expected)


@settings(max_examples=30)
@given(pairs())
def test_patches_are_small_images_of_their_own(pair) -> None:
    a, b = pair
    height, width = a.shape[2] // 2, a.shape[3] // 2
    quarters = [
        focal_frequency(*(x[..., i : i + height, j : j + width] for x in pair)) for i in (0, height) for j in (0, width)
    ]
    torch.testing.assert_close(focal_frequency(a, b, patches=2), torch.stack(quarters).mean())


@settings(max_examples=30)
@given(pairs())
def test_without_weights_it_is_the_mean_squared_error_and_with_them_less(pair) -> None:
    a, b = pair
    torch.testing.assert_close(focal_frequency(a, b, alpha=0), mse(a, b))  # Parseval's theorem
    values = [focal_frequency(a, b, alpha) for alpha in (0, 0.5, 1, 2)]
    assert all(more >= less - 1e-12 for more, less in pairwise(values))
    assert values[-1] > 0


def test_one_wave_of_error_weighs_one_and_a_weaker_one_by_its_share() -> None:
    x = torch.arange(16, dtype=torch.float64)
    strong, weak = torch.cos(2 * torch.pi * x / 16), 0.5 * torch.cos(2 * torch.pi * 3 * x / 16)
    a = (strong + weak).expand(1, 1, 16, 16)
    # The mean squares are 1/2 and 1/8; the weights 1 and 1/2.
    assert focal_frequency(a, torch.zeros_like(a)).item() == pytest.approx(1 / 2 + 1 / 2 * 1 / 8)
    assert focal_frequency(a, torch.zeros_like(a), alpha=2).item() == pytest.approx(1 / 2 + 1 / 4 * 1 / 8)


def test_weights_have_no_gradient() -> None:
    a, b = (torch.randn(2, 1, 6, 4, dtype=torch.float64) for _ in range(2))
    a.requires_grad_()
    (gradient,) = torch.autograd.grad(focal_frequency(a, b), a)
    with torch.no_grad():
        distance = torch.fft.fft2(a - b, norm="ortho").abs()
        weight = distance / distance.amax(dim=(2, 3), keepdim=True)

    def weighted(x: Tensor) -> Tensor:
        return (weight * torch.fft.fft2(x - b, norm="ortho").abs().square()).mean()

    (expected,) = torch.autograd.grad(weighted(a), a)
    torch.testing.assert_close(gradient, expected)


@settings(max_examples=30)
@given(pairs())
def test_fourier_l1_is_the_mean_over_real_and_imaginary_parts(pair) -> None:
    a, b = pair
    parts = [spectrum((a - b)[i, c].numpy()) for i, c in np.ndindex(*a.shape[:2])]
    expected = np.mean([(np.abs(d.real) + np.abs(d.imag)).mean() / 2 for d in parts])  # pyright: ignore[reportAttributeAccessIssue]
    assert fourier_l1(a, b).item() == pytest.approx(expected)
    torch.testing.assert_close(fourier_l1(a[0, 0], b[0, 0]).item(), (np.abs(parts[0].view(float))).mean().item())


@settings(max_examples=30)
@given(pairs())
def test_symmetric_not_negative_zero_for_equal_images_and_blind_to_order(pair) -> None:
    a, b = pair
    for loss in (fourier_l1, focal_frequency, lambda a, b: focal_frequency(a, b, 2.0, patches=2)):
        value = loss(a, b)
        torch.testing.assert_close(loss(b, a), value)
        torch.testing.assert_close(loss(a.flip(0, 1), b.flip(0, 1)), value)
        torch.testing.assert_close(loss(a + 7, b + 7), value)  # only the difference counts
        assert value > 0
        assert loss(a, a) == 0


def test_focal_frequency_does_not_see_where_an_error_is() -> None:
    a, b = torch.rand(1, 1, 8, 8).double(), torch.rand(1, 1, 8, 8).double()
    moved = focal_frequency(a.roll((2, 3), (2, 3)), b.roll((2, 3), (2, 3)))
    torch.testing.assert_close(moved, focal_frequency(a, b))


def test_equal_images_have_the_gradient_zero_where_the_weights_are_0_over_0() -> None:
    a = torch.rand(2, 3, 8, 8)
    a[1] += 1  # one image of the batch differs, the other does not
    b = a.clone()
    b[1] -= 0.5
    for alpha in (0.0, 1.0, 2.5):
        x = a.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(focal_frequency(x, b, alpha), x)
        assert (gradient[0] == 0).all()
        assert gradient.isfinite().all()
        assert gradient[1].abs().sum() > 0


def test_module_is_the_function() -> None:
    a, b = torch.rand(2, 3, 8, 12), torch.rand(2, 3, 8, 12)
    assert torch.equal(FocalFrequencyLoss(2.0, patches=4)(a, b), focal_frequency(a, b, 2.0, 4))
    assert torch.equal(FocalFrequencyLoss()(a, b), focal_frequency(a, b))


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    image = torch.rand(1, 3, 8, 12)
    for loss in (focal_frequency, fourier_l1):
        with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 8, 12\) and \(1, 3, 8, 8\)"):
            loss(image, image[..., :8])
        with pytest.raises(ValueError, match=r"torch\.uint8"):
            loss(image.byte(), image)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\) of one shape, got \(3, 8, 12\)"):
        focal_frequency(image[0], image[0])
    with pytest.raises(ValueError, match=r"H, W\), got \(12,\)"):
        fourier_l1(image[0, 0, 0], image[0, 0, 0])
    with pytest.raises(ValueError, match="alpha: expected 0 or more, got -1"):
        focal_frequency(image, image, -1)
    for patches, said in ((0, "1 or more"), (3, "a divisor"), (8, "a divisor")):
        with pytest.raises(ValueError, match=rf"patches: expected {said}.* got {patches}"):
            focal_frequency(image, image, patches=patches)
