"""What draws the grid of the pixel shuffle, and what prevents it: short runs that differ in their terms alone.

    SRGAN_KIT_DATA=... python -m scripts.experiments.checkerboard [NAME ...]  adds to docs/results/grid.jsonl
    python -m scripts.experiments.checkerboard --render    the table of docs/studies/checkerboard.md

Each run fine-tunes x4-fidelity by the recipe perceptual-x4 with the terms in `RUNS`. What is measured are held-out
images, as in `scripts/experiments/architectures`; no test image is used. The figure shows one of the BSDS images.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.lib import paths
from scripts.lib.holdout import link_images, validation_images
from scripts.lib.pages import fill
from scripts.lib.quality import checkerboard_of_originals, figures_of_x4, original
from scripts.lib.results import Results
from scripts.lib.runs import training_hours
from srgan_kit.data.image_folder import find_images, rgb_planes
from srgan_kit.errors import UserError
from srgan_kit.images.grid import save_image
from srgan_kit.images.resize import resize_8bit
from srgan_kit.metrics.lpips import PerceptualDistance, lpips_like
from srgan_kit.models.super_resolution import load_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import MODEL, is_finished, train
from srgan_kit.upscaling.upscaler import Upscaler

RESULTS = paths.RESULTS / "grid.jsonl"
PAGE, PICTURE = paths.STUDIES / "checkerboard.md", paths.IMAGES / "grid.png"
SHORT = ("steps=200", "data.batch=8", "data.patch=24", "ema=0.98", "optimizer.warmup=20", "device=cpu")
SHORT += ("validation.every=200", "checkpoint_every=200", "weights.perceptual=0")
LPIPS = ("weights.lpips=1",)
SHIFTED = ("lpips.translation=4",)
BALANCE, BIAS = ("weights.phase_balance=0.1",), ("weights.phase_bias=10",)
START_MODEL = "x4-fidelity"
RUNS: dict[str, tuple[str, ...]] = {
    "LPIPS": LPIPS,
    "LPIPS, shifted": (*LPIPS, *SHIFTED),
    "LPIPS, shifted, balance": (*LPIPS, *SHIFTED, *BALANCE),
    "LPIPS, shifted, bias": (*LPIPS, *SHIFTED, *BIAS),
    "LPIPS, shifted, balance and bias": (*LPIPS, *SHIFTED, *BALANCE, *BIAS),
    "LPIPS, shifted, evenness and bias": (*LPIPS, *SHIFTED, "weights.phase_evenness=0.3", *BIAS),
}
"""Settings on top of `SHORT`; all have pixel 1 and consistency 1."""
SHOWN, SIDE = 4, 96
"""Which BSDS image the image is of, and the side of the part."""


def folder_of(name: str, runs: Path) -> Path:
    """Where a run lies."""
    return runs / name.lower().replace(",", "").replace(" ", "-")


def train_one(name: str, data: Path, runs: Path, distance: PerceptualDistance, results: Results) -> None:
    """Train, measure, append."""
    images, folder = runs / "images", folder_of(name, runs)
    weights = [f"{term}.weights={json.dumps(str(data / 'weights' / file))}" for term, file in paths.NETWORKS.items()]
    recipe = load_recipe("perceptual-x4", [*SHORT, *weights, *RUNS[name]], images / "training")
    if not is_finished(folder) and not train(recipe, folder, has_checkpoint(folder)).finished:
        sys.exit(130)  # as `srgan-kit train` where it was stopped
    found = figures_of_x4(folder / MODEL, validation_images(images), distance)
    seconds = round(3600 * training_hours(folder))
    row = {"name": name, "settings": list(RUNS[name]), "steps": recipe.steps, "seconds": seconds, "measured": found}
    if not results.rows(name=name):
        results.add(row)
    print(row, flush=True)


def references(images: Path, distance: PerceptualDistance, results: Results) -> None:
    """The model that all start from, and the images themselves."""
    results.add({"name": START_MODEL, "measured": figures_of_x4(START_MODEL, validation_images(images), distance)})
    results.add({"name": "originals", "measured": checkerboard_of_originals(validation_images(images), 4)})


def figure(runs: Path) -> Tensor:
    """The same part by each run in the order of `RUNS`, after the start's and before the original's."""
    path = find_images(runs / "images" / "validation" / "bsds")[SHOWN]
    high = original(path, 4)
    top, left = ((side - SIDE) // 8 * 4 for side in high.shape[1:])
    high = high[:, top : top + SIDE, left : left + SIDE]
    low = resize_8bit(high, 1 / 4).permute(1, 2, 0).contiguous().numpy()
    models = START_MODEL, *(folder_of(name, runs) / MODEL for name in RUNS)
    made = [Upscaler(load_model(model), "cpu", "fp32").upscale(low) for model in models]
    views = [F.pad(view.float() / 255, (2, 2, 2, 2), value=1.0) for view in (*map(rgb_planes, made), high)]
    rows = [torch.cat(views[first : first + 4], dim=2) for first in range(0, len(views), 4)]
    return F.interpolate(torch.cat(rows, dim=1)[None], scale_factor=3, mode="nearest")[0]


def render(results: Results, page: Path = PAGE) -> None:
    """Write the table into the page."""
    lines = [
        "| terms besides pixel and consistency | LPIPS-like | PSNR, dB | phase imbalance | pattern |",
        "|---|---:|---:|---:|---:|",
    ]
    found = {row["name"]: row["measured"] for row in results.rows()}
    for name in (START_MODEL, *RUNS, "originals"):
        if name in found:
            m = found[name]
            first = f"{m['lpips_like']:.4f} | {m['psnr_y']:.2f}" if "psnr_y" in m else "0 | "
            lines.append(f"| {name} | {first} | {m['lattice_ratio']:.3f} | {m['lattice_pattern']:.2f} |")
    fill(page, {"grid": "\n".join(lines)})


def main() -> None:
    """Train and measure what is missing, draw the image; or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default all: {'; '.join(RUNS)}")
    parser.add_argument("--runs", type=Path, default=Path("runs/grid"))
    parser.add_argument("--again", action="store_true", help="also what has a result, for the image")
    parser.add_argument("--render", action="store_true", help="write the table of docs/studies/checkerboard.md")
    options = parser.parse_args()
    results = Results(RESULTS)
    if options.render:
        render(results)
        return
    if unknown := [name for name in options.names if name not in RUNS]:
        parser.error(f"{unknown[0]!r}: expected one of {'; '.join(RUNS)}")
    data, images = paths.data_folder("training images and weights"), options.runs / "images"
    try:
        link_images(data / "sr_train", images)
        distance = lpips_like(data / "weights" / paths.NETWORKS["lpips"])
        if not results.rows(name=START_MODEL):
            references(images, distance, results)
        for name in options.names or RUNS:
            if options.again or not results.rows(name=name):
                train_one(name, data, options.runs, distance, results)
        lost = [name for name in RUNS if not is_finished(folder_of(name, options.runs))]
        if lost:
            print(f"no image: {folder_of(lost[0], options.runs) / MODEL} is needed; --again NAME trains it")
        else:
            save_image(figure(options.runs), PICTURE)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
