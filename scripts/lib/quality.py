"""What is measured on an upscaled image beside its original."""

import statistics
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from scripts.lib import paths
from srgan_kit.data.image_folder import find_images, find_partners, read_rgb, rgb_planes
from srgan_kit.images.resize import crop_to_multiple, resize_8bit
from srgan_kit.metrics.checkerboard import checkerboard_pattern, phase_imbalance
from srgan_kit.metrics.folder import Upscale
from srgan_kit.metrics.lpips import PerceptualDistance, lpips_like
from srgan_kit.metrics.psnr_ssim import psnr_y, ssim_y
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

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


def figures_of_x4(model: Path | str, images: list[Path], distance: PerceptualDistance) -> Figures:
    """Means over images that are reduced by 4 and upscaled by a model again."""
    upscale = Upscaler(load_model(model), "cpu", "fp32").upscale
    originals = (original(path, 4) for path in images)
    return mean_figures(upscale, ((resize_8bit(high, 1 / 4), high) for high in originals), 4, distance)


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


def as_exported(model: str, data: Path, count: int, scale: int = 4) -> Figures:
    """Of what a super-resolver makes for its users of the first photographs of B100, with their published partners.

    Args:
        model: a pretrained model's name or a file.
        data: the folder with sr_test and weights.
        count: how many photographs.
        scale: the model's.
    """
    folder = data / "sr_test" / "B100"
    highs = find_images(folder / "HR", recursive=False)[:count]
    lows = find_partners(highs, folder / "HR", folder / "LR_bicubic" / f"X{scale}", scale)
    pairs = []
    for high, low in zip(highs, lows, strict=True):
        small = read_rgb(low)
        pairs.append((small, read_rgb(high)[:, : small.shape[1] * scale, : small.shape[2] * scale]))
    upscaler = Upscaler(load_model(model), device="cpu", precision="fp32")
    return mean_figures(upscaler.upscale, pairs, scale, lpips_like(data / "weights" / paths.NETWORKS["lpips"]))
