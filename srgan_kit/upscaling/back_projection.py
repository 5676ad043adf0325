"""Back-projection: an upscaled image is corrected until reducing it gives the small image it came from.

The correction is one small image, upscaled by bicubic and added; strips of rows are computed at a time, so the
result is never held as floats.
"""

import numpy as np

from srgan_kit.images.bicubic import resized_rows, strip_weights, strips

ENOUGH = 0.1
"""Largest difference, in levels, before rounding, which adds a quarter of a level or so."""
ROUNDS = 16
"""At most: 16-bit noise needs 14, an image without black or white 4 to 8."""
SMALLEST_GAIN = 0.236
"""Smallest gain of upscaling then downscaling, at the small image's highest frequency; the largest is 1."""
STEP = 4 / (1 + SMALLEST_GAIN**0.5) ** 2
MOMENTUM = ((1 - SMALLEST_GAIN**0.5) / (1 + SMALLEST_GAIN**0.5)) ** 2
"""With these two, the slowest part of the difference shrinks to a third in each round."""


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
    target = small.astype(np.float32)
    correction = previous = np.zeros_like(target)
    for _ in range(ROUNDS):
        difference = target - _reduced(large, correction)
        if float(np.abs(difference).max()) < ENOUGH:
            break
        correction, previous = correction + STEP * difference + MOMENTUM * (correction - previous), correction
    for start, end in strips(len(large)):
        large[start:end] = np.rint(_corrected(large, correction, start, end))
    return float(np.abs(target - _reduced(large, np.zeros_like(target))).max())


def _reduced(large: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """The corrected large image, reduced to the small one's size."""
    reduced = np.empty_like(correction)
    for start, end in strips(len(correction)):
        first, down = strip_weights(len(large), len(correction), start, end)
        rows = down @ _corrected(large, correction, first, first + down.shape[1])
        reduced[start:end] = resized_rows(rows, correction.shape[1])
    return reduced


def _corrected(large: np.ndarray, correction: np.ndarray, start: int, end: int) -> np.ndarray:
    """Rows start ... end - 1 of the large image with the upscaled correction, clipped; float."""
    first, up = strip_weights(len(correction), len(large), start, end)
    rows = up @ resized_rows(correction[first : first + up.shape[1]], large.shape[1])
    rows += large[start:end]
    return rows.clip(0, np.iinfo(large.dtype).max, out=rows)
