"""Back-projection: an upscaled image is corrected until reducing it gives the small image it came from.

The correction is one small image, upscaled by bicubic and added; strips of rows are computed at a time, so the
result is never held as floats.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from srgan_kit.images.resize import local_weights, resize

ENOUGH = 0.1
"""Largest difference, in levels, before rounding, which adds a quarter of a level or so."""
ROUNDS = 16
"""At most: 16-bit noise needs 14, an image without black or white 4 to 8."""
SMALLEST_GAIN = 0.236
"""Smallest gain of upscaling then downscaling, at the small image's highest frequency; the largest is 1."""
STEP = 4 / (1 + SMALLEST_GAIN**0.5) ** 2
MOMENTUM = ((1 - SMALLEST_GAIN**0.5) / (1 + SMALLEST_GAIN**0.5)) ** 2
"""With these two, the slowest part of the difference shrinks to a third in each round."""
STRIP = 64
"""Rows of the small image that are computed together."""


@torch.inference_mode()
def back_project(large: np.ndarray, small: np.ndarray) -> float:
    """Change `large` in place so that MATLAB's bicubic reduces it to `small`; returns the largest deviation left.

    (H, W, C) and (h, w, C) of the same integer type, H >= h and W >= w. With D the antialiased bicubic reduction, U the
    bicubic upscaling and c the correction, from c = 0 until all of the difference is below half a level:

        difference = small - D(clip(large + U c));   c <- c + STEP difference + MOMENTUM (c - previous c)

    Where the range 0 ... 255 (or 65535) ends before that, a deviation stays.
    Irani and Peleg 1991, "Improving resolution by image registration"; Polyak 1964 for the momentum
    """
    channels = range(large.shape[2])
    return max(_back_project(large[:, :, channel], small[:, :, channel]) for channel in channels)


def _back_project(large: np.ndarray, small: np.ndarray) -> float:
    target = torch.from_numpy(small.astype(np.float32))
    correction = previous = torch.zeros_like(target)
    for _ in range(ROUNDS):
        difference = target - _reduced(large, correction)
        if float(difference.abs().max()) < ENOUGH:
            break
        correction, previous = correction + STEP * difference + MOMENTUM * (correction - previous), correction
    for start, end in _strips(len(large)):
        large[start:end] = _corrected(large, correction, start, end).round_().numpy()
    return float((target - _reduced(large, torch.zeros_like(target))).abs().max())


def _reduced(large: np.ndarray, correction: Tensor) -> Tensor:
    """The corrected large image, reduced to the small one's size."""
    height, width = correction.shape
    strips = []
    for start, end in _strips(height):
        first, down = local_weights(len(large), height, height / len(large), start, end - start)
        rows = _corrected(large, correction, first, first + down.shape[1])
        strips.append(resize(down.float() @ rows, (end - start, width)))
    return torch.cat(strips)


def _corrected(large: np.ndarray, correction: Tensor, start: int, end: int) -> Tensor:
    """Rows start ... end - 1 of the large image with the upscaled correction, clipped; float."""
    first, up = local_weights(len(correction), len(large), len(large) / len(correction), start, end - start)
    wide = resize(correction[first : first + up.shape[1]], (up.shape[1], large.shape[1]))
    rows = torch.from_numpy(large[start:end].astype(np.float32)).addmm_(up.float(), wide)
    return rows.clamp_(0, np.iinfo(large.dtype).max)


def _strips(rows: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + STRIP, rows)) for start in range(0, rows, STRIP))
