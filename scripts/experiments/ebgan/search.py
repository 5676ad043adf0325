"""The paper's grid search, a random part of it with a quarter of its widths: EBGAN with and without PT, and GAN."""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.experiment import Experiment, Values
from scripts.lib.mnist_classifier import FULL, MNIST, QUICK, mnist_measures
from scripts.lib.samples_of_runs import samples_of


@dataclass(frozen=True)
class Networks:
    """A point of the grid; layers are all dense layers of a network, EBGAN's decoder of a single one among them."""

    generator_layers: int
    critic_layers: int
    generator_width: int
    critic_width: int
    dropout: float

    @property
    def generator(self) -> list[str]:
        """Settings of the generator."""
        return [f"generator.layers={self.generator_layers - 1}", f"generator.hidden={self.generator_width}"]


GRID = [
    Networks(*point)
    for point in itertools.product((2, 3, 4, 5), (2, 3, 4, 5), (100, 200, 400, 800), (32, 64, 128, 256), (0.0, 0.5))
]
KINDS = ("EBGAN", "EBGAN-PT", "GAN, rate 1e-3", "GAN, rate 1e-4")
STEPS, BATCH, SAMPLES = 2000, 100, 5000
ALWAYS = ("ema=0.99", "validation.every=100000", "validation.holdout=64", "log_every=500", "checkpoint_every=100000")


def chosen(count: int) -> list[Networks]:
    """A part of the grid, the same in every call: a longer one begins with a shorter one."""
    return random.Random(0).sample(GRID, len(GRID))[:count]


def settings_of(kind: str, networks: Networks) -> tuple[str, list[str]]:
    """Recipe and settings of a run."""
    width, layers = networks.critic_width, networks.critic_layers
    if kind.startswith("GAN"):
        rate = kind.split()[-1]
        rates = [f"{player}.{key}={rate}" for player in ("optimizer", "critic_optimizer") for key in RATES]
        critic = [f"critic.hidden={[width] * (layers - 1)}", f"critic.dropout={networks.dropout}"]
        return "gan", [*networks.generator, *critic, *rates]
    critic = [f"critic.channels={width}", f"critic.embedding={width}", f"critic.encoder_layers={layers - 2}"]
    critic += ["critic.decoder_layers=0", f"critic.dropout={networks.dropout}"]
    return "ebgan", [*networks.generator, *critic, f"weights.pulling_away={0.1 if kind == 'EBGAN-PT' else 0.0}"]


RATES = ("learning_rate", "final_learning_rate")


def search(experiment: Experiment, count: int) -> list[Values]:
    """Every kind with every chosen point: which, and what is found of it."""
    steps, samples = (4, 64) if experiment.smoke else (STEPS, SAMPLES)
    effort = QUICK if experiment.smoke else FULL

    def measure(folder: Path) -> Values:
        _forget_checkpoints(folder)
        return mnist_measures(samples_of(folder, samples), effort)

    rows: list[Values] = []
    for number, networks in enumerate(chosen(count)):
        for kind in KINDS:
            recipe, settings = settings_of(kind, networks)
            settings += [*ALWAYS, f"steps={steps}", f"data.batch={BATCH}", f"seed={number}"]
            run = _folder(number, kind)
            found = experiment.measured(run, recipe, experiment.data / MNIST, settings, measure)
            if experiment.diverged(run):
                found = {"i_prime": 0.0}
            if found is not None:
                rows.append({"kind": kind, "run": run} | found)
    return rows


def _folder(number: int, kind: str) -> str:
    return f"search/{number:03d}-{kind.lower().replace(', rate ', '-')}"


def _forget_checkpoints(folder: Path) -> None:
    """What a finished run is not measured by; the model stays."""
    for path in folder.glob("checkpoint*.pt"):
        path.unlink()


def wins(first: list[float], second: list[float]) -> float:
    """The share of all pairs in which the first is larger; equal ones count half."""
    pairs = [(a > b) + 0.5 * (a == b) for a in first for b in second]
    return sum(pairs) / len(pairs)
