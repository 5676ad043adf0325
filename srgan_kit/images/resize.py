"""MATLAB's `imresize(..., "bicubic")`: in float, and in the 8-bit form that made the standard low-resolution test sets.

MATLAB resizes rows, then columns. On 8-bit images it rounds and clips to 8 bits after each of the two, which is why a
float implementation differs from its files by one level here and there.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from srgan_kit.images import bicubic
from srgan_kit.images.bicubic import Padding
from srgan_kit.images.pixels import unit_floats

TIE_TOLERANCE = 1e-9
"""A sum this close below a half is a half that floating point missed: it rounds up whatever the order of summation."""


@lru_cache(maxsize=512)
@torch.inference_mode(False)  # the cached tensors may serve training later, where inference tensors are refused
def bicubic_weights(size_in: int, size_out: int, scale: float, padding: Padding = "symmetric") -> tuple[Tensor, Tensor]:
    """`bicubic.bicubic_weights` as tensors, which are cached: do not change them."""
    indices, weights = bicubic.bicubic_weights(size_in, size_out, scale, padding)
    return torch.from_numpy(indices), torch.from_numpy(weights)


def local_weights(size_in: int, size_out: int, scale: float, start: int, count: int) -> tuple[int, Tensor]:
    """`bicubic.local_weights` with a tensor."""
    first, weights = bicubic.local_weights(size_in, size_out, scale, start, count)
    return first, torch.from_numpy(weights)


def resize(image: Tensor, size: tuple[int, int] | float, padding: Padding = "symmetric") -> Tensor:
    """MATLAB's bicubic `imresize` of a float image to (height, width) or by a scale; differentiable, not clamped.

    (..., H, W) float -> (..., h, w) in the same dtype, with h = ceil(H * scale).

    Raises:
        ValueError: the image is not float, or the size is not positive.
    """
    if not image.is_floating_point():
        raise ValueError(f"resize: expected a float image, got {image.dtype}; for uint8 there is resize_8bit")
    (rows, row_scale), (columns, column_scale) = _targets(image, size)
    tall = _resample(image, -2, *bicubic_weights(image.shape[-2], rows, row_scale, padding))
    return _resample(tall, -1, *bicubic_weights(image.shape[-1], columns, column_scale, padding))


def resize_8bit(image: Tensor, scale: float, padding: Padding = "symmetric") -> Tensor:
    """MATLAB's bicubic `imresize` of an 8-bit image, bit for bit: 8 bits after the rows, and again after the columns.

    (..., H, W) uint8 -> (..., ceil(H * scale), ceil(W * scale)) uint8. Test sets crop the image to a multiple of the
    factor first (`crop_to_multiple`); Set5's files were made with symmetric padding, B100's with replicate.

    Raises:
        ValueError: the image is not uint8, or the scale is not positive.
    """
    if image.dtype != torch.uint8:
        raise ValueError(f"resize_8bit: expected a uint8 image, got {image.dtype}; for float there is resize")
    (rows, _), (columns, _) = _targets(image, scale)
    tall = _resample(image.double(), -2, *bicubic_weights(image.shape[-2], rows, scale, padding))
    wide = _resample(_to_8bit(tall), -1, *bicubic_weights(image.shape[-1], columns, scale, padding))
    return _to_8bit(wide).to(torch.uint8)


def resize_pixels(image: Tensor, scale: float) -> Tensor:
    """MATLAB's bicubic of an image as it is stored: `resize_8bit` of uint8, and in floats what has more bits.

    (..., H, W) uint8 -> uint8; uint16, or float in [0, 1] -> float32 in [0, 1], not rounded.
    """
    return resize_8bit(image, scale) if image.dtype == torch.uint8 else resize(unit_floats(image), scale).clamp_(0, 1)


def downscale_crop(image: Tensor, scale: int, top: int, left: int, height: int, width: int) -> Tensor:
    """`resize_pixels(image, 1 / scale)[:, top : top + height, left : left + width]` from the pixels that matter alone.

    (C, H, W) uint8 -> (C, height, width) uint8; uint16, or float in [0, 1] -> float32 in [0, 1]. The crop is in
    low-resolution pixels.

    Raises:
        ValueError: the crop does not lie inside the reduced image.
    """
    (rows, _), (columns, _) = _targets(image, 1 / scale)
    if not (0 <= top <= top + height <= rows and 0 <= left <= left + width <= columns and height and width):
        raise ValueError(
            f"downscale_crop: a crop of {height}x{width} at ({top}, {left}) is not inside the {rows}x{columns} image"
        )
    first_row, down = local_weights(image.shape[-2], rows, 1 / scale, top, height)
    first_column, across = local_weights(image.shape[-1], columns, 1 / scale, left, width)
    region = image[:, first_row : first_row + down.shape[1], first_column : first_column + across.shape[1]]
    if image.dtype != torch.uint8:
        return (down @ unit_floats(region).double() @ across.T).clamp_(0, 1).float()
    region = region.double()
    return _to_8bit(_to_8bit(down @ region) @ across.T).to(torch.uint8)


def crop_to_multiple(image: Tensor, factor: int) -> Tensor:
    """The top left part of (..., H, W) whose sides are multiples of the factor."""
    height, width = image.shape[-2:]
    return image[..., : height - height % factor, : width - width % factor]


def _targets(image: Tensor, size: tuple[int, int] | float) -> tuple[tuple[int, float], tuple[int, float]]:
    """For rows and columns, how many and by which scale. As in MATLAB, a given size has one scale per side."""
    height, width = image.shape[-2:]
    if isinstance(size, tuple):
        rows, columns = size
        scales = rows / height, columns / width
    else:
        # 1/scale is inexact: without the tolerance a product a hair above a whole number would gain a row
        rows, columns = (math.ceil(side * size - TIE_TOLERANCE) for side in (height, width))
        scales = size, size
    if rows < 1 or columns < 1:
        raise ValueError(f"resize: expected a positive size or scale, got {size}")
    return (rows, scales[0]), (columns, scales[1])


def _resample(image: Tensor, dim: int, indices: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum along one dimension, tap by tap, so that memory is that of the result and not `taps` times it."""
    indices, weights = indices.to(image.device), weights.to(image)
    shape = (-1, 1) if dim == -2 else (-1,)
    total = image.index_select(dim, indices[:, 0]) * weights[:, 0].view(shape)
    for tap in range(1, indices.shape[1]):
        total = total + image.index_select(dim, indices[:, tap]) * weights[:, tap].view(shape)
    return total


def _to_8bit(image: Tensor) -> Tensor:
    """Rounded half away from zero and clipped to 0 ... 255, still in float64."""
    return torch.floor(image + (0.5 + TIE_TOLERANCE)).clamp_(0, 255)
