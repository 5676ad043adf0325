"""The shape of drawn digits, for what a code changes: slant, width and ink."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """Each (N,), of N images; NaN for an image without ink or of a single row."""

    slant: Tensor
    """Degrees that the digit leans to the right."""
    width: Tensor
    """Standard deviation of its ink's horizontal position once the slant is taken out, in pixels."""
    ink: Tensor
    """Sum of its grey values: how thick the stroke is, in pixels."""


def digit_shape(images: Tensor) -> Shape:
    """Slant, width and ink from the moments of the grey values: (N, 1, H, W) in [0, 1], white on black -> (N,) each.

    With the ink's covariances c_xx, c_xy, c_yy (y downwards): slant = atan(-c_xy / c_yy),
    width = sqrt(c_xx - c_xy^2 / c_yy).
    """
    ink = images[:, 0].double()
    total = ink.sum(dim=(1, 2))
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in ink.shape[1:])

    def mean(values: Tensor) -> Tensor:
        return (ink * values).sum(dim=(1, 2)) / total

    y = rows[:, None] - mean(rows[:, None])[:, None, None]
    x = columns - mean(columns)[:, None, None]
    shear = mean(x * y) / mean(y.square())
    spread = (mean(x.square()) - shear * mean(x * y)).clamp(min=0)
    return Shape(torch.rad2deg(torch.atan(-shear)), spread.sqrt(), total)
