"""Whether a generator learns less from critics and comparators that see a random part of each image in a step.

    SRGAN_KIT_DATA=... python -m scripts.experiments.crops [--smoke]  trains, measures; docs/results/crops.jsonl
    python -m scripts.experiments.crops --render                      the table of docs/studies/random_crops.md

Short runs of the recipe perceptual-gan-x4, with crops and without, of several seeds. What is measured are held-out
images, as in `scripts/experiments/checkerboard.py`. Speed is measured by `scripts/bench/train.py`.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from scripts.lib import paths
from scripts.lib.holdout import link_images, validation_images
from scripts.lib.pages import fill
from scripts.lib.quality import figures_of_x4
from scripts.lib.results import Results, Row
from scripts.lib.runs import training_hours
from srgan_kit.errors import UserError
from srgan_kit.metrics.lpips import lpips_like
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import MODEL, is_finished, train

RESULTS, PAGE = paths.RESULTS / "crops.jsonl", paths.STUDIES / "random_crops.md"
SHORT = ("steps=800", "data.batch=4", "ema=0.99", "device=cpu", "validation.every=400", "checkpoint_every=50")
SEEDS = (0, 1)
START_MODEL = "x4-fidelity"
MEASURES = {"lpips_like": (".4f", "LPIPS-like"), "psnr_y": (".2f", "PSNR, dB"), "ssim_y": (".4f", "SSIM")}
MEASURES |= {"lattice_ratio": (".3f", "phase imbalance"), "lattice_pattern": (".2f", "pattern")}


def views(side: int) -> list[str]:
    """Settings with which all networks that look at images see squares of a side; 0 for all of them."""
    return [f"{table}.crop={side}" for table in ("techniques", "perceptual", "lpips")]


RUNS = {"whole images": views(0), "88 of 128 pixels a side": views(88), "64 of 128 pixels a side": views(64)}


def train_one(name: str, seed: int, data: Path, runs: Path, settings: list[str]) -> Row:
    """Train, or go on, and measure."""
    images, folder = runs / "images", runs / f"{name.replace(' ', '-')}-{seed}"
    weights = [f"{term}.weights={json.dumps(str(data / 'weights' / file))}" for term, file in paths.NETWORKS.items()]
    recipe = load_recipe("perceptual-gan-x4", [*settings, f"seed={seed}", *weights, *RUNS[name]], images / "training")
    if not is_finished(folder) and not train(recipe, folder, has_checkpoint(folder)).finished:
        sys.exit(130)  # as `srgan-kit train` where it was stopped
    found = figures_of_x4(
        folder / MODEL, validation_images(images), lpips_like(data / "weights" / paths.NETWORKS["lpips"])
    )
    seconds = round(3600 * training_hours(folder))
    return {"name": name, "seed": seed, "steps": recipe.steps, "seconds": seconds, "measured": found}


def table(results: Results) -> str:
    """Means over the seeds, each with half the distance between the lowest and the highest."""
    lines = [f"| seen in a step | {' | '.join(title for _, title in MEASURES.values())} |"]
    lines.append("|---|" + "---:|" * len(MEASURES))
    for name in (START_MODEL, *RUNS):
        rows = [row["measured"] for row in results.rows(name=name)]
        cells: list[str] = []
        for measure_name, (form, _) in MEASURES.items():
            values = [row[measure_name] for row in rows]
            spread = f" ± {(max(values) - min(values)) / 2:{form}}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):{form}}{spread}" if values else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train and measure what is missing; or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/crops"))
    parser.add_argument("--smoke", action="store_true", help="two steps each, into --runs: does it run at all?")
    parser.add_argument("--render", action="store_true", help="write the table of docs/studies/random_crops.md")
    options = parser.parse_args()
    results = Results(options.runs / "smoke.jsonl" if options.smoke else RESULTS)
    if options.render:
        fill(PAGE, {"crops": table(results)})
        return
    data = paths.data_folder("training images and weights")
    settings: list[str] = [*SHORT]
    if options.smoke:
        settings += ["steps=2", "validation.every=2"]
    try:
        link_images(data / "sr_train", options.runs / "images")
        if not results.rows(name=START_MODEL):
            distance = lpips_like(data / "weights" / paths.NETWORKS["lpips"])
            found = figures_of_x4(START_MODEL, validation_images(options.runs / "images"), distance)
            results.add({"name": START_MODEL, "measured": found})
        for seed in SEEDS:
            for name in RUNS:
                if not results.rows(name=name, seed=seed):
                    results.add(train_one(name, seed, data, options.runs, settings))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
