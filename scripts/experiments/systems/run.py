"""A short run of every adversarial system on a CPU: the measured results and images of its page in docs/.

    SRGAN_KIT_DATA=... python -m scripts.experiments.systems.run                  # all, about 40 minutes on one core
    SRGAN_KIT_DATA=... python -m scripts.experiments.systems.run infogan catgan   # some of them
    python -m scripts.experiments.systems.run --render                  # docs/results/systems.json, images, pages

A run that was stopped goes on where it was; one that is finished is only measured again. The networks are narrower and
the runs far shorter than the recipes': they show that a system works, not what it can reach.
"""

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from scripts.experiments.systems.measures import catgan, classifier
from scripts.experiments.systems.page import collect, render
from scripts.lib import paths
from scripts.lib.generative_measures import infogan, samples, traversal
from scripts.lib.runs import restored, training_hours
from srgan_kit.images.grid import save_image
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import is_finished, train
from srgan_kit.training.run import Run

MNIST, FLOWERS = "gan/mnist.npz", "gan/flowers64.npz"

Measure = Callable[[Run], dict[str, float]]


@dataclass(frozen=True)
class Short:
    """One run."""

    recipe: str
    data: str
    settings: tuple[str, ...]
    """What differs from the recipe."""
    measure: Measure
    files: tuple[str, ...] = ()
    """Settings whose value is a file below the data folder."""

    def command(self, data: str) -> list[str]:
        """What the same run is on the command line."""
        settings = [*self.settings, *(f"{key}={data}/{file}" for key, file in (each.split("=") for each in self.files))]
        return ["srgan-kit", "train", self.recipe, "--data", f"{data}/{self.data}"] + [
            part for setting in settings for part in ("--set", setting)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"by default all: {', '.join(RUNS)}")
    parser.add_argument("--runs", type=Path, default=Path("runs/systems"), help="where the runs lie")
    parser.add_argument("--render", action="store_true", help="write docs/ from the finished runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - RUNS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name in arguments.names or RUNS:
        if arguments.render:
            collect(name, arguments.runs / name, RUNS)
        else:
            one(name, paths.data_folder("images and weights"), arguments.runs / name)
    if arguments.render:
        render()


def one(name: str, data: Path, folder: Path) -> None:
    """Train it, or go on; then measure it."""
    short = RUNS[name]
    _, _, recipe_name, _, images, *settings = short.command(str(data))
    recipe = load_recipe(recipe_name, [each for each in settings if each != "--set"], Path(images))
    if not is_finished(folder):
        train(recipe, folder, resume=has_checkpoint(folder))
    run = restored(recipe, folder)
    torch.manual_seed(0)
    with torch.no_grad():
        measured = short.measure(run)
    result = {
        "command": " ".join(short.command("DATA")),
        "steps": run.step,
        "minutes": round(60 * training_hours(folder), 1),
        "generator_parameters": sum(p.numel() for p in run.model.parameters()),
        "critic_parameters": sum(p.numel() for p in run.critic.network.parameters()) if run.critic else 0,
        "measured": {key: float(f"{value:.4g}") for key, value in measured.items()},
    }
    if short.measure is infogan:
        save_image(traversal(run), folder / "picture.png")
    else:
        shutil.copy(sorted((folder / "sheets").iterdir())[-1], folder / "picture.png")
    (folder / "measured.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(name, result["measured"])


NARROW = ("generator.channels=32", "critic.channels=32")
RUNS = {
    "dcgan": Short("dcgan", FLOWERS, (*NARROW, "data.batch=32", "steps=1000"), samples),
    "infogan": Short("infogan", MNIST, (*NARROW, "steps=1500"), infogan),
    "infogan-q": Short("infogan", MNIST, (*NARROW, "variant.information_trains=q", "steps=1500"), infogan),
    "catgan": Short("catgan", MNIST, ("steps=4000",), catgan),
    "improved-gan": Short("improved-gan", MNIST, ("steps=3000",), classifier),
    "labels-only": Short("improved-gan", MNIST, ("critic_weights.unlabelled=0", "steps=1000"), classifier),
}
"""Every page's run."""


if __name__ == "__main__":
    main()
