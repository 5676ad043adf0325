"""Where a result departs from what its input supports: a number for each pixel, in levels of 255."""

import numpy as np

from srgan_kit.images.bicubic import resized

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def departure(result: np.ndarray, fidelity: np.ndarray, small: np.ndarray) -> np.ndarray:
    """How far a result is from what the input supports, near each pixel: (H, W) float32 >= 0, in levels of 255.

    (H, W, C) the result and what a fidelity model makes of the input at the same size; (h, w, C) the input; uint8 or
    uint16. With light y of the result, f of the other and s of the input, D MATLAB's antialiased bicubic to the
    input's size, U its bicubic back, and n the square root of the number of result pixels for one of the input:

        added = (y - f) - U D (y - f)     what the input says nothing about
        against = U (s - D y)             what the input contradicts
        departure = sqrt(mean of added^2 + (n against)^2 over the pixels of three by three input pixels)

    A level of `against` counts n times: an input pixel speaks for n^2 of the result, and white noise of one level is
    1 / n levels strong once it is reduced.

    Raises:
        ValueError: result and fidelity differ in size.
    """
    if result.shape[:2] != fidelity.shape[:2]:
        raise ValueError(f"expected two images of one size, got {result.shape[:2]} and {fidelity.shape[:2]}")
    light, other, low = _light(result), _light(fidelity), _light(small)
    difference = light - other
    added = difference - resized(resized(difference, low.shape), light.shape)
    against = resized(low - resized(light, low.shape), light.shape)
    each = (light.size / low.size) ** 0.5
    energy = added**2 + (each * against) ** 2
    reach = max(1, round(1.5 * each))
    return np.sqrt(_mean_along(0, _mean_along(1, energy, reach), reach))


def _light(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) -> (H, W) float32 luma in levels of 255."""
    levels = pixels.astype(np.float32) / (1 if pixels.dtype == np.uint8 else 257)
    return levels @ LUMA if pixels.shape[2] == 3 else levels[:, :, 0]


def _mean_along(axis: int, values: np.ndarray, reach: int) -> np.ndarray:
    """The mean over 2 reach + 1 pixels in a row, at borders of those that there are: (H, W) float32 >= 0."""
    count = values.shape[axis]
    sums = np.cumsum(np.insert(values, 0, 0, axis), axis, dtype=np.float64)
    first, last = (np.clip(np.arange(count) + end, 0, count) for end in (-reach, reach + 1))
    pixels = (last - first).reshape((-1, 1) if axis == 0 else (1, -1))
    return ((sums.take(last, axis) - sums.take(first, axis)) / pixels).clip(0).astype(np.float32)
