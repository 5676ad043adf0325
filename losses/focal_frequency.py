"""Losses between the spectra of two images."""

from typing import cast

import torch
from torch import Tensor, nn

from ._settings import not_negative, shown, whole
from ._tensors import Reduction, check_tensors, checked_reduction, difference, reduced


def fourier_l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of the spectra, real and imaginary parts, in [0, inf).

    Two (..., H, W) of any range -> scalar.    mean(|Re d| + |Im d|) / 2,  d = F(a - b)

    F is the 2-D Fourier transform, scaled to keep the sum of squares (orthonormal). Cho et al. 2021, "Rethinking
    coarse-to-fine approach in single image deblurring", eq. 5, arXiv:2108.05054, but for that scale.

    Raises:
        ValueError: the shapes differ, fewer than two dimensions, or not floating-point.

    >>> fourier_l1(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))  # one coefficient of 4, of 2 x 16 numbers
    tensor(0.1250)
    """
    return _spectrum(a, b).abs().mean()


def focal_frequency(
    a: Tensor, b: Tensor, alpha: float = 1.0, patches: int = 1, reduction: Reduction = "mean"
) -> Tensor:
    """Squared difference of the spectra in which the frequencies that are worst count most, in [0, inf).

    Two (N, C, H, W) of any range -> scalar, or (N,) with reduction "none". With d = F(a - b), F the orthonormal 2-D
    Fourier transform, and weights without gradient, scaled to a largest value of 1 in every image and channel:

    mean(w |d|^2),  w = |d|^alpha / max |d|^alpha

    Jiang et al. 2021, "Focal Frequency Loss for Image Reconstruction and Synthesis", eq. 6-8, arXiv:2012.12821

    Args:
        alpha: how much the worst frequencies count more; 0 makes it the mean squared error.
        patches: cut the image into so many patches a side and compare their spectra.
        reduction: over the batch.

    Raises:
        ValueError: the shapes differ, not (N, C, H, W), not floating-point, a negative alpha, sides that so many
            patches do not divide, or an unknown reduction.

    >>> focal_frequency(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))  # one coefficient: 4^2 / 16
    tensor(1.)
    """
    not_negative("alpha", alpha)
    whole("patches", patches)
    checked_reduction(reduction)
    check_tensors(a=a, b=b)
    if a.ndim != 4 or a.shape != b.shape:
        raise ValueError(f"expected two images (N, C, H, W) of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if a.shape[-2] % patches or a.shape[-1] % patches:
        raise ValueError(f"patches: expected a divisor of both sides of {tuple(a.shape)}, got {patches}")
    squared = _spectrum(_cut(a, patches), _cut(b, patches)).square().sum(dim=-1)
    with torch.no_grad():
        largest = squared.amax(dim=(-2, -1), keepdim=True)
        # 0 / 0 where the images are equal: there the loss is 0 whatever the weight.
        weight = (squared / largest.clamp(min=torch.finfo(squared.dtype).tiny)).pow(alpha / 2)
    return reduced((weight * squared).mean(dim=(1, 2, 3)), reduction)


class FocalFrequencyLoss(nn.Module):
    """`focal_frequency` with its settings stored.

    >>> FocalFrequencyLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    tensor(0.)
    """

    def __init__(self, alpha: float = 1.0, patches: int = 1, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.alpha, self.patches = not_negative("alpha", alpha), whole("patches", patches)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "alpha", "patches", "reduction")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two (N, C, H, W) -> scalar, or (N,) with reduction "none"."""
        return focal_frequency(a, b, self.alpha, self.patches, self.reduction)


def _spectrum(a: Tensor, b: Tensor) -> Tensor:
    """Real and imaginary parts of the spectrum of a - b: (..., H, W, 2). The transform is linear, so one is enough."""
    check_tensors(a=a, b=b)
    if a.ndim < 2:
        raise ValueError(f"expected images (..., H, W), got {tuple(a.shape)}")
    transformed = cast(Tensor, torch.fft.fft2(difference(a, b), norm="ortho"))  # pyright: ignore[reportUnknownMemberType]
    return torch.view_as_real(transformed)


def _cut(image: Tensor, patches: int) -> Tensor:
    """(N, C, H, W) -> (N, patches^2 C, H / patches, W / patches)."""
    n, c, height, width = image.shape
    cut = image.reshape(n, c, patches, height // patches, patches, width // patches)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, height // patches, width // patches)
