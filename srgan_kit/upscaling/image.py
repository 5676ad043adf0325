"""A whole image, with transparency, to any size: the network, then antialiased resampling."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage
from srgan_kit.upscaling.back_projection import back_project
from srgan_kit.upscaling.engine import Progress, Runner

ROWS_AT_ONCE = 64
SURELY_VISIBLE = 8 / 255
"""Opacity from which a pixel's own colour is kept whole; below, the colours around it take over more and more."""
LARGEST_IMAGE = 2**32
"""Output pixels; more is taken for a mistake."""


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(width, height) times `scale`, rounded, at least one pixel each."""
    width, height = size
    return _checked((max(1, round(width * scale)), max(1, round(height * scale))))


def fitted_size(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) of the same shape as `size` inside `box`."""
    factor = min(box[0] / size[0], box[1] / size[1])
    width, height = scaled_size(size, factor)
    return min(width, box[0]), min(height, box[1])


@dataclass(frozen=True)
class UpscaledImage:
    """An upscaled image with all that belongs to it."""

    image: LoadedImage
    """Its notes are those of the input, and then what was not done as asked."""
    redone_tiles: int = 0
    """Tiles that gave NaN or infinity in reduced precision and were computed again in fp32."""


def upscale_image(
    upscaler: Runner,
    image: LoadedImage,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
    *,
    consistent: bool = False,
) -> UpscaledImage:
    """The image at `size` (width, height), by default the network's scale.

    Colour and opacity are upscaled apart. Opacity is resampled by antialiased bicubic. Colour that nobody sees is first
    replaced by the visible colours around it, so that it never bleeds into a visible edge; all other colour goes to
    the network untouched, half transparent or not. With `consistent`, both are corrected until MATLAB's bicubic reduces
    them to what they came from, to half a level where their range allows it; a note says where it does not.

    Raises:
        UserError: the size is too large, no memory, or NaN (see `TiledUpscaler.run`).
    """
    size = _checked(size or scaled_size(image.size, upscaler.scale))
    try:
        colour = image.pixels if image.alpha is None else fill_hidden(image.pixels, image.alpha)
        upscaled = upscaler.run(colour, progress)
        pixels = resample(upscaled.pixels, size)
        alpha = None if image.alpha is None else resample(image.alpha, size)
        left = _make_consistent(((pixels, colour), (alpha, image.alpha))) if consistent else []
    except MemoryError:
        raise UserError(f"not enough memory for an image of {size[0]}x{size[1]} pixels") from None
    notes, redone = [*image.notes, *left, *upscaled.notes], upscaled.redone_tiles
    if redone:
        notes.append(f"{redone} tiles gave NaN in reduced precision and were computed again in fp32")
    return UpscaledImage(replace(image, pixels=pixels, alpha=alpha, notes=notes, path=None), redone)


def _make_consistent(pairs: tuple[tuple[np.ndarray | None, np.ndarray | None], ...]) -> list[str]:
    """Back-project each (large, small) in place; a note where large is the smaller one, or a deviation is left."""
    left = 0.0
    for large, small in pairs:
        if large is None or small is None:
            continue
        if large.shape[0] < small.shape[0] or large.shape[1] < small.shape[1]:
            return ["a result smaller than its input cannot be made consistent with it"]
        left = max(left, back_project(large, small))
    return [f"consistent, but for up to {left:.1f} levels where black or white limits it"] if left > 0.5 else []


def resample(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, C) uint8 or uint16 to `size` = (width, height) by antialiased bicubic, without a copy in float.

    First every row, then every column, a few at a time: they do not depend on each other. Rounded after each.
    """
    wide = _resample_rows(pixels, size[0])
    return _resample_rows(wide.transpose(1, 0, 2), size[1]).transpose(1, 0, 2)


@torch.inference_mode()
def _resample_rows(pixels: np.ndarray, width: int) -> np.ndarray:
    """(H, W, C) -> (H, width, C)"""
    if pixels.shape[1] == width:
        return pixels
    peak = np.iinfo(pixels.dtype).max
    result = np.empty((pixels.shape[0], width, pixels.shape[2]), pixels.dtype)
    for start in range(0, len(pixels), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        strip = _planes(pixels[rows])
        strip = F.interpolate(strip, size=(strip.shape[2], width), mode="bicubic", antialias=True, align_corners=False)
        result[rows] = strip[0].round_().clamp_(0, peak).permute(1, 2, 0).numpy()
    return result


@torch.inference_mode()
def fill_hidden(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour that (nearly) nobody sees replaced by the mean of the visible colours around: c w + fill(c w) (1 - w).

    (H, W, C) and (H, W, 1) -> (H, W, C) of the same type. The confidence w = min(1, opacity / SURELY_VISIBLE): colour
    behind transparency is as real as any other, only that of invisible pixels is arbitrary. `fill` is the w-weighted
    mean over the smallest square of 2, 4, 8, ... pixels that holds anything visible, smoothly interpolated (pull-push,
    Gortler et al. 1996, "The Lumigraph").
    """
    peak = float(np.iinfo(pixels.dtype).max)
    weight = (_planes(alpha) / (SURELY_VISIBLE * peak)).clamp_(max=1)
    if float(weight.min()) == 1:
        return pixels
    filled = _pull_push(_planes(pixels).div_(peak) * weight, weight)
    return filled.mul_(peak).round_().clamp_(0, peak)[0].permute(1, 2, 0).numpy().astype(pixels.dtype)


def _pull_push(weighted: Tensor, weight: Tensor) -> Tensor:
    """(1, C, h, w) premultiplied colour and (1, 1, h, w) weight -> (1, C, h, w) colour everywhere."""
    colour = weighted / weight.clamp(min=1e-12)
    if max(weight.shape[-2:]) == 1 or float(weight.min()) == 1:
        return colour
    coarse = _pull_push(*(F.avg_pool2d(plane, 2, ceil_mode=True) for plane in (weighted, weight)))
    smooth = F.interpolate(coarse, size=weight.shape[-2:], mode="bilinear", align_corners=False)
    return torch.lerp(smooth, colour, weight)


def _planes(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > LARGEST_IMAGE:
        raise UserError(f"{size[0]}x{size[1]} pixels are too many: expected at most {LARGEST_IMAGE:,}")
    return size
