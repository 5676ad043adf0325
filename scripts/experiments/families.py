"""VAE, PixelCNN and GAN on binary MNIST, and the survey's first point: what each gives up for what it can do.

    SRGAN_KIT_DATA=... python -m scripts.experiments.families

VAE and PixelCNN are the runs of `scripts.experiments.vae` and `scripts.experiments.pixelrnn`, trained by those; the GAN
is a small DCGAN, trained here. All are judged on the same test images, binarised once.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scripts.lib.experiment import Experiment, Figure, open_experiment
from scripts.lib.likelihood import measured
from scripts.lib.mnist_classifier import FULL, MNIST, QUICK, Effort, mnist_classifier
from srgan_kit.data.image_dataset import DatasetSettings, load_dataset
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import grid, save_image
from srgan_kit.metrics.frechet import frechet_distance_of
from srgan_kit.metrics.likelihood import SAMPLES
from srgan_kit.metrics.samples import pairwise_diversity, ratio_to_real, sharpness
from srgan_kit.models.generative import load_saved
from srgan_kit.training.loop import MODEL, is_finished

TIMED = 64
"""Images in the batch whose time is taken."""
ROWS, COLUMNS = 2, 20
"""Of the samples of each family in the image."""
MEASURES = {
    "sharpness": ("sharpness, part of test images'", "higher"),
    "diversity": ("diversity, part of test images'", "higher"),
    "frechet": ("Fréchet distance of a classifier's features", "lower"),
    "sure": ("share of samples that are one digit, p ≥ 0.9", "higher"),
}
DCGAN = (
    *("data.size=28", "data.channels=1", "data.augment=none", "data.binarise=random", "log_every=500"),
    *("generator.channels=32", "critic.channels=32", "validation.every=5000"),
)
TINY = ("steps=2", "data.batch=2", "validation.every=2")
DENSE = ("generator.hidden=4", "encoder.hidden=4", "latent.noise=2")


@dataclass(frozen=True)
class Family:
    """One kind of model and its run."""

    title: str
    recipe: str
    tiny: tuple[str, ...]
    """Settings of a run that only shows that it works."""
    of: str | None = None
    """The experiment that trains it; None for this one."""
    settings: tuple[str, ...] = ()


FAMILIES = (
    Family("GAN", "dcgan", ("generator.channels=2", "critic.channels=2"), None, DCGAN),
    Family("VAE", "vae", DENSE, "vae"),
    Family("PixelCNN", "pixelcnn", ("generator.channels=2", "generator.layers=1"), "pixelrnn"),
)
Values = dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    """Train the GAN, measure all three, write."""
    experiment = open_experiment(
        "families",
        "Three families on the same images",
        "The survey's first point; it gives no figures",
        __doc__,
        argv,
    )
    folders = {family.title: _folder(experiment, family) for family in FAMILIES}
    missing = [family for family in FAMILIES if folders[family.title] is None]
    if missing:
        sys.exit(
            "; ".join(f"{one.title}: first python -m scripts.experiments.{one.of or 'families'}" for one in missing)
        )
    count, tests, effort = (20, 8, QUICK) if experiment.smoke else (2000, None, FULL)
    data = load_dataset(
        experiment.data / MNIST, DatasetSettings(size=28, channels=1, seed=0, holdout=0, binarise="fixed")
    )
    real = _mixed(data.held_out.images)
    train = torch.stack([data.train[index][0] for index in range(count)]).float() / 255
    judge = Judge(real, effort)
    found: dict[str, Values] = {"training images": judge.values(train)}
    shown: list[Tensor] = []
    for title, folder in folders.items():
        assert folder is not None
        images, seconds = drawn(load_saved(folder).model, count)
        nats = measured(folder / MODEL, experiment.data / MNIST, tests, 5 if experiment.smoke else SAMPLES)
        found[title] = judge.values(images) | {"milliseconds": 1000 * seconds}
        found[title] |= {name: value.value for name, value in nats.items() if name in ("elbo", "iwae", "nll")}
        shown.append(images[: ROWS * COLUMNS])
        if title == "VAE":
            binary = torch.bernoulli(images, generator=torch.Generator().manual_seed(0))
            found["VAE, pixels drawn"] = judge.values(binary)
    experiment.figures = figures(found)
    experiment.settings = {"samples": count, "test images": tests or len(real), "seed": 0}
    experiment.notes = ["The hours are those of all three runs.", *statements(found)]
    experiment.images.mkdir(parents=True, exist_ok=True)
    rows = [*shown, real[: len(shown[0])]]
    save_image(grid(torch.cat(rows), COLUMNS, gap=1, smallest_side=1), experiment.images / "families.png")
    print(experiment.write(values=found))


def _folder(experiment: Experiment, family: Family) -> Path | None:
    """The run of a family: another experiment's, if it is finished, or one that is trained now."""
    if family.of is not None and not experiment.smoke:
        folder = experiment.work.parent / family.of / family.recipe
        if not is_finished(folder):
            return None
        experiment.add_run(family.recipe, folder, ())
        return folder
    settings = [*family.settings, *((*TINY, *family.tiny) if experiment.smoke else ())]
    return experiment.trained(family.recipe, family.recipe, experiment.data / MNIST, settings)


def _mixed(images: Tensor) -> Tensor:
    """Test images, which are sorted by class, in another order; floats."""
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))].float() / 255


class Judge:
    """Compares samples with test images, (N, 1, 28, 28) of 0 and 1, by pixels and by a classifier's features."""

    def __init__(self, real: Tensor, effort: Effort) -> None:
        self.network, self.real = mnist_classifier(effort), real
        self.law = self._features(real)

    def values(self, images: Tensor) -> Values:
        """The MEASURES by name."""
        features, few = self._features(images), slice(0, 500)
        sure = self.network.classes(features).softmax(1).amax(1) >= 0.9
        return {
            "sharpness": ratio_to_real(sharpness, images[few], self.real[few]),
            "diversity": ratio_to_real(pairwise_diversity, images[few], self.real[few]),
            "frechet": frechet_distance_of(features, self.law),
            "sure": sure.double().mean().item(),
        }

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        return torch.cat([self.network.features(part) for part in images.split(500)])


@torch.no_grad()
def drawn(model: Model, count: int) -> tuple[Tensor, float]:
    """Images, and the core seconds for each in a batch of TIMED: a VAE's are the means of its pixels."""
    random = torch.Generator().manual_seed(0)

    def batch(size: int) -> Tensor:
        noise, codes = model.draw(size, torch.device("cpu"), random)
        return model.generate(model.vector(noise, codes), count=size, generator=random).clamp(0, 1)

    if not model.autoregressive:
        batch(TIMED)  # the first is slower
    start = time.process_time()
    images = [batch(TIMED)]
    seconds = (time.process_time() - start) / TIMED
    images += [batch(min(TIMED, count - done)) for done in range(TIMED, count, TIMED)]
    return torch.cat(images)[:count], seconds


def figures(found: dict[str, Values]) -> list[Figure]:
    """A row for each value; there is no paper's, so none has a goal."""
    nats = {"nll": "-ln p, nats, exact", "iwae": "-ln p, nats, estimate", "elbo": "-ELBO, nats, a bound"}
    titles = {key: (title, "lower") for key, title in nats.items()} | {"milliseconds": ("core ms per image", "lower")}
    return [
        Figure(title, name, values[key], better=better)  # pyright: ignore[reportArgumentType]
        for key, (title, better) in (titles | MEASURES).items()
        for name, values in found.items()
        if key in values
    ]


def statements(found: dict[str, Values]) -> list[str]:
    """The survey's point in parts, each with what was found."""
    gan, vae, pixel = (found[name] for name in ("GAN", "VAE", "PixelCNN"))
    slower = pixel["milliseconds"] / gan["milliseconds"]
    said = [
        ("A GAN's samples are sharper than a VAE's means", gan["sharpness"] > vae["sharpness"], ""),
        ("PixelCNN states a likelihood above the VAE's", pixel["nll"] < vae["iwae"], ""),
        ("PixelCNN draws more slowly than a GAN", slower > 1, f", {slower:.0f} times" if slower > 1 else ""),
        (
            "A GAN's samples are nearer to the data than those of both likelihood models",
            gan["frechet"] < min(vae["frechet"], found["VAE, pixels drawn"]["frechet"], pixel["frechet"]),
            "",
        ),
    ]
    return [f"{claim}: {'confirmed' if holds else 'refuted'}{more}." for claim, holds, more in said]


if __name__ == "__main__":
    main()
