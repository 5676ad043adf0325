"""Measure how much each pretrained model flickers on a clip that stands still but for its noise, beside bicubic.

SRGAN_KIT_DATA=... python -m scripts.experiments.flicker    docs/results/flicker.json, and docs/guide/video.md's table
python -m scripts.experiments.flicker --render              the table alone

A clip is the middle of a Set5 image, reduced by the model's scale, in several frames with independent Gaussian noise,
rounded to 8 bits. The flicker is the mean absolute change from frame to frame of the residual, result minus original;
the original stands still, so it is the change of the result.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib import paths
from scripts.lib.pages import fill
from srgan_kit.data.image_folder import read_rgb
from srgan_kit.images.pixels import center_crop
from srgan_kit.images.resize import resize_8bit
from srgan_kit.models.pretrained import pretrained_upscalers, read_summary
from srgan_kit.upscaling.image import resample
from srgan_kit.upscaling.upscaler import Upscaler

RESULT = paths.RESULTS / "flicker.json"
PAGE = paths.GUIDE / "video.md"
NOISE = (2.0, 5.0, 10.0)
"""Standard deviations of the noise, in levels of 255."""
FRAMES, SIDE = 6, 64
"""Frames of a clip, and its side in pixels."""
MOST = 1.5
"""How much more than bicubic a photo model may flicker."""

Image = np.ndarray


def clip(original: Image, noise: float, seed: int, frames: int = FRAMES) -> Iterator[Image]:
    """Frames (H, W, 3) uint8 of a still image with noise that is new in each."""
    random = np.random.default_rng(seed)
    for _ in range(frames):
        yield np.clip(np.rint(original + random.normal(0, noise, original.shape)), 0, 255).astype(np.uint8)


def flicker(frames: Iterator[Image], upscale: Callable[[Image], Image]) -> float:
    """Mean absolute change between successive results, in levels of 255."""
    results = [upscale(frame).astype(np.float64) for frame in frames]
    return statistics.fmean(float(np.abs(b - a).mean()) for a, b in pairwise(results))


def bicubic(scale: int) -> Callable[[Image], Image]:
    """What models are compared with."""
    return lambda image: resample(image, (scale * image.shape[1], scale * image.shape[0]))


def stills(folder: Path, scale: int, side: int = SIDE) -> list[Image]:
    """The middle of every image, reduced: (side, side, 3) uint8."""
    found = []
    for path in sorted(folder.glob("*.png")):
        middle = center_crop(read_rgb(path), scale * side, scale * side)
        found.append(resize_8bit(middle, 1 / scale).permute(1, 2, 0).numpy())
    return found


def measure(folder: Path, models: list[str], noises: tuple[float, ...] = NOISE) -> dict[str, Any]:
    """Flicker of models and of bicubic by noise: means over the images of a folder."""
    rows = []
    for name in models:
        upscaler = Upscaler(name, "cpu", "fp32")
        scale = int(upscaler.scale)
        originals = stills(folder, scale)
        for noise in noises:
            both = [
                [flicker(clip(original, noise, seed), upscale) for seed, original in enumerate(originals)]
                for upscale in (upscaler.upscale, bicubic(scale))
            ]
            own, plain = map(statistics.fmean, both)
            rows.append({"model": name, "noise": noise, "flicker": round(own, 3), "bicubic": round(plain, 3)})
            print(f"{name}, noise {noise:g}: {own:.3f}, bicubic {plain:.3f}, ratio {own / plain:.2f}", flush=True)
    return {"frames": FRAMES, "side": SIDE, "images": len(stills(folder, 2)), "rows": rows}


def table(result: dict[str, Any]) -> str:
    """A row a model; flicker as a multiple of bicubic's."""
    noises = list(dict.fromkeys(row["noise"] for row in result["rows"]))
    lines = ["| model | " + " | ".join(f"noise {noise:g}" for noise in noises) + " |", "|---|" + "---:|" * len(noises)]
    for name in dict.fromkeys(row["model"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["model"] == name]
        cells = [f"{row['flicker'] / row['bicubic']:.2f} ({row['flicker']:.2f})" for row in rows]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict(result: dict[str, Any]) -> str:
    """Whether the photo models stay below the limit, in a sentence."""
    photo = [row for row in result["rows"] if row["model"].endswith("-photo")]
    worst = max(photo, key=lambda row: row["flicker"] / row["bicubic"])
    ratio = worst["flicker"] / worst["bicubic"]
    kept = "stay below" if ratio <= MOST else "exceed"
    return (
        f"The photo models {kept} {MOST:g} times bicubic's flicker: at most {ratio:.2f} (`{worst['model']}`, noise of "
        f"{worst['noise']:g} levels)."
    )


def render(result: dict[str, Any], page: Path = PAGE) -> None:
    """Write the table and the sentence below it into the page."""
    fill(page, {"flicker": f"{table(result)}\n\n{verdict(result)}"})


def main() -> None:
    """Measure and write, or write alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="write the table from the committed result")
    options = parser.parse_args()
    if not options.render:
        files = pretrained_upscalers().items()
        models = sorted((name for name, _ in files), key=lambda name: (read_summary(dict(files)[name]).scale, name))
        result = measure(paths.data_folder("Set5: sr_test/Set5/HR") / "sr_test/Set5/HR", models)
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    render(json.loads(RESULT.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
