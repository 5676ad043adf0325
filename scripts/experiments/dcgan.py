"""DCGAN on photographs of flowers: samples, their neighbours, and what the critic learned (docs/systems/dcgan.md).

    SRGAN_KIT_DATA=... python -m scripts.experiments.dcgan [--minutes M]

The critic's features are judged as in the paper, sec. 5.1: each of its maps max-pooled to 4x4, all of them flattened,
and a regularised linear classifier on top, which alone sees labels. Beside it the same classifier on pixels and on the
features of a critic that was never trained. On MNIST there are 1000 labels.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.generative_measures import COMPARED, photographs
from scripts.lib.linear_classifier import DECAYS, Labelled, linear_error
from scripts.lib.runs import exported, held_out, restored, training_batch
from scripts.lib.shipped import DCGAN_FLOWERS
from srgan_kit.contracts import Batch
from srgan_kit.generators.sampling import draw, interpolation, make_images
from srgan_kit.images.grid import grid, save_image
from srgan_kit.metrics.samples import nearest_training_distance
from srgan_kit.models.build import build_critic
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks.unconditional import fixed_images
from srgan_kit.training.run import Run

SOURCE = "Radford et al. 2015, arXiv:1511.06434, sec. 5 and 6"
MNIST = ("data.size=28", "data.channels=1", "data.augment=none", "generator.channels=32", "critic.channels=32")
MNIST += ("steps=5000", "validation.every=1000")
SMOKE = ("steps=2", "data.batch=8", "validation.every=2", "generator.channels=4", "critic.channels=4", "precision=fp32")
FILES = {"mnist": ("gan/mnist.npz", MNIST), "flowers": ("gan/flowers64.npz", DCGAN_FLOWERS)}
"""By run: its images, and what differs from the recipe."""
SIDE = 4
"""Maps are max-pooled to so many positions a side."""
SPLITS = 3
"""Random splits into images that the classifier learns from, that choose its penalty, and that it is tested on."""
TESTED, CHOSEN, LABELS = 1000, 500, 1000
"""Flowers tested; images that choose the penalty; labels on MNIST, whose test set is 10,000 images of its own."""
COLUMNS = 8

Features = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) -> (N, D)."""


def main(argv: Sequence[str] | None = None) -> None:
    experiment = open_experiment("dcgan", "DCGAN on photographs of flowers", SOURCE, __doc__, argv)
    settings = {name: [*own, *(SMOKE if experiment.smoke else ())] for name, (_, own) in FILES.items()}
    images = {name: experiment.data / file for name, (file, _) in FILES.items()}

    @torch.no_grad()
    def measure(folder: Path) -> Values:
        name = folder.name
        run = restored(load_recipe("dcgan", settings[name], images[name]), folder)
        torch.manual_seed(0)
        errors = representations(run, experiment.smoke)
        found: Values = {"errors": {given: [fmean(each), deviation(each)] for given, each in errors.items()}}
        if name == "flowers":
            found["samples"] = photographs(run, 100 if experiment.smoke else COMPARED)
            experiment.images.mkdir(parents=True, exist_ok=True)
            save_image(picture(run), experiment.images / "dcgan.png")
        return found

    for name in FILES:
        values = experiment.measured(name, "dcgan", images[name], settings[name], measure)
        if values is not None:
            experiment.settings[name] = f"{' '.join(settings[name])}, seed 0"
            state(experiment, name, values["errors"])
            state_samples(experiment, values.get("samples", {}))
    if not experiment.figures:
        sys.exit("no run is finished yet; call it again")
    experiment.notes = NOTES
    experiment.write()


# --- what the critic learned ----------------------------------------------------------------------------------------


def critic_features(critic: nn.Module) -> Features:
    """Every map of the critic, max-pooled to 4x4, flattened and joined: sec. 5.1."""

    def pooled(images: Tensor) -> Tensor:
        maps = critic(images).features
        return torch.cat([F.adaptive_max_pool2d(each, min(SIDE, each.shape[-1])).flatten(1) for each in maps], dim=1)

    return lambda images: torch.cat([pooled(part) for part in images.split(250)])


def untrained_critic(run: Run, images: Tensor) -> nn.Module:
    """A critic with new random weights whose batch norm knows the statistics of 2000 of these images."""
    torch.manual_seed(1)
    critic = build_critic(run.recipe, None)
    assert critic is not None
    layers = [layer for layer in critic.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = None  # the mean of all batches, instead of one that moves
    critic.train()
    some = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:2000]  # they lie class by class
    for part in some.split(250):
        critic(images[part])
    return critic.eval().requires_grad_(False)


def representations(run: Run, smoke: bool) -> dict[str, list[float]]:
    """Errors in percent of the linear classifier in each split, by what it is given."""
    assert run.critic is not None
    images, labels, parts = splits(run, smoke)
    of: dict[str, Features] = {
        "critic features": critic_features(run.critic.network),
        "features of an untrained critic": critic_features(untrained_critic(run, images)),
        "pixels": lambda images: images.flatten(1),
    }
    decays = DECAYS[:1] if smoke else DECAYS
    found: dict[str, list[float]] = {}
    for name, features in of.items():
        given = Labelled(features(images), labels)
        found[name] = [100 * linear_error(*(given.part(rows) for rows in part), decays=decays) for part in parts]
    return found


def splits(run: Run, smoke: bool) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Images, labels, and for each split the rows to learn from, to choose the penalty by and to test on.

    MNIST is tested on its test set. The photographs have none of 1000: all are mixed, those that the GAN has seen,
    without their labels, and those held out.
    """
    train, test = training_batch(run), held_out(run)
    count, generator = len(train.image), torch.Generator().manual_seed(0)
    tested, chosen, labels = (60, 40, 60) if smoke else (TESTED, CHOSEN, LABELS)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    separate = len(test.image) >= TESTED
    for _ in range(1 if smoke else SPLITS):
        order = torch.randperm(count if separate else count + len(test.image), generator=generator)
        rows = torch.arange(count, count + len(test.image))[:: 100 if smoke else 1] if separate else order[:tested]
        rest = order if separate else order[tested:]
        learned = rest[chosen : chosen + labels] if separate or smoke else rest[chosen:]
        parts.append((learned, rest[:chosen], rows))
    images, label = joined(train, test)
    used = torch.cat([torch.cat(part) for part in parts]).unique()  # of MNIST's 60,000 images few are needed
    place = torch.full((len(images),), -1).index_copy(0, used, torch.arange(len(used)))
    return images[used], label[used], [tuple(place[rows] for rows in part) for part in parts]  # pyright: ignore


def joined(train: Batch, test: Batch) -> tuple[Tensor, Tensor]:
    """The images and the labels of both."""
    assert train.label is not None
    assert test.label is not None
    return torch.cat([train.image, test.image]), torch.cat([train.label, test.label])


# --- panels ---------------------------------------------------------------------------------------------------------


def picture(run: Run) -> Tensor:
    """Samples; eight of them over their neighbours among the training images; three interpolations."""
    made = fixed_images(exported(run), 5 * COLUMNS, torch.device("cpu")).clamp(0, 1)
    rows = [made, neighbours(run, made[:COLUMNS]), interpolated(run, 3)]
    return stacked([grid(each, COLUMNS) for each in rows])


def neighbours(run: Run, made: Tensor) -> Tensor:
    """Samples, the nearest training images by pixels, flipped ones included, and by the critic's features."""
    assert run.critic is not None
    real = training_batch(run).image
    real = torch.cat([real, real.flip(3)])
    features = critic_features(run.critic.network)
    of_real = features(real)
    mean, deviation = of_real.mean(0), of_real.std(0).clamp(min=1e-8)
    far = ((features(made) - mean) / deviation, (of_real - mean) / deviation)
    by_pixels = nearest_training_distance(made, real)[1]
    by_features = nearest_training_distance(*(each[..., None, None] for each in far), chunk=1000)[1]
    return torch.cat([made, real[by_pixels], real[by_features]])


def interpolated(run: Run, rows: int) -> Tensor:
    """From one sample to another, along a row."""
    return make_images(exported(run), interpolation(draw(exported(run), 2 * rows, seed=1), COLUMNS)).clamp(0, 1)


def stacked(panels: Sequence[Tensor], gap: int = 8) -> Tensor:
    """Panels (C, h, w) of one width below each other on white."""
    space = torch.ones(panels[0].shape[0], gap, panels[0].shape[2])
    return torch.cat([part for panel in panels for part in (panel, space)][:-1], dim=1)


# --- figures --------------------------------------------------------------------------------------------------------

NOTES = [
    "The paper's figures are of other data and other labels: a critic trained on ImageNet gave a linear classifier"
    " 82.8 % accuracy on CIFAR-10 and 22.48 % error on SVHN with 1000 labels (tables 1 and 2). What is asked here is"
    " whether the critic's features are better than pixels.",
    "The flowers are 5 classes; the GAN saw most of the images that the classifier is tested on, but no label.",
    "Feature distance is the Fréchet distance on the means of SqueezeNet's fire9, not the published FID; nearest is the"
    " distance of samples to their nearest training image over that of held-out images, of which much less than 1 would"
    " be copying.",
]
WHERE = {
    "flowers": f"5 flowers, {TESTED:,} tested, {SPLITS} splits",
    "mnist": f"MNIST, {LABELS:,} labels, {SPLITS} draws of them",
}


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation; None of a single value."""
    return stdev(values) if len(values) > 1 else None


def state(experiment: Experiment, name: str, found: Values) -> None:
    """The classifiers' errors, [mean, deviation]; the critic's features should be better than pixels."""
    for given, (mean, spread) in found.items():
        measure, setting = "error of a linear classifier, %", f"{given}; {WHERE[name]}"
        aim = found["pixels"][0] if given == "critic features" else None
        experiment.figures.append(Figure(measure, setting, mean, spread, goal=aim))


def state_samples(experiment: Experiment, found: Values) -> None:
    """How diverse, sharp and near to the real images samples are."""
    for measure, value in found.items():
        setting = "training images" if measure == "of real images" else "samples"
        name = "feature distance of two halves" if measure == "of real images" else measure
        experiment.figures.append(Figure(name, setting, value))


if __name__ == "__main__":
    main()
