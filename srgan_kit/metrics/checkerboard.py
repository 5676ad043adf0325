"""Checkerboard artifacts of an upscaler's pixel shuffle: the phase imbalance, and the pattern."""

import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.metrics.psnr_ssim import luma


def phase_imbalance(images: Tensor, period: int = 4) -> Tensor:
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
        raise ValueError(f"phase_imbalance: expected (N, 1 or 3, H, W) with sides > period >= 2, got {got}")
    light = luma(images.expand(-1, 3, -1, -1))
    return (_phase_ratio(light, period) + _phase_ratio(light.mT, period)) / 2


def checkerboard_pattern(images: Tensor, period: int = 4, window: int = 8) -> Tensor:
    """How strong a pattern the image repeats at a period, in 8-bit levels of luma; 0 for none.

    (N, 3, H, W) RGB or (N, 1, H, W) grey, float in [0, 1] or uint8, sides >= `period` * (`window` + 1) -> (N,) float64

    Luma less its mean over `period` x `period` pixels, which leaves such a pattern as it is and removes what is smooth,
    is averaged at each of the `period`^2 places of a cell over `window` x `window` cells. Of these means the standard
    deviation is taken, and over such windows, each half over the one before, the median: so what is measured is a
    pattern that covers most of the image. Texture does not cancel altogether: photographs score above 0 too, and what
    counts is how far an upscaler's output is above the original's.

    Raises:
        ValueError: not images, too small, or a period or window below 2.
    """
    smallest = period * (window + 1)
    fits = images.dim() == 4 and images.shape[1] in (1, 3) and period >= 2 and window >= 2
    if not fits or min(images.shape[2:]) < smallest:
        got = f"{tuple(images.shape)}, a period of {period} and a window of {window}"
        raise ValueError(f"checkerboard_pattern: expected (N, 1 or 3, H, W) with sides >= {smallest}, got {got}")
    light = luma(images.expand(-1, 3, -1, -1))[:, None]
    smooth = F.avg_pool2d(light, period, stride=1)
    detail = light[..., : smooth.shape[-2], : smooth.shape[-1]] - smooth
    height, width = (side // period * period for side in detail.shape[-2:])
    places = F.pixel_unshuffle(detail[..., :height, :width], period)
    means = F.avg_pool2d(places, window, stride=window // 2)
    return means.std(dim=1, correction=0).flatten(1).median(dim=1).values


def _phase_ratio(light: Tensor, period: int) -> Tensor:
    """(N, H, W) -> (N,): along x."""
    change = light.diff(dim=2).abs().mean(dim=1)
    phases = torch.stack([change[:, phase::period].mean(dim=1) for phase in range(period)])
    largest, smallest = phases.amax(dim=0), phases.amin(dim=0)
    return torch.where(largest == 0, 1.0, largest / smallest)
