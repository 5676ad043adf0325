"""What the super-resolution matrix measures of every model on the test sets."""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import numpy as np
from torch import Tensor

from scripts.lib import paths
from srgan_kit.data.image_folder import find_images, find_partners, rgb_planes
from srgan_kit.images.read import read_image
from srgan_kit.metrics.checkerboard import phase_imbalance
from srgan_kit.metrics.folder import bicubic_upscaler, evaluate_pairs, pair_images
from srgan_kit.metrics.lpips import lpips_like, lr_consistency
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

SCALE = 4
B100_IMAGES = 20
"""The first of B100, by name, that models are measured on."""

Rows = dict[str, float]


def measure_model(model: str, data: Path) -> Rows:
    """PSNR on Set5; LPIPS-like distance, LR consistency and phase imbalance on the first images of B100.

    Args:
        model: "bicubic", "HR" for the real images themselves, a pretrained model's name or a file.
        data: the folder with sr_test and weights.
    """
    sets = data / "sr_test"
    distance = lpips_like(data / "weights" / paths.NETWORKS["lpips"])
    upscaler = None if model in ("bicubic", "HR") else Upscaler(load_model(model), device="cpu", precision="fp32")
    upscale = upscaler.upscale if upscaler else bicubic_upscaler(SCALE)
    found: Rows = {}
    if model != "HR":
        pairs = pair_images(sets / "Set5" / "HR", sets / "Set5" / "LR_bicubic" / "X4", SCALE)
        found["set5_psnr_y"] = fmean(score.psnr_y for score in evaluate_pairs(pairs, upscale, SCALE))
    values: dict[str, list[float]] = {"lpips": [], "lr_psnr": [], "lattice": []}
    for high, low in b100(data, B100_IMAGES):
        image = high if model == "HR" else planes(upscale(low.permute(1, 2, 0).contiguous().numpy()))
        image, target = image[None], high[None]
        values["lattice"].append(float(phase_imbalance(image)))
        if model != "HR":
            values["lpips"].append(float(distance(image, target)))
        values["lr_psnr"].append(float(lr_consistency(image, low[None], SCALE, "replicate").clamp(max=99)))
    return found | {name: fmean(each) for name, each in values.items() if each}


def b100(data: Path, count: int) -> Iterable[tuple[Tensor, Tensor]]:
    """(3, H, W) and (3, H / 4, W / 4), uint8, of the first images of B100."""
    folder = data / "sr_test" / "B100"
    highs = find_images(folder / "HR", recursive=False)[:count]
    for high, low in zip(highs, find_partners(highs, folder / "HR", folder / "LR_bicubic" / "X4", SCALE), strict=True):
        small = planes(read_image(low).pixels)
        yield planes(read_image(high).pixels)[:, : small.shape[1] * SCALE, : small.shape[2] * SCALE], small


def planes(pixels: np.ndarray) -> Tensor:
    """(H, W, C) uint8 -> (3, H, W)."""
    return rgb_planes(np.ascontiguousarray(pixels))
