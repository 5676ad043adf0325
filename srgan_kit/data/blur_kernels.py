"""Blur kernels: (size, size) float64 with a sum of 1, the middle pixel in the middle."""

import math

import torch
from torch import Tensor


def gaussian_kernel(size: int, sigma: tuple[float, float], angle: float = 0.0, shape: float = 1.0) -> Tensor:
    """Generalised Gaussian: k ~ exp(-(d²)^shape / 2); an ordinary one for a shape of 1.

    d² = x'² / sigma[0]² + y'² / sigma[1]², where x' and y' are along axes rotated by `angle`: at 0, x' runs along rows.
    Wang et al. 2021, "Real-ESRGAN", sec. 3.2, arXiv:2107.10833

    >>> gaussian_kernel(3, (1.0, 1.0))[1, 2] / gaussian_kernel(3, (1.0, 1.0))[1, 1]
    tensor(0.6065, dtype=torch.float64)
    """
    return _normalised(torch.exp(-(_distance(size, sigma, angle) ** shape) / 2))


def plateau_kernel(size: int, sigma: tuple[float, float], angle: float = 0.0, shape: float = 1.0) -> Tensor:
    """Plateau: k ~ 1 / (1 + (d²)^shape), with d as in `gaussian_kernel`; the same source."""
    return _normalised(1 / (1 + _distance(size, sigma, angle) ** shape))


def sinc_kernel(size: int, cutoff: float) -> Tensor:
    """The round low-pass filter: k ~ J1(w r) / r with w = pi * cutoff, r the distance from the middle; at it, w / 2.

    `cutoff` in (0, 1] is the fraction of the highest frequency up to which everything passes, and beyond which nothing
    does; a finite size makes the edge softer and draws rings. J1 is the Bessel function of order 1.
    Wang et al. 2021, "Real-ESRGAN", sec. 3.4, arXiv:2107.10833
    """
    y, x = _grid(size)
    radius, w = torch.hypot(x, y), math.pi * cutoff
    ring = torch.special.bessel_j1(w * radius) / radius.clamp_min(1)
    return _normalised(torch.where(radius == 0, w / 2, ring))


def _grid(size: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of every pixel, counted from the middle."""
    steps = torch.arange(size, dtype=torch.float64) - size // 2
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return rows, columns


def _distance(size: int, sigma: tuple[float, float], angle: float) -> Tensor:
    """d² of every pixel."""
    y, x = _grid(size)
    cos, sin = math.cos(angle), math.sin(angle)
    return ((cos * x + sin * y) / sigma[0]) ** 2 + ((cos * y - sin * x) / sigma[1]) ** 2


def _normalised(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()
