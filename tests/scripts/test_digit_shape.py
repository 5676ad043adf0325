"""Slant, width and ink of drawn digits, on shapes whose values are known."""

import pytest
import torch

from scripts.lib.digit_shape import digit_shape


def bar(lean: float) -> torch.Tensor:
    """A bar 3 pixels wide and 21 high, whose top is `lean` pixels a row further to the right."""
    image = torch.zeros(1, 1, 25, 61)
    for row in range(2, 23):
        column = 30 + round(lean * (12 - row))
        image[0, 0, row, column - 1 : column + 2] = 1
    return image


@pytest.mark.parametrize(("lean", "degrees"), [(0, 0), (1, 45), (-1, -45), (2, 63.435)])
def test_a_leaning_bar(lean: float, degrees: float) -> None:
    shape = digit_shape(bar(lean))
    assert shape.slant.item() == pytest.approx(degrees, abs=1e-3)
    assert shape.width.item() == pytest.approx((2 / 3) ** 0.5)  # of -1, 0, 1, however it leans
    assert shape.ink.item() == 63


def test_each_image_by_itself_wherever_it_is() -> None:
    one, other = bar(1), 0.5 * bar(0).roll((1, 5), (2, 3))
    both = digit_shape(torch.cat([one, other]))
    assert both.slant.tolist() == pytest.approx([45, 0], abs=1e-6)
    assert both.ink.tolist() == [63, 31.5]
    wide = torch.zeros(1, 1, 25, 61)
    wide[..., 2:23, 20:41] = 1
    assert digit_shape(wide).width.item() == pytest.approx(((21**2 - 1) / 12) ** 0.5)
    assert digit_shape(torch.zeros(1, 1, 8, 8)).slant.isnan().all()
