"""Upscalers on photographs degraded as photographs are: B100 with fixed random numbers, one table per scale."""

from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from scripts.lib.quality import Figures, figures, means, original
from srgan_kit.data.degradation import degradation_random, degrade
from srgan_kit.data.degradation_settings import LightConfig, RoundsConfig, SecondOrderConfig
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.metrics.folder import Upscale, bicubic_upscaler
from srgan_kit.metrics.lpips import PerceptualDistance
from srgan_kit.models.pretrained import pretrained_upscalers
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

SEED = 2**31 + 1
"""Seed of the degradations; no run and no validation has it."""
DEGRADATIONS: dict[str, RoundsConfig] = {
    "light": LightConfig(name="light"),
    "second-order": SecondOrderConfig(name="second-order"),
}
KINDS = ("fidelity", "perceptual", "photo")
"""Pretrained models xSCALE-KIND that are compared, those of them that there are."""
COMPACT_FILE = Path("weights") / "realesr-animevideov3.pth"
PEERS = {
    "Real-ESRGAN compact": COMPACT_FILE,
    "Real-ESRGAN general": Path("weights") / "realesr-general-x4v3.safetensors",
}
"""Community checkpoints of a scale of 4 to compare with, below SRGAN_KIT_DATA."""
Found = dict[str, dict[str, dict[str, Figures]]]
"""Figures of each upscaler, on each degradation, at each scale: found["x4"]["light"]["bicubic"]["psnr_y"]."""


def degraded(high: Tensor, scale: int, degradation: str, number: int) -> Tensor:
    """Low-resolution (3, h, w) uint8 of photograph `number`, (3, H, W) uint8 of sides that the scale divides."""
    return degrade(high, scale, DEGRADATIONS[degradation], degradation_random(SEED, number))


def upscalers(scale: int, data: Path) -> dict[str, Upscale]:
    """What is compared at a scale, by name."""
    found: dict[str, Upscale] = {"bicubic": bicubic_upscaler(scale)}
    if scale == 4:
        found |= {name: Upscaler(load_model(data / file), "cpu", "fp32").upscale for name, file in PEERS.items()}
    for name in (f"x{scale}-{kind}" for kind in KINDS):
        if name in pretrained_upscalers():
            found[name] = Upscaler(load_model(name), "cpu", "fp32").upscale
    return found


def compare(
    data: Path,
    distance: PerceptualDistance,
    limit: int | None = None,
    names: Collection[str] = (),
    before: Found | None = None,
) -> Found:
    """Means over B100, or over its first `limit` photographs; a scale of 2 only where a photo model has it.

    Args:
        data: the data folder.
        distance: LPIPS-like.
        limit: how many photographs; None for all.
        names: measure only these, and take the others from `before`; none for all.
        before: what was measured before.
    """
    paths = find_images(data / "sr_test" / "B100" / "HR")[:limit]
    scales = [4, *([2] if "x2-photo" in pretrained_upscalers() else [])]
    found: Found = {}
    for scale in scales:
        everyone = upscalers(scale, data)
        compared = {name: upscale for name, upscale in everyone.items() if not names or name in names}
        for degradation in DEGRADATIONS:
            rows: dict[str, list[Figures]] = {name: [] for name in compared}
            for number, path in enumerate(paths):
                high = original(path, scale)
                low = degraded(high, scale, degradation, number).permute(1, 2, 0).contiguous().numpy()
                for name, upscale in compared.items():
                    rows[name].append(figures(rgb_planes(upscale(low))[None], high[None], scale, distance))
            here = (before or {}).get(f"x{scale}", {}).get(degradation, {}) if names else {}
            here = here | {name: means(measured) for name, measured in rows.items()}
            found.setdefault(f"x{scale}", {})[degradation] = {name: here[name] for name in everyone if name in here}
    return found


def section(found: Found) -> str:
    """The comparison in Markdown."""
    lines = [
        "Low resolution made from B100 by [degradations](degradations.md) with fixed random numbers. In each cell",
        "LPIPS-like (lower is better) / PSNR on Y in dB / phase imbalance / pattern, in fp32. Real-ESRGAN's compact",
        "checkpoint is the one for animation, the general one (realesr-general-x4v3) for photographs. Measured by",
        "`scripts/pretrained/measure.py --photo`.",
    ]
    for scale, by_degradation in found.items():
        lines += ["", f"| {scale} | {' | '.join(by_degradation)} |", f"|{'---|' * (1 + len(by_degradation))}"]
        for name in next(iter(by_degradation.values())):
            cells = [_cell(by_degradation[degradation][name]) for degradation in by_degradation]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(measured: Figures) -> str:
    checkerboard = f"{measured['lattice_ratio']:.3f} / {measured['lattice_pattern']:.2f}"
    return f"{measured['lpips_like']:.4f} / {measured['psnr_y']:.2f} / {checkerboard}"
