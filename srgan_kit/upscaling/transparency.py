"""Colour behind transparency: what nobody sees is replaced before the network sees it."""

import numpy as np

SURELY_VISIBLE = 8 / 255
"""Opacity from which a pixel's own colour is kept whole; below, the colours around it take over more and more."""
ROWS_AT_ONCE = 64
"""Even, so that pairs of rows stay together."""


def fill_hidden(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour that (nearly) nobody sees replaced by the mean of the visible colours around: c w + fill(c w) (1 - w).

    (H, W, C) and (H, W, 1) -> (H, W, C) of the same type. The confidence w = min(1, opacity / SURELY_VISIBLE): colour
    behind transparency is as real as any other, only that of invisible pixels is arbitrary. `fill` is the w-weighted
    mean over the smallest square of 2, 4, 8, ... pixels that holds anything visible, smoothly interpolated (pull-push,
    Gortler et al. 1996, "The Lumigraph").
    """
    peak = np.iinfo(pixels.dtype).max
    if alpha.min() >= SURELY_VISIBLE * peak:
        return pixels
    height, width = pixels.shape[:2]
    strips = [slice(start, start + ROWS_AT_ONCE) for start in range(0, height, ROWS_AT_ONCE)]
    halves = [_halved(*_weighted(pixels[rows], alpha[rows])) for rows in strips]  # the whole is never held as floats
    coarse = _pull_push(*(np.concatenate(planes) for planes in zip(*halves, strict=True)))
    filled = np.empty_like(pixels)
    for rows in strips:
        weighted, weight = _weighted(pixels[rows], alpha[rows])
        smooth = _stretched(coarse, height, 0, range(height)[rows])
        smooth = _stretched(smooth, width, 1, range(width))
        colour = _mixed(smooth, weighted, weight)
        filled[rows] = np.rint(colour * np.float32(peak)).clip(0, peak)
    return filled


def _weighted(pixels: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour times confidence, and confidence; float32."""
    peak = np.float32(np.iinfo(pixels.dtype).max)
    weight = np.minimum(alpha.astype(np.float32) / np.float32(SURELY_VISIBLE * peak), 1)
    return pixels.astype(np.float32) / peak * weight, weight


def _pull_push(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(h, w, C) premultiplied colour and (h, w, 1) weight -> (h, w, C) colour everywhere."""
    height, width = weight.shape[:2]
    if max(height, width) == 1 or float(weight.min()) == 1:
        return weighted / np.maximum(weight, 1e-12)
    coarse = _pull_push(*_halved(weighted, weight))
    smooth = _stretched(_stretched(coarse, height, 0, range(height)), width, 1, range(width))
    return _mixed(smooth, weighted, weight)


def _mixed(smooth: np.ndarray, weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return smooth + weight * (weighted / np.maximum(weight, 1e-12) - smooth)


def _halved(*planes: np.ndarray) -> tuple[np.ndarray, ...]:
    """The mean of each square of four pixels; at an odd end of what there is of it."""
    even = [np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2), (0, 0)), "edge") for plane in planes]
    return tuple(
        (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / np.float32(4) for plane in even
    )


def _stretched(plane: np.ndarray, length: int, axis: int, wanted: range) -> np.ndarray:
    """Linear interpolation along an axis to `length` pixels, of which some are wanted."""
    size = plane.shape[axis]
    place = np.maximum((np.asarray(wanted) + 0.5) * (size / length) - 0.5, 0)
    before = place.astype(np.int64)
    after = np.minimum(before + 1, size - 1)
    share = (place - before).astype(np.float32)
    share = share[:, None, None] if axis == 0 else share[None, :, None]
    first = plane.take(before, axis)
    return first + share * (plane.take(after, axis) - first)
