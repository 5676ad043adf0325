"""The lattice ratio: whether an upscaler draws the grid of its pixel shuffle over the image."""

import torch
from torch import Tensor

from srgan_kit.metrics.super_resolution import luma


def lattice_ratio(images: Tensor, period: int = 4) -> Tensor:
    """How unevenly luma changes over the phases of a grid: 1 for none, about 1.04 for photographs at a period of 4.

    (N, 3, H, W) RGB or (N, 1, H, W) grey, float in [0, 1] or uint8, sides > period >= 2 -> (N,) float64 >= 1.

    r_x = max_p D_p / min_p D_p,  D_p = mean |Y(i, j + 1) - Y(i, j)| over all i and all j = p mod period; r_y likewise
    along the other axis; the result is (r_x + r_y) / 2. An image that does not change at all scores 1; one that changes
    at some phases only, infinity.

    Raises:
        ValueError: not images, too small, or a period below 2.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3) or period < 2 or min(images.shape[2:]) <= period:
        got = f"{tuple(images.shape)} and a period of {period}"
        raise ValueError(f"lattice_ratio: expected (N, 1 or 3, H, W) with sides > period >= 2, got {got}")
    light = luma(images.expand(-1, 3, -1, -1))
    return (_phase_ratio(light, period) + _phase_ratio(light.mT, period)) / 2


def _phase_ratio(light: Tensor, period: int) -> Tensor:
    """(N, H, W) -> (N,): along x."""
    change = light.diff(dim=2).abs().mean(dim=1)
    phases = torch.stack([change[:, phase::period].mean(dim=1) for phase in range(period)])
    largest, smallest = phases.amax(dim=0), phases.amin(dim=0)
    return torch.where(largest == 0, 1.0, largest / smallest)
