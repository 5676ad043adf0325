"""PSNR and SSIM as super-resolution papers measure them: on the luma of 8-bit images, without a border, in float64;
and PSNR over all channels, for generators that reconstruct images.

Both images are rounded to 8 bits first. The border cut off each side is the upscaling factor, because there every
method guesses. Peak 255, although luma spans 16 ... 235: that is the field's convention.
"""

import torch
from torch import Tensor

from srgan_kit import losses
from srgan_kit.images.pixels import to_8bit

SSIM_WINDOW = 11


def luma(image: Tensor) -> Tensor:
    """Y of studio-range YCbCr: (..., 3, H, W) RGB, [0, 1] or uint8 -> (..., H, W) float64 in 16 ... 235, not rounded.

    Y = 65.481 R + 128.553 G + 24.966 B + 16 with RGB in [0, 1] (ITU-R BT.601, as MATLAB's rgb2ycbcr)

    Raises:
        ValueError: not three channels.
    """
    if image.dim() < 3 or image.shape[-3] != 3:
        raise ValueError(f"luma: expected (..., 3, H, W), got {tuple(image.shape)}")
    rgb = image.double() / 255 if image.dtype == torch.uint8 else image.double()
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64, device=image.device)
    return (rgb * weights.view(3, 1, 1)).sum(dim=-3) + 16


PSNR_LIMIT = 100.0
"""dB of images that are equal or nearly so, where a mean over images must stay finite."""


def psnr(images: Tensor, originals: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over all channels, in dB: two (N, C, H, W) in [0, 1] -> (N,) float64, at most 100.

    PSNR = -10 log10(mean((a - b)^2))

    Raises:
        ValueError: the sizes differ.
    """
    if images.shape != originals.shape:
        raise ValueError(f"psnr: expected images of one size, got {tuple(images.shape)} and {tuple(originals.shape)}")
    errors = (images.double() - originals.double()).square().flatten(1).mean(dim=1)
    return (-10 * torch.log10(errors)).clamp(max=PSNR_LIMIT)


def psnr_y(upscaled: Tensor, original: Tensor, border: int) -> Tensor:
    """Peak signal-to-noise ratio on luma, in dB: two (N, 3, H, W) -> (N,) float64, infinite for equal images.

    PSNR = 10 log10(255^2 / mean((Y1 - Y2)^2))

    Raises:
        ValueError: the sizes differ, or the border leaves nothing.
    """
    first, second = _comparable_luma(upscaled, original, border, smallest=1)
    return 10 * torch.log10(255**2 / (first - second).square().mean(dim=(-2, -1)))


def ssim_y(upscaled: Tensor, original: Tensor, border: int) -> Tensor:
    """Structural similarity on luma: two (N, 3, H, W) -> (N,) float64, 1 for equal images.

    `losses.ssim` with a data range of 255: the mean over the positions where an 11x11 Gaussian window (sigma 1.5) fits.
    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", eq. 13

    Raises:
        ValueError: the sizes differ, or the border leaves less than a window.
    """
    first, second = _comparable_luma(upscaled, original, border, smallest=SSIM_WINDOW)
    return losses.ssim(first[:, None], second[:, None], data_range=255.0, reduction="none")


def _comparable_luma(upscaled: Tensor, original: Tensor, border: int, smallest: int) -> tuple[Tensor, Tensor]:
    if upscaled.shape != original.shape or upscaled.dim() != 4:
        shapes = f"{tuple(upscaled.shape)} and {tuple(original.shape)}"
        raise ValueError(f"expected two images of the same size (N, 3, H, W), got {shapes}")
    height, width = upscaled.shape[-2:]
    if border < 0 or min(height, width) - 2 * border < smallest:
        raise ValueError(
            f"expected at least {smallest} pixels per side inside a border of {border}, got an image {height}x{width}"
        )
    inside = (..., slice(border, height - border), slice(border, width - border))
    return luma(to_8bit(upscaled))[inside], luma(to_8bit(original))[inside]
