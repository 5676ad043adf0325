"""What `--detail` and `--denoise` do from 0 to 1: distances and PSNR on held-out photographs, and a figure.

    SRGAN_KIT_DATA=... python -m scripts.experiments.dials [--images N]      measure, then the page and the figure
    python -m scripts.experiments.dials --figure                             the figure alone

Photographs that no model was trained on are reduced, as they are or by the degradations of docs/guide/degradations.md,
and upscaled through `Upscaler(dials=...)`. Distance: LPIPS-like with VGG16, on which nothing was trained. The page is
docs/guide/dials-and-sizes.md.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from scripts.lib import paths
from scripts.lib.judged import Score, held_out, mean_score, score, vgg_judge, written
from scripts.lib.pages import fill
from srgan_kit.data.degradation import degradation_random, degrade
from srgan_kit.data.degradation_settings import LightConfig, RoundsConfig, SecondOrderConfig
from srgan_kit.data.image_folder import rgb_planes
from srgan_kit.images.grid import save_sheet
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.resize import crop_to_multiple, resize_8bit
from srgan_kit.upscaling.choice import Choice, Dials, Share
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS, PAGE = paths.RESULTS / "dials.json", paths.GUIDE / "dials-and-sizes.md"
FIGURE = paths.IMAGES / "dials.png"
SOURCE = "photos"
"""The source that x4-perceptual was not trained on either."""
SEED = 2**31 + 7
INPUTS: dict[str, RoundsConfig | None] = {
    "clean": None,
    "light": LightConfig(name="light"),
    "second-order": SecondOrderConfig(name="second-order"),
}
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
Setting = tuple[str, int, str, Choice]
"""Name of a row, scale, kind of input, models."""


def settings() -> Iterator[Setting]:
    """All that is measured."""
    for value in POSITIONS:
        yield f"detail {value:g}", 4, "clean", Dials(detail=value).choose(4)
    for value in (0.0, 0.5, 1.0):  # models of x4, whose result is reduced
        yield f"detail {value:g}", 2, "clean", Dials(detail=value).choose(4)
    yield "x2-fidelity", 2, "clean", Choice("x2-fidelity")
    for scale in (4, 2):
        for kind in INPUTS:
            for value in POSITIONS:
                yield f"denoise {value:g}", scale, kind, Dials(denoise=value).choose(scale)
    mixed = Choice("x4-fidelity", perceptual=Share("x4-photo", 0.5))  # the outputs, where the weights could be
    yield "denoise 0.5, results mixed", 4, "second-order", mixed
    for denoise in (0.0, 0.5, 1.0):
        for detail in (0.0, 0.5, 1.0):
            both = Dials(detail, denoise).choose(4)
            yield f"detail {detail:g}, denoise {denoise:g}", 4, "second-order", both
            if detail and denoise:
                name = f"detail {detail:g}, denoise {denoise:g}, perceptual sees the input"
                yield name, 4, "second-order", replace(both, perceptual_sees="input")


def pairs(data: Path, images: int, scale: int, kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(low, high) of each photograph."""
    config = INPUTS[kind]
    for number, (_, pixels) in enumerate(held_out(data, SOURCE)[:images]):
        high = crop_to_multiple(rgb_planes(pixels), scale)
        random = degradation_random(SEED, number)
        low = resize_8bit(high, 1 / scale) if config is None else degrade(high, scale, config, random)
        yield tuple(each.permute(1, 2, 0).contiguous().numpy() for each in (low, high))  # pyright: ignore[reportReturnType]


def measure(data: Path, images: int) -> dict[str, Score]:
    """Means over photographs: found["x4 clean: detail 0.5"]."""
    judge, upscaler = vgg_judge(data), Upscaler(device="cpu", precision="fp32")
    found: dict[str, Score] = {}
    for name, scale, kind, choice in settings():
        scores = [
            score(upscaled(upscaler, low, (high.shape[1], high.shape[0]), choice), high, scale, judge)
            for low, high in pairs(data, images, scale, kind)
        ]
        found[f"x{scale} {kind}: {name}"] = mean_score(scores)
        print(f"x{scale} {kind}: {name}: {written(mean_score(scores))}", flush=True)
    return found


def upscaled(upscaler: Upscaler, low: np.ndarray, size: tuple[int, int], choice: Choice) -> np.ndarray:
    """The result at `size`."""
    return upscaler.upscale_to(LoadedImage(low), size, choice).image.pixels


# --- the page -------------------------------------------------------------------------------------------------------


def single(found: dict[str, Score]) -> str:
    """Each dial alone."""
    lines = [f"| scale, input | dial | {' | '.join(f'{value:g}' for value in POSITIONS)} |", f"|---|---|{'---|' * 5}"]
    rows = [("x4 clean", "detail"), *((f"x{scale} {kind}", "denoise") for scale in (4, 2) for kind in INPUTS)]
    for where, dial in rows:
        cells = [written(found[f"{where}: {dial} {value:g}"]) for value in POSITIONS]
        lines.append(f"| {where} | `--{dial}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def both(found: dict[str, Score]) -> str:
    """Both dials together, beside the simpler way in which the perceptual model sees the input."""
    lines = [
        "| x4 second-order | `--detail 0` | 0.5 | 1 | 0.5, sees the input | 1, sees the input |",
        f"|---|{'---|' * 5}",
    ]
    for denoise in (0.0, 0.5, 1.0):
        names = [f"detail {detail:g}, denoise {denoise:g}" for detail in (0.0, 0.5, 1.0)]
        names += [f"{name}, perceptual sees the input" if denoise else "" for name in names[1:]]
        cells = [written(found[f"x4 second-order: {name}"]) if name else "the same" for name in names]
        lines.append(f"| `--denoise {denoise:g}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def figure() -> None:
    """One row each: detail on a clean photograph, denoise on one with noise."""
    from skimage import data

    upscaler, rows = Upscaler(device="cpu", precision="fp32"), list[torch.Tensor]()
    cat, coffee = data.chelsea()[60:276, 130:346], data.coffee()[60:276, 180:396]
    noise = np.random.default_rng(0).normal(0, 10, (54, 54, 3))
    clean, noisy = (resize_8bit(rgb_planes(part), 0.25).permute(1, 2, 0).numpy() for part in (cat, coffee))
    noisy = np.rint(noisy + noise).clip(0, 255).astype(np.uint8)
    for low, dials in ((clean, [Dials(detail=v) for v in POSITIONS]), (noisy, [Dials(denoise=v) for v in POSITIONS])):
        views = [low.repeat(4, axis=0).repeat(4, axis=1)]
        views += [upscaled(upscaler, np.ascontiguousarray(low), (216, 216), each.choose(4)) for each in dials]
        rows.append(torch.cat([rgb_planes(view) for view in views], dim=2))
    save_sheet(torch.cat(rows, dim=1).float() / 255, ["input", *(f"{value:g}" for value in POSITIONS)], FIGURE)


def main() -> None:
    """Measure, then write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24, help="photographs to measure on")
    parser.add_argument("--figure", action="store_true", help="draw the figure alone")
    options = parser.parse_args()
    if not options.figure:
        found = measure(paths.data_folder("images and weights"), options.images)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        fill(PAGE, {"one dial": single(found), "both dials": both(found)})
    figure()


if __name__ == "__main__":
    main()
