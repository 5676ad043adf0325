"""Turn a finished run into an embedded model: measure it, write pretrained/NAME.safetensors and its model card.

    SRGAN_KIT_DATA=... python scripts/release_model.py runs/fidelity-x4 x4-fidelity

The test sets are measured here and nowhere else: no choice of the recipe or of a checkpoint depends on them.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import cast

from srgan_kit.config import Recipe
from srgan_kit.errors import UserError
from srgan_kit.metrics.evaluation import bicubic_upscaler, evaluate_pairs, pair_images
from srgan_kit.network_config import SRConfig
from srgan_kit.training.telemetry import LOG
from srgan_kit.upscaling.engine import Upscaler
from srgan_kit.upscaling.models import load_model, save_model

PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"
LICENCE = "Apache-2.0"
TRAINING_DATA = "BSDS500 train+test (400, non-commercial research), CC0 photographs (582 crops)"
TERMS = """\
The weights are under Apache-2.0, as the code is. Of the training images, the 582 crops of 384x384 are from
public-domain (CC0) photographs (budgie-backgrounds and the public-domain part of pop-os/wallpapers); the other 400 are
the `train` and `test` images of BSDS500, which the Berkeley Segmentation Data Set offers for non-commercial research.
Whether weights inherit terms from the images they were trained on is unsettled; who needs certainty for commercial use
should train again on images of their own with the same recipe."""


def measure(run: Path, data: Path) -> dict[str, dict[str, float]]:
    """Set -> PSNR and SSIM of the run's model and of bicubic, from the sets' own low-resolution files."""
    model = load_model(run / "model.safetensors")
    upscale = Upscaler(model, "cpu", "fp32").upscale
    measured: dict[str, dict[str, float]] = {}
    for name in ("Set5", "B100"):
        folder = data / "sr_test" / name
        pairs = pair_images(folder / "HR", folder / "LR_bicubic" / f"X{model.scale}", model.scale)
        scores = list(evaluate_pairs(pairs, upscale, model.scale))
        yardstick = list(evaluate_pairs(pairs, bicubic_upscaler(model.scale), model.scale))
        measured[name] = {
            "psnr_y": round(statistics.fmean(score.psnr_y for score in scores), 4),
            "ssim_y": round(statistics.fmean(score.ssim_y for score in scores), 5),
            "bicubic_psnr_y": round(statistics.fmean(score.psnr_y for score in yardstick), 4),
            "bicubic_ssim_y": round(statistics.fmean(score.ssim_y for score in yardstick), 5),
        }
    return measured


def training_hours(run: Path) -> float:
    """Time the run's steps took, from its log, without validation and pauses."""
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    logged = [line for line in lines if "steps_per_second" in line]
    steps = [after["step"] - before for before, after in zip([0, *(x["step"] for x in logged)], logged, strict=False)]
    return sum(count / line["steps_per_second"] for count, line in zip(steps, logged, strict=True)) / 3600


def card(name: str, recipe: Recipe, steps: int, measured: dict[str, dict[str, float]], run: Path) -> str:
    """The model card, in Markdown."""
    model = load_model(run / "model.safetensors")
    rows = "\n".join(
        f"| {test_set} | {m['psnr_y']:.2f} / {m['ssim_y']:.4f} "
        f"| {m['bicubic_psnr_y']:.2f} / {m['bicubic_ssim_y']:.4f} |"
        for test_set, m in measured.items()
    )
    crops = steps * recipe.data.batch
    return f"""\
# {name}

Enlarges photographs {model.scale} times along each side. It restores what bicubic reduction took away and adds no
invented texture: the choice where fidelity counts. On images that were compressed, blurred or noisy it enlarges those
flaws too.

| | |
|---|---|
| architecture | `{recipe.generator.name}` {json.dumps(recipe.generator.model_dump(exclude={"name"}))} |
| parameters | {model.parameters:,} |
| input and output | RGB in [0, 1], any size |
| recipe | `srgan-kit train {recipe.name}`: {steps:,} steps, {crops:,} crops of \
{recipe.data.patch}x{recipe.data.patch}, {training_hours(run):.1f} hours of steps on two CPU cores |
| training data | {TRAINING_DATA} |
| held-out validation | {run_validation(run):.2f} dB on {recipe.validation.holdout} of the training images, kept out |
| licence | {LICENCE}, see below |

| test set, x{model.scale} | PSNR / SSIM on Y | bicubic |
|---|---|---|
{rows}

Measured by `scripts/release_model.py` with the protocol of `docs/evaluation.md` from the sets' low-resolution files, in
fp32; no test image was used for training or for any choice. Speed: `docs/bench_upscale.json`, by
`scripts/bench_upscale.py`.

## Terms

{TERMS}

## Where it fails

Text whose letters are two or three pixels high becomes crisp strokes that are no letters, and fine grain (paper, film,
skin) comes out smooth: seen on scikit-image's `page` and `text`, reduced by 4.
"""


def run_validation(run: Path) -> float:
    """The last validation in the run's log, dB."""
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    return next(line["validation/psnr_y"] for line in reversed(lines) if "validation/psnr_y" in line)


def main() -> None:
    """Measure, write the weights, write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a finished training")
    parser.add_argument("name", help="name of the embedded model")
    options = parser.parse_args()
    data = os.environ.get("SRGAN_KIT_DATA")
    if not data:
        sys.exit("error: SRGAN_KIT_DATA is not set: it names the folder of test images")
    try:
        model = load_model(options.run / "model.safetensors")
        recipe = Recipe.model_validate_json(model.metadata["recipe"])
        steps = int(model.metadata["steps"])
        measured = measure(options.run, Path(data))
    except UserError as error:
        sys.exit(f"error: {error}")
    metadata = {
        "recipe": recipe.without_paths().model_dump_json(),
        "steps": str(steps),
        "licence": LICENCE,
        "training_data": TRAINING_DATA,
        "measured": json.dumps(measured),
    }
    save_model(model.network, cast(SRConfig, recipe.generator), PRETRAINED / f"{options.name}.safetensors", metadata)
    (PRETRAINED / f"{options.name}.md").write_text(card(options.name, recipe, steps, measured, options.run))
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
