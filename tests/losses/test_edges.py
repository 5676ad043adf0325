"""Sobel's slopes: against SciPy and kornia, ramps, and what each form does not see."""

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import sobel as scipy_sobel
from torch import Tensor

from losses import SobelLoss, sobel


def slopes(image: Tensor) -> np.ndarray:
    """(2, N, C, H - 2, W - 2)."""
    planes = image.flatten(0, 1).numpy()
    both = [np.stack([scipy_sobel(plane, axis=axis) / 8 for plane in planes]) for axis in (1, 0)]
    return np.stack(both).reshape(2, *image.shape)[..., 1:-1, 1:-1]


@pytest.mark.parametrize("shape", [(2, 3, 12, 9), (1, 1, 3, 3)])
def test_both_forms_are_the_formula_with_the_filters_of_other_libraries(shape: tuple[int, ...]) -> None:
    a, b = torch.rand(2, *shape, dtype=torch.float64)
    x, y = slopes(a), slopes(b)
    expected = np.abs(x - y).mean(axis=(0, 2, 3, 4))
    assert sobel(a, b, reduction="none").tolist() == pytest.approx(expected)
    strength = np.abs(np.sqrt((x**2).sum(axis=0)) - np.sqrt((y**2).sum(axis=0))).mean(axis=(1, 2, 3))
    assert sobel(a, b, "magnitude", "none").tolist() == pytest.approx(strength)
    theirs = kornia.filters.spatial_gradient(a)[..., 1:-1, 1:-1].movedim(2, 0)
    np.testing.assert_allclose(theirs.numpy(), x, atol=1e-12)


def test_a_ramp_has_its_slope_in_any_direction() -> None:
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="ij")
    flat = torch.zeros(1, 1, 8, 9)
    for right, down in ((0.5, 0.0), (0.3, 0.4), (-0.3, 0.4)):
        ramp = (right * x + down * y)[None, None]
        assert sobel(ramp, flat).item() == pytest.approx((abs(right) + abs(down)) / 2)
        assert sobel(ramp, flat, "magnitude").item() == pytest.approx((right**2 + down**2) ** 0.5)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(-3, 3))
def test_a_constant_costs_nothing_and_the_sign_of_an_edge_only_in_components(seed: int, constant: float) -> None:
    a, b = torch.rand(2, 1, 2, 6, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for form in ("components", "magnitude"):
        value = sobel(a, b, form)
        torch.testing.assert_close(sobel(a + constant, b, form), value)
        torch.testing.assert_close(sobel(b, a, form), value)
        torch.testing.assert_close(sobel(a.mT, b.mT, form), value)
        assert sobel(a, a, form) == 0
    assert sobel(a, -a, "magnitude") == 0
    torch.testing.assert_close(sobel(a, -a), 2 * sobel(a, torch.zeros_like(a)))
    assert sobel(a, b, "magnitude") <= 2 * sobel(a, b)  # the triangle inequality


def test_the_slope_of_the_magnitude_is_finite_in_flat_images() -> None:
    image = torch.full((1, 1, 6, 6), 0.5, requires_grad=True)
    sobel(image, torch.rand(1, 1, 6, 6), "magnitude").backward()
    assert image.grad is not None
    assert (image.grad == 0).all()  # nowhere steeper: the least of a magnitude


def test_module_is_the_function_and_wrong_input_says_what_came() -> None:
    a, b = torch.rand(2, 2, 3, 8, 8)
    assert torch.equal(SobelLoss("magnitude", "none")(a, b), sobel(a, b, "magnitude", "none"))
    for wrong in (a[0], a[..., :2]):
        with pytest.raises(ValueError, match=r"\(N, C, H, W\) of at least 3x3 pixels, got"):
            sobel(wrong, wrong)
    with pytest.raises(ValueError, match="form: expected one of components, magnitude; got 'sum'"):
        sobel(a, b, "sum")  # pyright: ignore[reportArgumentType]
