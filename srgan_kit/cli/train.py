"""`srgan-kit train`: run a recipe, or go on with a run."""

import math
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.console import say
from srgan_kit.errors import UserError

if TYPE_CHECKING:
    from srgan_kit.recipes.schema import Recipe

SHIPPED = ", ".join(sorted(file.stem for file in (Path(__file__).parents[1] / "recipes").glob("*.toml")))
"""Names of the recipes; `recipes.load.recipe_names` has them too, but imports torch."""


def train(
    recipe: Annotated[
        str | None, typer.Argument(help=f"Name of a recipe ({SHIPPED}) or a .toml file.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Training images: a folder with its subfolders (one per class, if there are classes). Also a "
            ".zip of one, .tar shards, or a table; for tasks but super-resolution an .npz of images, x_train, ...",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Run folder.", show_default="runs/RECIPE")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe setting, e.g. data.batch=8; repeatable."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN_DIR", help="Resume this run with the recipe of its checkpoint (instead of RECIPE)."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Time limit in minutes; steps and schedule are fitted to it."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Take three steps, print the whole recipe, parameters, memory and time; leave nothing."
        ),
    ] = False,
) -> None:
    """Train a model on images."""
    if minutes is not None and not (minutes > 0 and math.isfinite(minutes)):
        raise UserError(f"--minutes {minutes:g}: expected a number above 0")
    if dry_run and resume is not None:
        raise UserError(f"--dry-run: is of a new run; remove --resume {resume}")
    try:
        chosen, folder = _recipe_and_folder(recipe, data, output, settings, resume)
        if dry_run:
            _print_estimate(chosen, folder, minutes)
            return
        from srgan_kit.training import loop
        from srgan_kit.training.telemetry import with_baselines

        replan = any(setting.startswith("steps=") for setting in settings or [])
        outcome = loop.train(chosen, folder, resume is not None, minutes, fit=minutes is not None, replan=replan)
    except UserError as error:
        main = os.environ.get("RANK", "0") == "0"  # torchrun's number of the process: the first one speaks
        if main or error.exit_status != UserError.exit_status:  # mistakes are the same in all processes
            raise
        raise typer.Exit(error.exit_status) from None
    if outcome.model is None:
        return
    print(", ".join([f"{outcome.model}: {outcome.step} steps", *with_baselines(outcome.measured, outcome.start)]))
    if not outcome.finished:
        print(
            f"stopped at step {outcome.step} of {outcome.steps}; go on with --resume {shlex.quote(str(folder))}",
            file=sys.stderr,
        )
    raise typer.Exit(0 if outcome.signal is None else 128 + outcome.signal)


def _print_estimate(recipe: "Recipe", folder: Path, minutes: float | None) -> None:
    """The recipe with all its values, then what a run would take."""
    from srgan_kit.recipes.catalogue import readable_time
    from srgan_kit.recipes.explain import recipe_as_toml
    from srgan_kit.training.estimate import STEPS, estimate
    from srgan_kit.training.telemetry import readable

    found = estimate(recipe, folder, minutes)
    if os.environ.get("RANK", "0") != "0":
        return
    print(recipe_as_toml(recipe.model_dump(mode="json")))
    for remark in found.remarks:
        say(remark, error=True)
    critic = "none" if found.critic is None else f"{found.critic:,}"
    validations = f"{found.validations} validations of {_seconds(found.seconds_per_validation)}"
    fitted = "" if minutes is None else f"; what fits into {minutes:g} minutes"
    rows = [
        ("data", found.data),
        ("parameters", f"generator {found.generator:,}, critic {critic}"),
        ("device", found.device),
        ("memory", f"{found.memory / 2**30:.2f} GiB at most so far, {found.memory_left / 2**30:.1f} GiB are free"),
        ("terms", readable(found.values)),
        ("time", f"{_seconds(found.seconds_per_step)} a step, by {min(STEPS, recipe.steps)} steps"),
        ("whole run", f"{found.steps} steps and {validations}: about {readable_time(found.seconds)}{fitted}"),
    ]
    for name, text in rows:
        say(f"{name:<12}{text}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def _recipe_and_folder(
    recipe: str | None, data: Path | None, output: Path | None, settings: list[str] | None, resume: Path | None
) -> "tuple[Recipe, Path]":
    """What to train, and the run's folder."""
    if resume is None:
        from srgan_kit.recipes.load import load_recipe

        if recipe is None:
            raise UserError(f"train: expected a recipe ({SHIPPED}, or a .toml file), or --resume RUN_DIR")
        chosen = load_recipe(recipe, settings, data)
        return chosen, output or Path("runs") / chosen.name
    for given, name in ((recipe, "the RECIPE"), (output, "-o")):
        if given is not None:
            raise UserError(f"--resume {resume}: goes on by the run's own recipe, in its folder; remove {name} {given}")
    from srgan_kit.training.checkpoint import saved_recipe

    return saved_recipe(resume, settings, data), resume
