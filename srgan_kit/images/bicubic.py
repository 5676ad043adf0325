"""MATLAB's bicubic `imresize` without torch: its weights, and planes of numbers resized by them."""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np

Padding = Literal["symmetric", "replicate"]
STRIP = 64
"""Rows, or columns, that are computed together."""


def cubic_kernel(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5, zero outside [-2, 2].

    k(x) = 1.5|x|^3 - 2.5|x|^2 + 1 for |x| <= 1;  -0.5|x|^3 + 2.5|x|^2 - 4|x| + 2 for 1 < |x| <= 2
    Keys 1981, "Cubic convolution interpolation for digital image processing", eq. 15
    """
    distance = np.abs(x)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, near, np.where(distance <= 2, far, 0.0))


@lru_cache(maxsize=512)
def bicubic_weights(
    size_in: int, size_out: int, scale: float, padding: Padding = "symmetric"
) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs each output is the sum of: indices (size_out, taps) int64 and weights (size_out, taps) float64.

    Output i lies at u = (i + 0.5) / scale - 0.5 of the input; when shrinking, the kernel is stretched by 1 / scale,
    so that it also removes what the smaller image cannot hold. Each row of weights sums to 1. The arrays are cached:
    do not change them.
    """
    stretch = min(scale, 1.0)
    width = 4 / stretch
    position = (np.arange(size_out, dtype=np.float64) + 0.5) / scale - 0.5
    left = np.floor(position - width / 2)
    indices = left[:, None] + np.arange(math.ceil(width) + 2)
    weights = cubic_kernel((position[:, None] - indices) * stretch)
    weights = weights / weights.sum(axis=1, keepdims=True)
    used = (weights != 0).any(axis=0)
    return inside(indices[:, used].astype(np.int64), size_in, padding), weights[:, used]


def local_weights(size_in: int, size_out: int, scale: float, start: int, count: int) -> tuple[int, np.ndarray]:
    """The first input that outputs start ... start + count - 1 need, and their weights: (count, inputs) float64."""
    indices, weights = bicubic_weights(size_in, size_out, scale)
    indices, weights = indices[start : start + count], weights[start : start + count]
    first, last = int(indices.min()), int(indices.max())
    dense = np.zeros((count, last - first + 1))
    np.add.at(dense, (np.arange(count)[:, None], indices - first), weights)
    return first, dense


def resized(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """MATLAB's bicubic of a plane of numbers: (H, W) float32 -> `shape` float32, not clipped."""
    tall = resized_rows(np.ascontiguousarray(plane.T), shape[0])
    return resized_rows(np.ascontiguousarray(tall.T), shape[1])


def resized_rows(rows: np.ndarray, width: int) -> np.ndarray:
    """(n, W) float32 -> (n, width) float32, some columns at a time."""
    result = np.empty((len(rows), width), rows.dtype)
    for start, end in strips(width):
        first, across = strip_weights(rows.shape[1], width, start, end)
        np.matmul(rows[:, first : first + across.shape[1]], across.T, out=result[:, start:end])
    return result


@lru_cache(maxsize=4096)  # the strips of an image of 65,000 pixels a side, a few kilobytes each
def strip_weights(size_in: int, size_out: int, start: int, end: int) -> tuple[int, np.ndarray]:
    """`local_weights` of outputs start ... end - 1 in float32, which is cached: do not change it."""
    first, weights = local_weights(size_in, size_out, size_out / size_in, start, end - start)
    return first, weights.astype(np.float32)


def strips(length: int) -> Iterator[tuple[int, int]]:
    """Where each strip starts and ends."""
    return ((start, min(start + STRIP, length)) for start in range(0, length, STRIP))


def inside(indices: np.ndarray, size: int, padding: Padding = "symmetric") -> np.ndarray:
    """Indices of a row of `size` pixels, with those beyond its ends replaced by their mirror image or by the end."""
    if padding == "replicate":
        return indices.clip(0, size - 1)
    if padding == "symmetric":  # ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
        folded = indices % (2 * size)
        return np.minimum(folded, 2 * size - 1 - folded)
    raise ValueError(f"padding: expected 'symmetric' or 'replicate', got {padding!r}")
