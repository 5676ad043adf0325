"""What is measured on an upscaled image beside its original."""

import statistics
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from srgan_kit.data.image_folder import read_rgb, rgb_planes
from srgan_kit.images.resize import crop_to_multiple
from srgan_kit.metrics.checkerboard import checkerboard_pattern, phase_imbalance
from srgan_kit.metrics.folder import Upscale
from srgan_kit.metrics.lpips import PerceptualDistance
from srgan_kit.metrics.psnr_ssim import psnr_y, ssim_y

Figures = dict[str, float]


def figures(made: Tensor, high: Tensor, scale: int, distance: PerceptualDistance) -> Figures:
    """Measure an image against its original, each (1, 3, H, W) uint8."""
    return {
        "psnr_y": float(psnr_y(made, high, scale)),
        "ssim_y": float(ssim_y(made, high, scale)),
        "lpips_like": float(distance(made, high)),
        "lattice_ratio": float(phase_imbalance(made, scale)),
        "lattice_pattern": float(checkerboard_pattern(made, scale)),
    }


def means(rows: list[Figures]) -> Figures:
    """Mean of each figure over images."""
    return {name: round(statistics.fmean(row[name] for row in rows), 5) for name in rows[0]}


def mean_figures(
    upscale: Upscale, pairs: Iterable[tuple[Tensor, Tensor]], scale: int, distance: PerceptualDistance
) -> Figures:
    """Over pairs of a low-resolution image and its original, each (3, H, W) uint8."""
    return means(
        [
            figures(rgb_planes(upscale(low.permute(1, 2, 0).contiguous().numpy()))[None], high[None], scale, distance)
            for low, high in pairs
        ]
    )


def original(path: Path, scale: int) -> Tensor:
    """(3, H, W) uint8, cut to sides that the scale divides."""
    return crop_to_multiple(read_rgb(path), scale)


def checkerboard_of_originals(paths: Iterable[Path], scale: int) -> Figures:
    """What photographs score where 1 and 0 would be no checkerboard artifact."""
    images = (original(path, scale)[None] for path in paths)
    return means(
        [
            {
                "lattice_ratio": float(phase_imbalance(each, scale)),
                "lattice_pattern": float(checkerboard_pattern(each, scale)),
            }
            for each in images
        ]
    )
