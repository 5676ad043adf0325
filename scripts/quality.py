"""What is measured on an upscaled image beside its original."""

import statistics

from torch import Tensor

from srgan_kit.metrics.lattice import lattice_pattern, lattice_ratio
from srgan_kit.metrics.perceptual import PerceptualDistance
from srgan_kit.metrics.super_resolution import psnr_y, ssim_y

Figures = dict[str, float]


def figures(made: Tensor, high: Tensor, scale: int, distance: PerceptualDistance) -> Figures:
    """Of an image and its original, each (1, 3, H, W) uint8."""
    return {
        "psnr_y": float(psnr_y(made, high, scale)),
        "ssim_y": float(ssim_y(made, high, scale)),
        "lpips_like": float(distance(made, high)),
        "lattice_ratio": float(lattice_ratio(made, scale)),
        "lattice_pattern": float(lattice_pattern(made, scale)),
    }


def means(rows: list[Figures]) -> Figures:
    """Of each figure over images."""
    return {name: round(statistics.fmean(row[name] for row in rows), 5) for name in rows[0]}
