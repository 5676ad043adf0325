"""PSNR and SSIM as super-resolution papers measure them: on the luma of 8-bit images, without a border, in float64.

Both images are rounded to 8 bits first. The border cut off each side is the upscaling factor, because there every
method guesses. Peak 255, although luma spans 16 ... 235: that is the field's convention.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


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

    Mean over the positions where an 11x11 Gaussian window (sigma 1.5) fits of
    (2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2)),  C1 = (0.01 * 255)^2,  C2 = (0.03 * 255)^2
    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", eq. 13

    Raises:
        ValueError: the sizes differ, or the border leaves less than a window.
    """
    first, second = _comparable_luma(upscaled, original, border, smallest=SSIM_WINDOW)
    moments = torch.stack([first, second, first * first, second * second, first * second], dim=1)
    mean1, mean2, square1, square2, product = _blur(moments).unbind(dim=1)
    variance1, variance2, covariance = square1 - mean1**2, square2 - mean2**2, product - mean1 * mean2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    structure = (2 * covariance + c2) / (variance1 + variance2 + c2)
    return (luminance * structure).mean(dim=(-2, -1))


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


def _blur(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H - 10, W - 10): the Gaussian window as two one-dimensional convolutions."""
    offset = torch.arange(SSIM_WINDOW, dtype=images.dtype, device=images.device) - SSIM_WINDOW // 2
    gaussian = torch.exp(-(offset**2) / (2 * SSIM_SIGMA**2))
    gaussian = (gaussian / gaussian.sum()).view(1, 1, -1, 1)
    planes = images.flatten(0, 1).unsqueeze(1)
    blurred = F.conv2d(F.conv2d(planes, gaussian), gaussian.transpose(-2, -1))
    return blurred.view(*images.shape[:2], *blurred.shape[-2:])
