"""`srgan-kit train`: run a recipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str, typer.Argument(help="A shipped recipe's name (fidelity-x4, srgan-x4, smoke) or a .toml file.")
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of training images, searched recursively.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Run folder; by default runs/RECIPE.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key, e.g. data.batch=8.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")] = False,
) -> None:
    """Train a model on a folder of images."""
    from srgan_kit.config import load_recipe

    chosen = load_recipe(recipe, settings, data)
    folder = output or Path("runs") / chosen.name

    from srgan_kit.training import loop

    outcome = loop.train(chosen, folder, resume)
    if not outcome.finished:
        print(f"stopped at step {outcome.step} of {chosen.steps}, saved; go on with --resume", file=sys.stderr)
        raise typer.Exit(130)
    measured = "".join(f", {name} {value:.2f}" for name, value in outcome.measured.items())
    print(f"{outcome.model}: {outcome.step} steps{measured}")
