"""CatGAN on MNIST: digits clustered without labels, and classified with 100 of them, beside the paper's figures.

    SRGAN_KIT_DATA=... python -m scripts.experiments.catgan

Runs train on the training images without 1,000 that they validate on. Each of the 20 clusters has the name of the most
frequent digit among its validation images, and the best of the unsupervised runs is the one with the lowest error
there; the test images are looked at once, at the end.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor

from scripts.lib.digits import class_logits, test_set, without_test_set
from scripts.lib.experiment import Figure, Values, open_experiment
from scripts.lib.generative_measures import generated
from scripts.lib.runs import held_out, restored
from srgan_kit import losses
from srgan_kit.images.grid import grid, save_image
from srgan_kit.metrics.classification import cluster_error
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.run import Run

RECIPE = "catgan"
PAPER, GOAL = 9.70, 12.0
"""Error in percent without labels: the paper's best run, and what was to be reached here."""
PAPER_LABELS, GOAL_LABELS = 1.91, 2.5
"""The same with 100 labels; the paper's is a mean over label sets."""
SEEDS = (1, 2, 3, 4, 5)
LABELS = ("variant.labels=used", "critic.classes=10", "labels.count=100", "labels.batch=100", "seed=1")
TINY = ("steps=4", "generator.hidden=16", "critic.hidden=[32,16]", "validation.every=4", "data.batch=20")
TINY_IMAGES = 1000
RUNS: dict[str, tuple[str, ...]] = {
    **{f"no-labels-{seed}": (f"seed={seed}",) for seed in SEEDS},
    "labels-1": (*LABELS, "steps=12000"),
}
"""What differs from the recipe."""
SHOWN = 10
"""Images of each kind in a row of the picture."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, measure what is finished."""
    experiment = open_experiment(
        "catgan",
        "CatGAN: errors on MNIST's test set",
        "Springenberg 2015, arXiv:1511.06390, table 1",
        __doc__,
        argv,
    )
    images = without_test_set(experiment.data, experiment.work, TINY_IMAGES if experiment.smoke else None)
    settings = {name: [*own_settings, *(TINY if experiment.smoke else ())] for name, own_settings in RUNS.items()}
    test, truth = test_set(experiment.data)

    def measure(folder: Path) -> Values:
        run = restored(load_recipe(RECIPE, settings[folder.name], images), folder)
        return judged(run, test, truth, has_names=folder.name.startswith("labels"))

    found = {name: experiment.measured(name, RECIPE, images, own, measure) for name, own in settings.items()}
    single = {name: values for name, values in found.items() if values is not None}
    if not single:
        return
    experiment.settings = {"runs": {name: " ".join(settings[name]) for name in single}}
    unsupervised = [name for name in single if name.startswith("no-labels")]
    if unsupervised:
        best = min(unsupervised, key=lambda name: single[name]["validation_percent"])
        errors = [single[name]["error_percent"] for name in unsupervised]
        spread = stdev(errors) if len(errors) > 1 else None
        of = f"no labels, 20 clusters, {len(errors)} seeds"
        experiment.figures += [
            Figure("error, %", f"{of}: the best by validation", single[best]["error_percent"], paper=PAPER, goal=GOAL),
            Figure("error, %", f"{of}: mean", fmean(errors), spread=spread),
        ]
        if shown := experiment.folders([best]):
            run = restored(load_recipe(RECIPE, settings[best], images), shown[0])
            save_image(picture(run, test, class_logits(run, test)), experiment.images / "catgan.png")
    if "labels-1" in single:
        error = single["labels-1"]["error_percent"]
        setting = "100 labels, one label set"
        experiment.figures.append(Figure("error, %", setting, error, paper=PAPER_LABELS, goal=GOAL_LABELS))
    experiment.write()


def judged(run: Run, test: Tensor, truth: Tensor, has_names: bool) -> Values:
    """Errors on test images and on held-out ones, and how sure and even the classes are on test images."""
    known, logits = held_out(run), class_logits(run, test)
    assert known.label is not None
    own = class_logits(run, known.image)
    clusters = torch.arange(own.shape[1]) if has_names else names(own, known.label)
    return {
        "error_percent": 100 * float((clusters[logits.argmax(dim=1)] != truth).double().mean()),
        "validation_percent": 100 * cluster_error(own, known.label),
        "entropy": float(losses.entropy_from_logits(logits)),
        "marginal_entropy": float(losses.marginal_entropy(logits)),
    }


def names(logits: Tensor, labels: Tensor) -> Tensor:
    """Each cluster's most frequent label: (N, K), (N,) -> (K,), -1 for a cluster without images."""
    votes = torch.zeros(logits.shape[1], int(labels.max()) + 1)
    votes.index_put_((logits.argmax(dim=1), labels), torch.ones(len(labels)), accumulate=True)
    most, name = votes.max(dim=1)
    return name.where(most > 0, -1)


def picture(run: Run, images: Tensor, logits: Tensor) -> Tensor:
    """A row for each cluster: the images that are surest in it, beside the surest of 2,000 samples."""
    made = generated(run, 2000)[0]
    halves = []
    for some, scores in ((images, logits), (made, class_logits(run, made))):
        surest = scores.softmax(dim=1).topk(min(SHOWN, len(some)), dim=0).indices  # (SHOWN, K)
        halves.append(grid(some[surest.T.reshape(-1)], columns=len(surest)))
    return torch.cat([halves[0], torch.ones(1, halves[0].shape[1], 16), halves[1]], dim=2)


if __name__ == "__main__":
    main()
