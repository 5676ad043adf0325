"""KL and Pearson on the 5x5 grid, where their critics' losses are exponentials of the score: do they stay finite?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from scripts.lib.experiment import Experiment, Figure, Values
from scripts.lib.runs import exported, restored
from scripts.lib.toys.distributions import grid
from scripts.lib.toys.task import ToyTask
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe

TECHNIQUES = (
    "weights.feature_matching=1",
    "techniques.instance_noise=0.1",
    "critic_weights.r1=0.1",
    "techniques.r1_every=2",
)
CASES = {
    "kl, minimax": ("variant.divergence=kl", "variant.generator=minimax"),
    "kl, minimax, with techniques": ("variant.divergence=kl", "variant.generator=minimax", *TECHNIQUES),
    "pearson": ("variant.divergence=pearson",),
    "pearson, with techniques": ("variant.divergence=pearson", *TECHNIQUES),
}
"""Runs by name. The generator's step is the recipe's alternative where it is not said."""
SETTINGS = (
    "precision=fp32",
    "latent.noise=2",
    'generator={name="mlp", hidden=128, layers=4, output="linear", normalisation="none", activation="relu"}',
    "critic.hidden=[128,128,128]",
    "optimizer.learning_rate=1.5e-3",
    "optimizer.final_learning_rate=1e-6",
    "optimizer.betas=[0.5,0.99]",
    "optimizer.clip_gradient=1",
    "critic_optimizer.learning_rate=2e-3",
    "critic_optimizer.final_learning_rate=1e-6",
    "critic_optimizer.betas=[0.5,0.99]",
    "critic_optimizer.clip_gradient=1",
    "data.size=1",
    "data.channels=2",
    "data.batch=256",
    "ema=0.99",
    "validation.every=100000",
    "log_every=500",
    "checkpoint_every=3000",
)
"""Those of docs/studies/toys.md, with gradients of at most length 1."""


def task(recipe: Recipe) -> ToyTask:
    """Points of the grid."""
    return ToyTask(recipe, grid(), torch.device("cpu"))


def on_the_grid(experiment: Experiment, seeds: range, steps: int) -> None:
    """Modes covered and the share of samples of high quality; figures are added to the experiment."""
    for name, own in CASES.items():
        runs = [run for seed in seeds if (run := _one(experiment, name, own, seed, steps)) is not None]
        if runs:
            where = f"5x5 grid, {name}, {len(runs)} seeds"
            finished = sum(run["finished"] for run in runs)
            experiment.figures.append(
                Figure("runs that stay finite", where, finished, goal=float(len(runs)), better="higher")
            )
            for key, label, goal in (("modes", "modes of 25", 24.0), ("high_quality", "high quality", 0.8)):
                values = [run[key] for run in runs]
                mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) if len(runs) > 1 else 0.0
                experiment.figures.append(Figure(label, where, mean, spread, goal=goal, better="higher"))


def _one(experiment: Experiment, name: str, own: Sequence[str], seed: int, steps: int) -> Values | None:
    settings = [*SETTINGS, *own, f"steps={steps}", f"seed={seed}"]
    recipe = load_recipe("f-gan", settings)

    def measure(folder: Path) -> Values:
        run = restored(recipe, folder, task(recipe))
        return {"finished": 1.0} | run.task.validate(exported(run))

    folder = f"grid-{name.replace(', ', '-')}-{seed}"
    found = experiment.measured(folder, "f-gan", None, settings, measure, task)
    return {"finished": 0.0, "modes": 0.0, "high_quality": 0.0} if experiment.diverged(folder) else found
