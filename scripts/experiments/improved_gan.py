"""Errors of Improved GAN's classifier on MNIST with 20, 50, 100 and 200 labels, beside the paper's (its table 1).

    SRGAN_KIT_DATA=... python -m scripts.experiments.improved_gan

Runs train on the training images without those that they validate on; the test images are looked at once, at the end,
by the critic's averaged weights. Each label set is a seed of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor

from scripts.lib.digits import class_logits, test_set, without_test_set
from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.generative_measures import generated
from scripts.lib.runs import restored
from srgan_kit.images.grid import grid, save_image
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.run import Run

RECIPE = "improved-gan"
PAPER = {20: 1677.0, 50: 221.0, 100: 93.0, 200: 90.0}
"""Mean errors over ten label sets, by labels."""
PAPER_ENSEMBLE = 86.0
"""At 100 labels: an ensemble of ten networks."""
GOAL = 150.0
"""At 100 labels."""
MEASURE = "errors of 10,000"
TINY = ("steps=4", "generator.hidden=16", "critic.hidden=[32,16]", "validation.every=4", "data.batch=20")
TINY_IMAGES = 500


@dataclass(frozen=True)
class Plan:
    """One run."""

    labels: int
    seed: int
    """Of the label set, and of everything else."""
    steps: int
    settings: tuple[str, ...] = ()
    """What else differs from the recipe."""

    def all_settings(self, smoke: bool) -> list[str]:
        """The run's settings."""
        own = [f"labels.count={self.labels}", f"labels.seed={self.seed}", f"seed={self.seed}", f"steps={self.steps}"]
        return [*own, *self.settings, *(TINY if smoke else ())]


SETS = ("100-labels-1", "100-labels-2", "100-labels-3")
PLANS = {
    **{name: Plan(100, seed, 36_000) for seed, name in enumerate(SETS, start=1)},
    **{f"{labels}-labels-1": Plan(labels, 1, 24_000) for labels in (20, 50, 200)},
    "labels-only": Plan(100, 1, 2_000, ("critic_weights.unlabelled=0",)),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, measure what is finished."""
    experiment = open_experiment(
        "improved_gan",
        "Improved GAN: errors on MNIST's test set with few labels",
        "Salimans et al. 2016, arXiv:1606.03498, table 1",
        __doc__,
        argv,
    )
    images = without_test_set(experiment.data, experiment.work, TINY_IMAGES if experiment.smoke else None)
    settings = {name: plan.all_settings(experiment.smoke) for name, plan in PLANS.items()}
    test, truth = test_set(experiment.data)
    logits: dict[str, Tensor] = {}

    def measure(folder: Path) -> Values:
        run = restored(load_recipe(RECIPE, settings[folder.name], images), folder)
        logits[folder.name] = class_logits(run, test)
        return {"errors": wrong(logits[folder.name], truth)}

    found = {name: experiment.measured(name, RECIPE, images, own, measure) for name, own in settings.items()}
    errors = {name: values["errors"] for name, values in found.items() if values is not None}
    if errors:
        experiment.settings = {"runs": {name: " ".join(settings[name]) for name in errors}}
        add_figures(experiment, errors)
        sets = {name: errors[name] for name in SETS if name in errors}
        ensemble = experiment.earlier.get("ensemble")
        if len(sets) > 1 and all(name in logits for name in sets):
            mean = torch.stack([logits[name].softmax(dim=1) for name in sets]).mean(dim=0)
            ensemble = {"runs": sets, "errors": wrong(mean, truth)}
        if ensemble and ensemble["runs"] == sets:  # else it is of runs that were trained again since
            setting = f"100 labels, mean probabilities of the {len(sets)} runs (paper: of 10)"
            experiment.figures.insert(1, Figure(MEASURE, setting, ensemble["errors"], paper=PAPER_ENSEMBLE))
        if shown := experiment.folders(SETS[:1]):
            run = restored(load_recipe(RECIPE, settings[SETS[0]], images), shown[0])
            save_image(picture(run), experiment.images / "improved_gan.png")
        experiment.notes.append(
            "Each run of the ensemble has a label set of its own, so that together they have seen up to 300 labels."
        )
        experiment.write(ensemble=ensemble)


def add_figures(experiment: Experiment, errors: Mapping[str, float]) -> None:
    """The rows of the table, but for the ensemble's."""
    add = experiment.figures.append
    if counts := [errors[name] for name in SETS if name in errors]:
        setting, spread = f"100 labels, mean of {len(counts)} label sets", stdev(counts) if len(counts) > 1 else None
        add(Figure(MEASURE, setting, fmean(counts), spread, paper=PAPER[100], goal=GOAL))
    for labels in (20, 50, 200):
        if (name := f"{labels}-labels-1") in errors:
            add(Figure(MEASURE, f"{labels} labels, one label set (paper: ten)", errors[name], paper=PAPER[labels]))
    if "labels-only" in errors:
        add(Figure(MEASURE, "100 labels, the same critic taught by them alone", errors["labels-only"]))


def wrong(scores: Tensor, truth: Tensor) -> float:
    """How many images' highest score is not their class's: (N, K), (N,)."""
    return float((scores.argmax(dim=1) != truth).sum())


def picture(run: Run) -> Tensor:
    """The labelled images, a class in each row, beside as many samples."""
    examples = run.task.examples
    labels = examples.labels  # pyright: ignore[reportAttributeAccessIssue]
    known = torch.nonzero(labels >= 0)[:, 0]
    known = known[labels[known].argsort(stable=True)]
    given = torch.stack([examples.images[int(number)] for number in known])  # pyright: ignore[reportAttributeAccessIssue]
    made = generated(run, len(known))[0]
    left, right = (grid(each.float(), columns=10) for each in (given / 255, made))
    return torch.cat([left, torch.ones(1, left.shape[1], 16), right], dim=2)


if __name__ == "__main__":
    main()
