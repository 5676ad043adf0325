"""Model cards: the tables of super-resolvers, what they are for, and how the stages of a run trained them."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open

from scripts.lib.pages import wrapped
from scripts.lib.runs import training_hours
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.training.loop import MODEL, is_finished
from srgan_kit.training.telemetry import LOG

COMPARING = {
    "perceptual": "VGG19 trained on ImageNet, activations normalised (deep-transfer, Apache-2.0)",
    "lpips": "SqueezeNet 1.1 trained on ImageNet (ONNX model zoo, Apache-2.0), heads of lpips 0.1 (BSD-2-Clause)",
}
"""Networks that the generator's terms compare with, and the terms under which they are to be had."""
LICENCE = "Apache-2.0"
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
"""By a part of the name: what the model is for."""


def upscaler_card(name: str, settings: SRSettings, about: Mapping[str, str], terms: str, fails: str) -> str:
    """A super-resolver's card in Markdown; `scripts/pretrained/measure.py` adds what is measured.

    Args:
        name: of the model, which says what it is for.
        settings: of the exported network.
        about: further rows of the table: training, training data, networks that it learnt from.
        terms: under which the weights are.
        fails: where it fails.
    """
    parameters = sum(each.numel() for each in settings.build().parameters())
    rows = {
        "architecture": f"`{settings.name}` {json.dumps(settings.model_dump(exclude={'name'}))}",
        "parameters": f"{parameters:,}",
        "input and output": "RGB in [0, 1], any size",
        **about,
        "licence": f"{LICENCE}, see below",
    }
    table = "\n".join(f"| {title} | {text} |" for title, text in rows.items() if text)
    return f"""\
# {name}

Upscales photographs {settings.scale} times along each side. {PURPOSE[purpose_of(name)]}

| | |
|---|---|
{table}

## Terms

{terms}

## Where it fails

{wrapped(fails)}
"""


def purpose_of(name: str) -> str:
    """The part of a model's name that says what it is for; "" where there is none."""
    return next((part for part in name.split("-") if part in PURPOSE), "")


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


def stage_line(folder: Path) -> str:
    """What a stage did, in a line of the card."""
    with safe_open(folder / MODEL, framework="pt") as file:
        metadata = file.metadata()
    recipe, steps = Recipe.model_validate_json(metadata["recipe"]), int(metadata["steps"])
    weights = {term: f"{weight:g}" for term, weight in recipe.generator_weights.items() if weight}
    weights |= {term: f"{share:.0%} of the gradient:" for term, share in recipe.shares.items()}
    terms = " + ".join(f"{weight} {term}" for term, weight in weights.items())
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
