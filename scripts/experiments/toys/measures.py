"""What is measured of a run on a toy: modes, divergences by a fresh critic and by the run's own."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from losses import FDivergence, estimate_divergence
from scripts.experiments.toys.page import packed
from scripts.lib.toys.distributions import Toy
from scripts.lib.toys.mode_coverage import mode_coverage
from scripts.lib.toys.task import MEASURED, ToyTask
from srgan_kit.generators.model import Model
from srgan_kit.training.run import Run

LOG_RATIO = ("gan, non-saturating", "gan, minimax", "f-gan", "infogan")
"""Variants, by the start of their names, whose critic's score aims at log(real density / generated density)."""
Settings = dict[str, Any]
SEEDS = range(5)


def witness_inputs(points: np.ndarray, toy: Toy) -> Tensor:
    """What the independent critic sees of points: where they are, and where beside the nearest centre, in its std."""
    mode, distance = toy.nearest(points)
    beside = np.arcsinh((points - toy.centres[mode]) / toy.std[mode, None])
    where = (points - toy.middle) / toy.reach
    one_hot = np.eye(len(toy.weights))[mode]
    return torch.from_numpy(np.column_stack([where, beside, np.log1p(distance), one_hot]).astype(np.float32))


def jensen_shannon(real: np.ndarray, fake: np.ndarray, toy: Toy, steps: int = 300) -> tuple[float, float]:
    """Jensen-Shannon divergence in nats, from below, and its standard error.

    A fresh critic learns log ratios from one half of the samples and measures on the other. It is shown where the
    nearest centre is, so that it sees at once what a generator's critic takes long to learn.
    """
    torch.manual_seed(0)
    inputs = [witness_inputs(points, toy) for points in (real, fake)]
    train, test = ([part[half] for part in inputs] for half in (slice(0, None, 2), slice(1, None, 2)))
    critic = nn.Sequential(nn.Linear(inputs[0].shape[1], 64), nn.Softplus(), nn.Linear(64, 64), nn.Softplus())
    critic.append(nn.Linear(64, 1))
    loss = FDivergence("jensen-shannon", "log-ratio")
    optimizer = torch.optim.Adam(critic.parameters(), lr=5e-3, weight_decay=1e-4, fused=True)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 + math.cos(math.pi * step / steps)) / 2
        shown = [part[torch.randint(len(part), (1024,))] for part in train]
        optimizer.zero_grad()
        loss.critic_loss(critic(shown[0]), critic(shown[1])).backward()
        optimizer.step()
    with torch.no_grad():
        value, error = estimate_divergence("jensen-shannon", critic(test[0]), critic(test[1]))
    return float(value) / 2, float(error) / 2


def spacing_kl(points: np.ndarray, toy: Toy, m: int = 30) -> float:
    """KL(generator || real) in nats of points on a line: the real distribution is exact, the entropy from m-spacings.

    E ln(distance over k neighbours) = ln(k / (n density)) + digamma(k) - ln k; at the ends there are fewer than 2m.
    Vasicek 1976, "A test for normality based on sample entropy".
    """
    ordered, count = np.sort(points[:, 0]), len(points)
    place = np.arange(count)
    low, high = np.maximum(place - m, 0), np.minimum(place + m, count - 1)
    distance = np.maximum(ordered[high] - ordered[low], 1e-12)
    digamma = torch.digamma(torch.from_numpy((high - low).astype(np.float64))).numpy()
    entropy = float((np.log(distance) + math.log(count) - digamma).mean())
    return -entropy - float(toy.log_density(points).mean())


@torch.no_grad()
def own_estimate(run: Run, real: Tensor, model: Model) -> float:
    """Jensen-Shannon divergence in nats by the run's own critic, on held-out points."""
    assert run.critic is not None
    noise, codes = model.draw(len(real), real.device, torch.Generator().manual_seed(2))
    fake = model.generate(model.vector(noise, codes))
    critic = run.critic.network.eval()
    return float(estimate_divergence("jensen-shannon", critic(real).score, critic(fake).score)[0]) / 2


def measure(run: Run, variant: str) -> Settings:
    """Everything that is reported of a run."""
    task, model = run.task, run.average.network
    assert isinstance(task, ToyTask)
    assert isinstance(model, Model)
    toy = task.toy
    points = task.points(model, MEASURED)
    coverage = mode_coverage(points, toy)
    many, real = task.points(model, 20_000, seed=1), toy.sample(20_000, seed=10_000 + run.recipe.seed)
    divergence, error = jensen_shannon(real, many, toy)
    found: Settings = {
        "modes": coverage.modes,
        "high_quality": round(coverage.high_quality, 4),
        "divergence": round(divergence, 4),
        "divergence_error": round(error, 4),
    }
    if variant.startswith(LOG_RATIO):
        shown = task.batch((toy.to_images(real[:10_000]), torch.full((10_000,), -1))).image
        found["own_divergence"] = round(own_estimate(run, shown, model), 4)
    if toy.centres.shape[1] == 1:
        found |= {"mean": round(float(many.mean()), 4), "std": round(float(many.std()), 4)}
        found["kl"] = round(spacing_kl(many, toy), 4)
    if run.recipe.seed == SEEDS[0] and points.shape[1] == 2:
        found["points"] = packed(points[:1000], toy)
    return found
