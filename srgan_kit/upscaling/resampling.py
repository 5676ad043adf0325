"""Antialiased bicubic resampling of an image, some rows at a time: of one that is in memory, and of one that is not."""

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from srgan_kit.images.rows import PassingRows, Rows, gathered

ROWS_AT_ONCE = 64


def resample(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, C) uint8 or uint16 to `size` = (width, height) by antialiased bicubic, without a copy in float.

    First every row, then every column, a few at a time: they do not depend on each other. Rounded after each.
    """
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    shape = (size[1], size[0], pixels.shape[2])
    return gathered(shape, pixels.dtype, resampled_bands(pixels, size))


def resampled_rows(rows: Rows, size: tuple[int, int]) -> Rows:
    """`resample` of an image that is read from the top to the bottom; its result is, too."""
    if (rows.shape[1], rows.shape[0]) == size:
        return rows
    return PassingRows((size[1], size[0], rows.shape[2]), rows.dtype, lambda: resampled_bands(rows, size))


def resampled_bands(rows: Rows, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The parts of `resample`'s result, from the top to the bottom."""
    (height, width, channels), (new_width, new_height) = rows.shape, size
    if width != new_width:
        wide = PassingRows((height, new_width, channels), rows.dtype, lambda: _widened(rows, new_width))
    else:
        wide = rows
    step = height / new_height
    support = 2 * max(step, 1)
    for start in range(0, new_height, ROWS_AT_ONCE):
        end = min(start + ROWS_AT_ONCE, new_height)
        if height == new_height:
            yield wide[start:end]
            continue
        first = max(math.floor(start * step - support) - 1, 0)
        last = min(math.ceil(end * step + support) + 1, height)
        box = (0, start * step - first, new_width, end * step - first)
        yield _resized(wide[first:last], (new_width, end - start), box)


def _widened(rows: Rows, width: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        yield _resized(part, (width, len(part)), (0, 0, part.shape[1], len(part)))


def _resized(part: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """(h, w, C) integers to (width, height), from a box of it, by Pillow in floating point; rounded."""
    resized = np.empty((size[1], size[0], part.shape[2]), part.dtype)
    for channel in range(part.shape[2]):
        plane = Image.fromarray(part[:, :, channel].astype(np.float32))
        values = np.rint(np.asarray(plane.resize(size, Image.Resampling.BICUBIC, box)))
        resized[:, :, channel] = values.clip(0, np.iinfo(part.dtype).max)
    return resized
