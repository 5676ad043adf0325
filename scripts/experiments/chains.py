"""Is it worth it to chain models beyond 4 times? Chains against one model and bicubic, on held-out photographs.

    SRGAN_KIT_DATA=... python -m scripts.experiments.chains [--images N]

Photographs that no model was trained on are reduced by 6, 8, 12 and 16 and upscaled again in each way. The page is
docs/guide/dials-and-sizes.md. Distance: LPIPS-like with SqueezeNet, by which no fidelity model was trained.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from scripts.lib import paths
from scripts.lib.judged import Score, held_out, mean_score, score, squeezenet_judge, written
from scripts.lib.pages import fill
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.resize import crop_to_multiple, resize_8bit
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.upscaling.choice import Choice
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS, PAGE = paths.RESULTS / "chains.json", paths.GUIDE / "dials-and-sizes.md"
SOURCE = "photos"
"""One source is enough: of each a sixteenth was held out from all models."""
WAYS = {
    6: ((4,), (4, 2), (2, 3), (3, 2)),
    8: ((4,), (4, 2), (2, 4), (2, 2, 2)),
    12: ((4,), (3, 4), (4, 3)),
    16: ((4,), (4, 4)),
}
"""Scales of the models, one after the other, at each scale of the result."""


def choice(scales: tuple[int, ...]) -> Choice:
    """The fidelity models of these scales."""
    first, *further = (f"x{scale}-fidelity" for scale in scales)
    return Choice(first, further=tuple(further))


def measure(data: Path, images: int) -> dict[str, dict[str, Score]]:
    """Means over photographs: found["x8"]["x4 then x2"]; the processor's seconds too."""
    judges, upscaler = {"lpips_like": squeezenet_judge(data)}, Upscaler(device="cpu", precision="fp32")
    found: dict[str, dict[str, Score]] = {}
    for factor, ways in WAYS.items():
        scores: dict[str, list[Score]] = {}
        for _, pixels in held_out(data, SOURCE)[:images]:
            high = crop_to_multiple(rgb_planes(pixels), factor)
            low, original = (
                each.permute(1, 2, 0).contiguous().numpy() for each in (resize_8bit(high, 1 / factor), high)
            )
            made = {"bicubic": (bicubic_upscaler(factor)(low), 0.0)}
            for way in ways:
                made[named(way)] = upscaled(upscaler, low, (original.shape[1], original.shape[0]), choice(way))
            for name, (result, seconds) in made.items():
                scores.setdefault(name, []).append(score(result, original, factor, judges) | {"seconds": seconds})
        found[f"x{factor}"] = {name: mean_score(rows) for name, rows in scores.items()}
        print(f"x{factor}: {found[f'x{factor}']}", flush=True)
    return found


def upscaled(upscaler: Upscaler, low: np.ndarray, size: tuple[int, int], choice: Choice) -> tuple[np.ndarray, float]:
    """The result, and the processor's seconds that it took: other programs count little then."""
    start = time.process_time()
    return upscaler.upscale_to(LoadedImage(low), size, choice).image.pixels, time.process_time() - start


def named(way: tuple[int, ...]) -> str:
    """A chain in words."""
    return " then ".join(f"x{scale}" for scale in way) + (", bicubic" if way == (4,) else "")


def table(found: dict[str, dict[str, Score]]) -> str:
    """The figures in Markdown."""
    lines = ["| scale | models | LPIPS-like / PSNR-Y dB | time over x4's |", "|---|---|---:|---:|"]
    for factor, ways in found.items():
        one = ways[named((4,))]["seconds"]
        for name, values in ways.items():
            ratio = f"{values['seconds'] / one:.1f}" if values["seconds"] else "-"
            lines.append(f"| {factor} | {name} | {written(values)} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8, help="photographs to measure on")
    options = parser.parse_args()
    found = measure(paths.data_folder("images and weights"), options.images)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    fill(PAGE, {"chains": table(found)})


if __name__ == "__main__":
    main()
