"""VAE and IWAE on randomly binarised MNIST: table 1 of Burda et al. 2015, of its network with one stochastic layer.

    SRGAN_KIT_DATA=... python -m scripts.experiments.vae

The recipe `vae` is trained with one draw of the code, then from its weights with 5 and from those with 50, as in the
paper's experiment of warm starts (its table 2). The test set is measured once, at the end of each run.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scripts.lib.experiment import Experiment, Figure, Values, open_experiment
from scripts.lib.likelihood import measured
from srgan_kit.images.grid import below_each_other, save_image
from srgan_kit.metrics.likelihood import SAMPLES
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import MODEL

DATA = "gan/mnist.npz"
TINY = ("generator.hidden=8", "encoder.hidden=8", "latent.noise=2", "steps=3", "data.batch=4", "validation.every=3")
SHOWN = 16


@dataclass(frozen=True)
class Stage:
    """A run, which starts from the weights of the one before it."""

    name: str
    title: str
    settings: tuple[str, ...]
    paper: float
    goal: float | None
    """None for the paper's figure."""


STAGES = (
    Stage("vae", "VAE, k = 1", (), 86.76, 87.3),
    Stage(
        "iwae-5",
        "IWAE, k = 5, from the weights of k = 1",
        ("variant.samples=5", "steps=120000", "optimizer.learning_rate=5e-4"),
        85.54,
        None,
    ),
    Stage(
        "iwae-50",
        "IWAE, k = 50, from the weights of k = 5",
        ("variant.samples=50", "data.batch=20", "steps=120000", "optimizer.learning_rate=5e-4"),
        84.78,
        85.8,
    ),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is not trained, measure, write."""
    experiment = open_experiment(
        "vae",
        "Variational auto-encoders, randomly binarised MNIST",
        "Burda et al. 2015, arXiv:1509.00519, table 1, one stochastic layer",
        __doc__,
        argv,
    )
    images, samples = (8, 5) if experiment.smoke else (None, SAMPLES)
    finished = trained(experiment, images, samples)
    if not finished:
        sys.exit("no run is finished: the time was up (call again to go on), or it diverged")
    nats = f"nats, {samples}-sample estimate"
    for stage, found in finished.items():
        (estimate, estimate_error), (elbo, elbo_error) = found["iwae"], found["elbo"]
        experiment.figures += [
            Figure(nats, stage.title, estimate, estimate_error, stage.paper, stage.goal),
            Figure("-ELBO, nats", stage.title, elbo, elbo_error),
            Figure("active units of 50", stage.title, found["active_units"], better="higher"),
        ]
        experiment.settings[stage.title] = load_recipe("vae", settings_of(experiment, STAGES.index(stage))).steps
    experiment.settings |= {"test images": images or 10_000, "samples": samples, "seed": 0}
    experiment.notes = [
        "Spread is the standard error over the test images. Test images are drawn once, each pixel white by its grey "
        "value; training images anew each time.",
        "The settings were fixed before the test set was measured, and nothing was chosen by it.",
    ]
    if folders := experiment.folders(stage.name for stage in finished):
        experiment.images.mkdir(parents=True, exist_ok=True)
        save_image(picture(folders), experiment.images / "vae.png")
    print(experiment.write())


def trained(experiment: Experiment, images: int | None, samples: int) -> dict[Stage, Values]:
    """What is measured of the stages in order, as far as they are finished."""

    def measure(folder: Path) -> Values:
        found = measured(folder / MODEL, experiment.data / DATA, images, samples)
        units = last_validation(folder)["posterior/active_units"]
        return {name: [found[name].value, found[name].error] for name in ("iwae", "elbo")} | {"active_units": units}

    finished: dict[Stage, Values] = {}
    for number, stage in enumerate(STAGES):
        settings = settings_of(experiment, number)
        if not experiment.knows(stage.name, settings) and not lies_here(experiment, number - 1):
            break
        found = experiment.measured(stage.name, "vae", experiment.data / DATA, settings, measure)
        if found is None:
            break
        finished[stage] = found
    return finished


def settings_of(experiment: Experiment, number: int) -> list[str]:
    """Of a stage, with the model that it starts from."""
    before = [STAGES[number - 1].name] if number else []
    start = [f"initialise_from={json.dumps(str(experiment.work / name / MODEL))}" for name in before]
    return [*STAGES[number].settings, *start, *(TINY if experiment.smoke else ())]


def lies_here(experiment: Experiment, number: int) -> bool:
    """Whether a stage's run does, trained now as far as it does not, with those before it; of none before the first."""
    if number < 0:
        return True
    name, settings = STAGES[number].name, settings_of(experiment, number)
    return lies_here(experiment, number - 1) and bool(experiment.trained(name, "vae", experiment.data / DATA, settings))


def last_validation(folder: Path) -> dict[str, float]:
    """What the log of a run says of its last validation."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return next(line for line in reversed(lines) if "posterior/active_units" in line)


@torch.no_grad()
def picture(folders: Sequence[Path]) -> Tensor:
    """For each run a row of the means that codes of the prior become, and below it a draw of every pixel."""
    rows: list[Tensor] = []
    for folder in folders:
        model = load_saved(folder).model
        noise, codes = model.draw(SHOWN, torch.device("cpu"), torch.Generator().manual_seed(0))
        made = model.generate(model.vector(noise, codes))
        rows += [made, torch.bernoulli(made, generator=torch.Generator().manual_seed(0))]
    above, below = (torch.cat(rows[start::2]) for start in (0, 1))
    return below_each_other(above, below, SHOWN)


if __name__ == "__main__":
    main()
