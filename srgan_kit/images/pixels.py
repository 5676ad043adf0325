"""Small conversions of images as tensors."""

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
