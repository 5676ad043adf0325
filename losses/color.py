"""Colour consistency: generated images should have the colours of the real ones, whatever their detail."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._range import RangeWarning
from ._settings import positive, shown
from ._tensors import (
    Reduction,
    check_floating_point,
    checked_reduction,
    in_full_precision,
    reduced,
    with_nan_gradients,
)

XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""From linear sRGB to CIE XYZ; the rows' sums are the white point D65 (IEC 61966-2-1)."""
TOE = 6 / 29
"""Below the cube of this CIELAB is linear; so is, below 0, what it makes of values that are no colours."""
UNIT = 100.0
"""CIELAB's range of lightness, by which distances are divided: those of images are then below about 2."""


def color_consistency(image: Tensor, target: Tensor, sigma: float = 3.0, reduction: Reduction = "mean") -> Tensor:
    """How far the hues and saturations of two blurred images are from each other, in [0, inf); 0 for grey ones.

    Two (N, 3, H, W) RGB in [0, 1], nominally: values outside have a finite gradient -> scalar, or (N,) with reduction
    "none". With G a Gaussian blur, at the border of the image continued by its edge, and a*, b* the chroma of CIELAB:

    E sqrt((a*(G image) - a*(G target))^2 + (b*(G image) - b*(G target))^2) / 100

    Blurred, an image shows neither texture nor where exactly an edge is, which a critic may invent, but still its
    colours, which it should not. The blur is of the sRGB values, as bicubic downscaling is: an image that is right at
    low resolution costs next to nothing. Lightness is left to the other losses. The blur is that of Ignatov et al.
    2017, "DSLR-quality photos on mobile devices", sec. 3.1.1, arXiv:1704.02470, who compare RGB; the space CIE 1976.

    Args:
        image: a generated image.
        target: what its colours should be.
        sigma: standard deviation of the blur, in pixels.
        reduction: over the batch.

    Raises:
        ValueError: different shapes, not (N, 3, H, W), not floating-point, a sigma that is not positive, or an unknown
            reduction.

    >>> red, grey = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.5, 0.5, 0.5])
    >>> color_consistency(*(color.view(1, 3, 1, 1).expand(1, 3, 8, 8) for color in (red, grey)))
    tensor(1.0455)
    """
    values = _color_consistency(image, target, sigma)
    checked_reduction(reduction)
    RangeWarning()("color_consistency", image, target)
    return reduced(values, reduction)


class ColorConsistencyLoss(nn.Module):
    """`color_consistency` with its settings stored.

    >>> image = torch.rand(1, 3, 16, 16)
    >>> ColorConsistencyLoss()(image, image)
    tensor(0.)
    """

    def __init__(self, sigma: float = 3.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.sigma = positive("sigma", sigma)
        self.reduction: Reduction = checked_reduction(reduction)
        self.warn = RangeWarning()

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "sigma", "reduction")

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Two (N, 3, H, W) -> scalar, or (N,) with reduction "none"."""
        values = _color_consistency(image, target, self.sigma)
        self.warn("ColorConsistencyLoss", image, target)
        return reduced(values, self.reduction)


def chroma(image: Tensor) -> Tensor:
    """a* and b* of CIELAB: (N, 3, H, W) sRGB in [0, 1], nominally -> (N, 2, H, W); 0 for grey.

    Outside [0, 1] the curves go on: the power of sRGB above, both linear toes below, so that slopes are finite.
    """
    toe = 0.04045
    linear = torch.where(image <= toe, image / 12.92, ((image.clamp(min=toe) + 0.055) / 1.055).pow(2.4))
    matrix = image.new_tensor(XYZ)
    matrix = matrix / matrix.sum(dim=1, keepdim=True)  # divided by the white point
    tristimulus = torch.einsum("rc,nchw->nrhw", matrix, linear)
    root = tristimulus.clamp(min=TOE**3).pow(1 / 3)
    x, y, z = torch.where(tristimulus <= TOE**3, tristimulus / (3 * TOE**2) + 4 / 29, root).unbind(dim=1)
    return torch.stack([500 * (x - y), 200 * (y - z)], dim=1)


def _color_consistency(image: Tensor, target: Tensor, sigma: float) -> Tensor:
    """(N,)."""
    positive("sigma", sigma)
    check_floating_point(image=image, target=target)
    if image.ndim != 4 or image.shape[1] != 3 or image.shape != target.shape:
        shapes = f"{tuple(image.shape)} and {tuple(target.shape)}"
        raise ValueError(f"expected two RGB images (N, 3, H, W) of one shape, got {shapes}")
    with torch.autocast(image.device.type, enabled=False):
        own, wanted = (_blurred(with_nan_gradients(in_full_precision(each)), sigma) for each in (image, target))
        error = chroma(own) - chroma(wanted)
        # vector_norm has gradient 0 at 0, where a plain square root has NaN.
        distance = cast(Tensor, torch.linalg.vector_norm(error, dim=1))  # pyright: ignore
    return distance.mean(dim=(1, 2)) / UNIT


def _blurred(image: Tensor, sigma: float) -> Tensor:
    channels, radius = image.shape[1], math.ceil(3 * sigma)
    offset = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    gaussian = torch.exp(-offset.square() / (2 * sigma**2))
    gaussian = (gaussian / gaussian.sum()).expand(channels, 1, 1, -1)
    padded = F.pad(image, [radius] * 4, mode="replicate")
    rows = F.conv2d(padded, gaussian, groups=channels)
    return F.conv2d(rows, gaussian.transpose(-2, -1), groups=channels)
