"""Colour consistency: CIELAB against scikit-image and kornia, the whole against SciPy's blur, what it does not see."""

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from torch import Tensor

from losses import ColorConsistencyLoss, color_consistency
from losses.color import chroma


def flat(*color: float, size: int = 8) -> Tensor:
    return torch.tensor(color, dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, size, size)


def test_chroma_is_that_of_two_other_libraries() -> None:
    """At most .01 apart: they round the white point."""
    image = torch.rand(2, 3, 30, 30, dtype=torch.float64)
    image[0, :, :10] *= 0.02  # the linear toes of both curves
    expected = rgb2lab(image.numpy(), channel_axis=1)[:, 1:]
    assert np.abs(chroma(image).numpy() - expected).max() < 0.01
    assert (chroma(image) - kornia.color.rgb_to_lab(image)[:, 1:]).abs().max() < 0.01
    assert np.abs(expected).max() > 50


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_the_whole_is_the_formula_with_the_blur_of_another_library(sigma: float) -> None:
    one, other = torch.rand(2, 2, 3, 20, 17, dtype=torch.float64)
    radius = int(np.ceil(3 * sigma))
    blurred = [
        gaussian_filter(each.numpy(), sigma, axes=(2, 3), mode="nearest", radius=radius) for each in (one, other)
    ]
    a, b = (rgb2lab(each, channel_axis=1)[:, 1:] for each in blurred)
    expected = np.sqrt(((a - b) ** 2).sum(axis=1)).mean(axis=(1, 2)) / 100
    assert color_consistency(one, other, sigma, "none").tolist() == pytest.approx(expected, abs=1e-4)
    assert expected.min() > 0.01


def test_primaries_are_as_far_from_grey_as_the_tables_say() -> None:
    """CIELAB's chroma of sRGB's primaries with the white point D65, as tables have it."""
    for color, expected in (((1, 0, 0), 104.55), ((0, 1, 0), 119.78), ((0, 0, 1), 133.81)):
        assert color_consistency(flat(*color), flat(0.3, 0.3, 0.3)).item() == pytest.approx(expected / 100, abs=2e-4)


@settings(max_examples=20)
@given(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
def test_grey_images_of_any_lightness_have_one_colour_outside_the_range_too(one: float, other: float) -> None:
    assert color_consistency(flat(one, one, one), flat(other, other, other)) < 1e-9


def test_texture_costs_little_and_a_cast_of_the_same_size_much() -> None:
    base = flat(0.5, 0.4, 0.3, size=32)
    signs = (-1.0) ** (torch.arange(32)[:, None] + torch.arange(32))
    texture, cast = base.clone(), base.clone()
    texture[:, 0] += 0.1 * signs
    cast[:, 0] += 0.1
    for loss in (color_consistency, ColorConsistencyLoss()):
        assert loss(texture[..., 8:24, 8:24], base[..., 8:24, 8:24]) < 0.1 * loss(cast, base)
    assert color_consistency(cast, base) == color_consistency(base, cast)
    brighter = color_consistency(1.1 * base, base)
    assert brighter < 0.2 * color_consistency(cast, base)  # a little: chroma grows with lightness


def test_slopes_are_finite_at_black_where_a_cube_root_has_none() -> None:
    for value in (0.0, -0.3, 1.3):
        image = torch.full((1, 3, 8, 8), value, requires_grad=True)
        color_consistency(image, flat(0.1, 0.0, 0.0).float()).backward()
        assert image.grad is not None
        assert image.grad.isfinite().all()
        assert image.grad.abs().sum() > 0


def test_wrong_input_is_a_value_error_that_says_what_came() -> None:
    image = torch.rand(1, 3, 8, 8)
    for wrong in (image[:, :1], image[0], image[..., :4]):
        with pytest.raises(ValueError, match=r"two RGB images \(N, 3, H, W\) of one shape, got"):
            color_consistency(wrong, image)
    with pytest.raises(ValueError, match="sigma: expected a positive number, got 0"):
        color_consistency(image, image, 0)
