"""What a super-resolver shows its users, measured on photographs of B100 that it has not seen."""

from pathlib import Path

from scripts.lib import paths
from scripts.lib.quality import mean_figures
from srgan_kit.data.image_folder import find_images, find_partners, read_rgb
from srgan_kit.metrics.lpips import lpips_like
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

SCALE = 4


def as_exported(model: str, data: Path, count: int) -> dict[str, float]:
    """LPIPS-like, PSNR and others of `scripts.lib.quality` of what `upscale` makes of the first images of B100."""
    folder = data / "sr_test" / "B100"
    highs = find_images(folder / "HR", recursive=False)[:count]
    lows = find_partners(highs, folder / "HR", folder / "LR_bicubic" / "X4", SCALE)
    pairs = []
    for high, low in zip(highs, lows, strict=True):
        small = read_rgb(low)
        pairs.append((small, read_rgb(high)[:, : small.shape[1] * SCALE, : small.shape[2] * SCALE]))
    upscaler = Upscaler(load_model(model), device="cpu", precision="fp32")
    return mean_figures(upscaler.upscale, pairs, SCALE, lpips_like(data / "weights" / paths.NETWORKS["lpips"]))
