"""Small conversions of images as tensors."""

import numpy as np
import torch
from torch import Tensor


def to_8bit(image: Tensor) -> Tensor:
    """An image in [0, 1] clipped and rounded to 8 bits; a uint8 image as it is.

    Raises:
        ValueError: the image is neither float nor uint8.
    """
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point():
        raise ValueError(f"expected a float image in [0, 1] or a uint8 image, got {image.dtype}")
    return (image.double().clamp(0, 1) * 255).round().to(torch.uint8)


def center_crop(image: Tensor, height: int, width: int) -> Tensor:
    """The middle of (..., H, W): (..., height, width), a view; the sides are at most those of the image."""
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]


def planes(pixels: np.ndarray, channels: int) -> Tensor:
    """(H, W, 1 or 3) uint8 or uint16 -> (channels, H, W) of the same type: grey is repeated, RGB becomes luma.

    Y = 0.299 R + 0.587 G + 0.114 B, rounded (ITU-R BT.601), as Pillow computes it
    """
    if pixels.shape[2] == 3 and channels == 1:
        weighted = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32)  # of 65536
        pixels = ((weighted + 32768) >> 16).astype(pixels.dtype)[..., None]
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).expand(channels, -1, -1).contiguous()


def unit_floats(image: Tensor) -> Tensor:
    """An image of 8 or 16 bits as float32 in [0, 1]; a float image as it is."""
    if image.is_floating_point():
        return image
    return image.to(torch.float32).div_(torch.iinfo(image.dtype).max)
