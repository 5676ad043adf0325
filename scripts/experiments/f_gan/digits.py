"""Several divergences on MNIST: a Parzen window's likelihood as in the paper, and what a classifier says."""

from pathlib import Path

import torch
from torch import Tensor

from scripts.lib.experiment import Experiment, Figure, Values
from scripts.lib.mnist_classifier import FULL, MNIST, QUICK, mnist_measures, real_measures
from scripts.lib.samples_of_runs import samples_of
from srgan_kit.data.npz import read_arrays
from srgan_kit.metrics.parzen import parzen_log_likelihood, parzen_sigma

PAPER = {
    "kl": 416.0,
    "reverse-kl": 319.0,
    "pearson": 429.0,
    "neyman": 300.0,
    "squared-hellinger": -708.0,
    "jeffrey": -2101.0,
    "jensen-shannon": 367.0,
}
"""Mean log-likelihood of the test images in nats, by divergence; from memory of the paper, not checked again.

The paper's divergence "GAN", 305 there, differs from Jensen-Shannon's by a constant: with one seed both are one run.
"""
SIGMAS = (0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4)
VALIDATION, TESTED = 1000, 2000
"""Test images that choose the window's width, and others that are measured."""


def settings_of(name: str, smoke: bool) -> list[str]:
    """What a run has besides the recipe."""
    small = ["steps=4", "generator.hidden=16", "critic.hidden=[16]", "validation.holdout=16", "log_every=2"]
    full = ["steps=20000", "data.batch=128", "critic.hidden=[240,240]", "validation.every=4000", "log_every=500"]
    clip = ["optimizer.clip_gradient=1", "critic_optimizer.clip_gradient=1", "critic.activation=elu"]
    game = [f"variant.divergence={name}", "variant.parametrisation=paper"]  # else KL, Pearson and Neyman draw nothing
    return [*(small if smoke else full), *clip, "checkpoint_every=1000", *game]


def parzen(samples: Tensor, tests: Tensor) -> Values:
    """Mean log-likelihood of test images in nats, its standard error, and the width that other test images chose."""
    sigma = parzen_sigma(tests[:VALIDATION], samples, SIGMAS)
    values = parzen_log_likelihood(tests[VALIDATION : VALIDATION + TESTED], samples, sigma)
    error = (values.std() / len(values) ** 0.5).item()
    return {"parzen": values.mean().item(), "parzen_error": error, "sigma": sigma}


def digits(experiment: Experiment, count: int) -> list[Path]:
    """Every divergence; figures are added to the experiment. The runs' folders, if all of them lie here."""
    source = experiment.data / MNIST
    tests, training = (_shuffled(part) for part in (read_arrays(source).test, read_arrays(source).train))
    effort = QUICK if experiment.smoke else FULL

    def measure(folder: Path) -> Values:
        samples = samples_of(folder, count)
        return mnist_measures(samples, effort) | parzen(samples, tests)

    found: dict[str, Values] = {"training images": real_measures(effort) | parzen(training[:count], tests)}
    names = list(PAPER)[: 2 if experiment.smoke else None]
    for name in names:
        settings = settings_of(name, experiment.smoke)
        values = experiment.measured(f"mnist-{name}", "f-gan", source, settings, measure)
        if values is not None:
            found[name] = values
    for name, values in found.items():
        where, paper = f"MNIST, {name}", PAPER.get(name)
        label = "Parzen log-likelihood, nats"
        experiment.figures += [
            Figure(label, where, values["parzen"], values["parzen_error"], paper, better="higher", is_aim=False),
            Figure("I'", where, values["i_prime"], better="higher"),
            Figure("Fréchet distance of a classifier's features", where, values["frechet"]),
        ]
    return experiment.folders(f"mnist-{name}" for name in names if name in found)


def _shuffled(part: object) -> Tensor:
    """(N, 1, 28, 28) in [0, 1], always in the same order: the file's own is by class."""
    images = torch.from_numpy(part.images).permute(0, 3, 1, 2)  # pyright: ignore[reportAttributeAccessIssue]
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))] / 255
