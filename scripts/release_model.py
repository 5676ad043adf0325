"""Turn a finished run into a pretrained model: measure it, write pretrained/NAME.safetensors and its model card.

    SRGAN_KIT_DATA=... python scripts/release_model.py runs/x2-fidelity x2-fidelity --fails "What you saw."

The run is a run folder, or a folder of them as `scripts/train_pretrained.py` makes: then the last stage is released,
and the card lists all. The test sets are measured here and nowhere else: no choice of the recipe or of a checkpoint
depends on them.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from safetensors import safe_open

from srgan_kit.errors import UserError
from srgan_kit.metrics.folder import bicubic_upscaler, evaluate_pairs, pair_images
from srgan_kit.models.pretrained import pretrained_upscalers
from srgan_kit.models.super_resolution import generator_config, load_model, save_model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.training.loop import MODEL, is_finished
from srgan_kit.training.telemetry import LOG
from srgan_kit.upscaling.upscaler import Upscaler

PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"
LICENCE = "Apache-2.0"
TRAINING_DATA = "BSDS500 train+test (400, non-commercial research), CC0 photographs (582 crops)"
TERMS = """\
The weights are under Apache-2.0, as the code is. Of the training images, the 582 crops of 384x384 are from
public-domain (CC0) photographs (budgie-backgrounds and the public-domain part of pop-os/wallpapers); the other 400 are
the `train` and `test` images of BSDS500, which the Berkeley Segmentation Data Set offers for non-commercial research.
Whether weights inherit terms from the images they were trained on is unsettled; who needs certainty for commercial use
should train again on images of their own with the same recipe."""


TAUGHT = """\
The weights were also taught by another model's results (the row "taught by" above, with its terms and its training
data). For those the same holds; `--set weights.distillation=0` trains without it."""


COMPARING = {
    "perceptual": "VGG19 trained on ImageNet, activations normalised (deep-transfer, Apache-2.0)",
    "lpips": "SqueezeNet 1.1 trained on ImageNet (ONNX model zoo, Apache-2.0), heads of lpips 0.1 (BSD-2-Clause)",
}
"""Networks that the generator's terms compare with, and the terms under which they are to be had."""
TEACHERS = {
    MODEL: "an earlier stage",
    "span.safetensors": "SPAN with 28 channels (NTIRE 2024 efficient super-resolution, team 38; MIT, and for all that "
    "is known trained on that challenge's DIV2K and LSDIR, which are for academic research)",
}
"""Models whose results were learnt, by file, likewise."""
PURPOSE = {
    "fidelity": """\
It restores what bicubic reduction took away and adds no
invented texture: the choice where fidelity counts. On images that were compressed, blurred or noisy it upscales those
flaws too.""",
    "perceptual": """\
It draws texture that looks like the original's
and need not be the original's: for images to look at, not to measure in. Flaws of the input are upscaled too.""",
    "photo": """\
It is made for photographs as they are found: it
removes noise, blur and traces of compression while it upscales, and some fine texture with them.""",
}
"""By the last part of the name: what the model is for."""


def stages_of(run: Path) -> list[Path]:
    """The run folders in order: this one, or those in it.

    Raises:
        UserError: there is none, one is not finished, or the last one lacks its log or recipe.
    """
    stages = {path.parent for name in (LOG, MODEL) for path in run.glob(f"*/{name}")}
    folders = [run] if (run / LOG).is_file() else sorted(stages)
    if not folders:
        raise UserError(f"{run}: expected a run folder, or a folder of them; found no {LOG}")
    for folder in folders:
        if not is_finished(folder):
            raise UserError(f"{folder}: is not finished: it has no {MODEL} of its last step")
    for name in ("recipe.json", LOG):
        if not (folders[-1] / name).is_file():
            raise UserError(f"{folders[-1]}: has no {name}, from which the card says how it was trained")
    return folders


def measure(run: Path, data: Path) -> dict[str, dict[str, float]]:
    """Set -> PSNR and SSIM of the run's model and of bicubic, from the sets' own low-resolution files.

    Raises:
        UserError: a set is missing.
    """
    model = load_model(run / MODEL)
    upscale = Upscaler(model, "cpu", "fp32").upscale
    measured: dict[str, dict[str, float]] = {}
    for name in ("Set5", "B100"):
        folder = data / "sr_test" / name
        low = folder / "LR_bicubic" / f"X{model.scale}"
        if not (folder / "HR").is_dir():
            raise UserError(f"{folder / 'HR'}: no such folder; SRGAN_KIT_DATA must name the one that holds sr_test")
        if not low.is_dir():  # there is no B100 for scale 3
            continue
        pairs = pair_images(folder / "HR", low, model.scale)
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


def stage_line(folder: Path) -> str:
    """What a stage did, in a line of the card."""
    with safe_open(folder / MODEL, framework="pt") as file:
        metadata = file.metadata()
    recipe, steps = Recipe.model_validate_json(metadata["recipe"]), int(metadata["steps"])
    terms = " + ".join(f"{weight:g} {term}" for term, weight in recipe.generator_weights.items() if weight)
    start = origin(folder)
    parts = {"all": "", "trunk": "the trunk of "}[recipe.initialise_parts]
    begin = f", from {parts}{start}" if start else ""
    enlarges = recipe.task == "super-resolution"
    side = recipe.data.patch if enlarges else recipe.data.size
    seen = f"{steps * recipe.data.batch:,} {'crops' if enlarges else 'images'} of {side}x{side}"
    system = "" if variant_name(recipe.variant) == "none" else f"system {variant_name(recipe.variant)}, "
    degraded = "" if recipe.data.random_degradation is None else f"degraded {recipe.data.degradation.name}, "
    hours = f", {duration(training_hours(folder))} of steps" if (folder / LOG).is_file() else ""
    return f"{folder.name}: recipe {recipe.name}{begin}; {steps:,} steps, {seen}, {degraded}{system}{terms}{hours}"


def duration(hours: float) -> str:
    """In the largest unit of which there is more than one."""
    for unit, name in ((1, "hours"), (60, "minutes")):
        if hours * unit > 1:
            return f"{hours * unit:.1f} {name}"
    return f"{3600 * hours:.0f} seconds"


def origin(folder: Path) -> str:
    """The model that a stage started from, by name; empty for random weights, and for the stage before it.

    A model that was trained here lies in RUNS/NAME/STAGE, so its own file has no name to tell.
    """
    path = folder / "recipe.json"
    start = json.loads(path.read_text(encoding="utf-8"))["initialise_from"] if path.is_file() else None
    if start is None:
        return ""
    if Path(start).name != MODEL:
        return Path(start).name
    run = Path(start).resolve().parent.parent
    return "" if run == folder.resolve().parent else run.name


def card(name: str, stages: list[Path], measured: dict[str, dict[str, float]], fails: str) -> str:
    """The model card, in Markdown."""
    run = stages[-1]
    model = load_model(run / MODEL)
    settings = generator_config(model.metadata["generator"])
    rows = "\n".join(
        f"| {test_set} | {m['psnr_y']:.2f} / {m['ssim_y']:.4f} "
        f"| {m['bicubic_psnr_y']:.2f} / {m['bicubic_ssim_y']:.4f} |"
        for test_set, m in measured.items()
    )
    trained = "<br>".join(stage_line(stage) for stage in stages)
    taught = taught_by(stages)
    helped = row("compared by", compared_by(stages)) + row("taught by", taught)
    return f"""\
# {name}

Upscales photographs {model.scale} times along each side. {PURPOSE[name.split("-")[-1]]}

| | |
|---|---|
| architecture | `{model.architecture}` {json.dumps(settings.model_dump(exclude={"name"}))} |
| parameters | {model.parameters:,} |
| input and output | RGB in [0, 1], any size |
| training | {trained} |
| training data | {TRAINING_DATA} |{helped}{run_validation(run)}
| licence | {LICENCE}, see below |

| test set, x{model.scale} | PSNR / SSIM on Y | bicubic |
|---|---|---|
{rows}

Measured by `scripts/release_model.py` with the protocol of `docs/evaluation.md` from the sets' low-resolution files, in
fp32; no test image was used for training or for any choice. Speed and other figures: below, under Measured.

## Terms

{terms_of(stages, taught)}

## Where it fails

{fails}
"""


def recipe_of(stage: Path) -> Recipe:
    """What its model's file says it was trained with."""
    return Recipe.model_validate_json(load_model(stage / MODEL).metadata["recipe"])


def compared_by(stages: list[Path]) -> list[str]:
    """The networks that the stages' terms compared with."""
    used = {term for stage in stages for term in COMPARING if recipe_of(stage).generator_weights.get(term)}
    return [COMPARING[term] for term in sorted(used)]


def taught_by(stages: list[Path]) -> list[str]:
    """The models whose results the stages learnt.

    Raises:
        UserError: a teacher whose terms are not known.
    """
    taught: dict[str, None] = {}
    for recipe in map(recipe_of, stages):
        if recipe.generator_weights.get("distillation"):
            taught |= dict.fromkeys(recipe.distillation.teachers)
    if unknown := [name for name in taught if name not in {*TEACHERS, *pretrained_upscalers()}]:
        raise UserError(f"teacher {unknown[0]}: say in TEACHERS of this script what it is, and under which terms")
    return [TEACHERS.get(name, name) for name in taught]


def trained_on(taught: list[str]) -> str:
    """In a line: the training images, and the names of other models that taught."""
    others = [name.split(" (")[0] for name in taught if name != TEACHERS[MODEL]]
    return TRAINING_DATA + "".join(f"; taught by {name}, see the card" for name in others)


def row(name: str, entries: list[str]) -> str:
    """A row of the card's first table; nothing where there is nothing to say."""
    return f"\n| {name} | {'; '.join(entries)} |" if entries else ""


def terms_of(stages: list[Path], taught: list[str]) -> str:
    """Under which terms the weights are, and what they were learnt from."""
    parts = [TERMS, TAUGHT] if set(taught) - {TEACHERS[MODEL]} else [TERMS]
    for start in dict.fromkeys(filter(None, map(origin, stages))):
        parts.append(f"It started from {start}, whose card says what that one learnt from.")
    return "\n\n".join(parts)


def run_validation(run: Path) -> str:
    """The row of the last validation in the run's log; nothing where there was none."""
    validation = json.loads((run / "recipe.json").read_text(encoding="utf-8"))["validation"]
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    found = [line["validation/psnr_y"] for line in lines if "validation/psnr_y" in line]
    if not found:
        return ""
    on = f"{validation['holdout']} of the training images, kept out"
    if validation["folder"]:
        on = "images of a folder of its own"
    return f"\n| held-out validation | {found[-1]:.2f} dB on {on} |"


def main() -> None:
    """Measure, write the weights, write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a finished training, or a folder of its stages")
    parser.add_argument("name", help="name of the pretrained model")
    parser.add_argument("--fails", required=True, help="for the card: where it fails, as you saw it in its images")
    options = parser.parse_args()
    purpose = options.name.split("-")[-1]
    if purpose not in PURPOSE:
        parser.error(f"{options.name!r}: expected a name that ends with one of -{', -'.join(PURPOSE)}")
    data = os.environ.get("SRGAN_KIT_DATA")
    if not data:
        sys.exit("error: SRGAN_KIT_DATA is not set: it names the folder of test images")
    try:
        stages = stages_of(options.run)
        model = load_model(stages[-1] / MODEL)
        recipe = Recipe.model_validate_json(model.metadata["recipe"])
        measured = measure(stages[-1], Path(data))
        text = card(options.name, stages, measured, options.fails)
    except UserError as error:
        sys.exit(f"error: {error}")
    metadata = {
        "recipe": recipe.without_paths().model_dump_json(),
        "steps": model.metadata["steps"],
        "licence": LICENCE,
        "training_data": trained_on(taught_by(stages)),
        "measured": json.dumps(measured),
    }
    settings = generator_config(model.metadata["generator"])  # not the recipe's, which may have branches
    save_model(model.network, settings, PRETRAINED / f"{options.name}.safetensors", metadata)
    (PRETRAINED / f"{options.name}.md").write_text(text, encoding="utf-8")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
