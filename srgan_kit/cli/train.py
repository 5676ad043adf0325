"""`srgan-kit train`: run a recipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer

SHIPPED = ", ".join(sorted(file.stem for file in (Path(__file__).parents[1] / "recipes").glob("*.toml")))
"""Names of the recipes; `config.recipe_names` has them too, but imports torch."""


def train(
    recipe: Annotated[str, typer.Argument(help=f"A shipped recipe's name ({SHIPPED}), or a .toml file.")],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Folder of training images, searched recursively, inner folders being classes. For super-resolution "
            "also a .zip of one; for the other tasks an .npz of arrays: images or x_train, and labels or y_train.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Run folder; by default runs/RECIPE.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key, e.g. data.batch=8.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")] = False,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="Stop after so many minutes, saved, as Ctrl-C does.")
    ] = None,
) -> None:
    """Train a model on images."""
    from srgan_kit.config import load_recipe

    chosen = load_recipe(recipe, settings, data)
    folder = output or Path("runs") / chosen.name

    from srgan_kit.training import loop

    outcome = loop.train(chosen, folder, resume, minutes)
    if not outcome.finished:
        print(f"stopped at step {outcome.step} of {chosen.steps}, saved; go on with --resume", file=sys.stderr)
        raise typer.Exit(130)
    measured = "".join(f", {name} {value:.2f}" for name, value in outcome.measured.items())
    print(f"{outcome.model}: {outcome.step} steps{measured}")
