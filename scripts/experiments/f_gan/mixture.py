"""f-GAN's first experiment: one Gaussian, mean + std z, fitted to a mixture of two on the line by every divergence.

The generator has two parameters, the critic two hidden layers of 64 with tanh and the paper's output activations; both
learn from samples alone, by the public trainer. Beside what they find stands the optimum, by numerical integration.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from losses.f_divergence import divergence
from scripts.lib.experiment import Experiment, Figure, Values
from scripts.lib.runs import exported, restored
from scripts.lib.toys.distributions import two_gaussians
from scripts.lib.toys.task import ToyTask
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.run import Run
from srgan_kit.variants.f_gan import FGAN

LAW = two_gaussians()
LINE = torch.linspace(-25, 30, 20_001, dtype=torch.float64)
HELD_OUT = 100_000
"""Points of each distribution that the bound is measured on."""


@dataclass(frozen=True)
class Published:
    """A column of the paper's table of the mixture."""

    bound: float
    mean: float
    std: float


PAPER = {
    "kl": Published(0.2801, 1.0335, 1.8236),
    "reverse-kl": Published(0.2415, 1.5624, 1.6403),
    "jensen-shannon": Published(0.1226, 1.2854, 1.7659),
    "jeffrey": Published(0.5151, 1.2295, 1.8087),
    "pearson": Published(0.6379, 0.6157, 1.9031),
}
"""What it learned; the optima beside it are recomputed here."""
SETTINGS = (
    "precision=fp32",
    "variant.parametrisation=paper",
    "variant.generator=minimax",
    "latent.noise=1",
    'generator={name="mlp", layers=0, output="linear", normalisation="none"}',
    "critic.hidden=[64,64]",
    "critic.activation=tanh",
    "optimizer.learning_rate=5e-3",
    "optimizer.final_learning_rate=0",
    "optimizer.betas=[0.5,0.99]",
    "optimizer.clip_gradient=1",
    "critic_optimizer.learning_rate=2e-3",
    "critic_optimizer.final_learning_rate=0",
    "critic_optimizer.betas=[0.9,0.999]",
    "critic_optimizer.clip_gradient=1",
    "data.size=1",
    "data.batch=512",
    "ema=0",
    "validation.every=100000",
    "log_every=500",
    "checkpoint_every=100000",
)
"""What makes the recipe f-gan one for numbers."""


def task(recipe: Recipe) -> ToyTask:
    """Points of the mixture."""
    return ToyTask(recipe, LAW, torch.device("cpu"))


def exact(name: str, mean: Tensor, log_std: Tensor) -> Tensor:
    """The divergence of the mixture from N(mean, std^2) in nats, by integration: float64, differentiable."""
    log_p = torch.from_numpy(LAW.log_density(LINE[:, None].numpy()))
    log_q = -(((LINE - mean) / log_std.exp()) ** 2 + math.log(2 * math.pi)) / 2 - log_std
    witness, ratio = divergence(name).log_ratio, (log_p - log_q).clamp(-60, 60)
    return torch.trapezoid(log_p.exp() * witness.value(ratio) - log_q.exp() * witness.price(ratio), LINE)


def optimum(name: str) -> tuple[float, float, float]:
    """The least divergence, and the mean and std that have it."""
    fit = torch.tensor([1.0, 0.5], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([fit], max_iter=100, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure() -> float:
        search.zero_grad()
        value = exact(name, fit[0], fit[1])
        value.backward()
        return float(value.detach())

    search.step(closure)
    mean, log_std = fit.detach()
    return float(exact(name, mean, log_std)), float(mean), float(log_std.exp())


def learned(experiment: Experiment, name: str, seed: int, steps: int) -> Values | None:
    """What generator and critic find: the bound on new samples, mean, std, and the exact divergence at these."""
    settings = [*SETTINGS, f"steps={steps}", f"seed={seed}", f"variant.divergence={name}"]
    recipe = load_recipe("f-gan", settings)

    def measure(folder: Path) -> Values:
        return judged(restored(recipe, folder, task(recipe)), name)

    return experiment.measured(f"mixture-{name}-{seed}", "f-gan", None, settings, measure, task)


def judged(run: Run, name: str) -> Values:
    """The bound on new samples, mean and std of what is generated, and the exact divergence at these."""
    own, model, variant = run.task, exported(run), run.variant
    assert isinstance(own, ToyTask)
    assert isinstance(variant, FGAN)
    assert run.critic is not None
    with torch.no_grad():
        ends = own.toy.to_points((model.generate(torch.tensor([[0.0], [1.0]])) / own.reach + 1) / 2)[:, 0]
        noise, codes = model.draw(HELD_OUT, torch.device("cpu"), torch.Generator().manual_seed(1))
        fake = run.critic.network(model.generate(model.vector(noise, codes))).score
        real = run.critic.network(own.held_out(HELD_OUT).image).score
        bound = -float(variant.loss().critic_loss(real, fake))
    mean, std = float(ends[0]), float(abs(ends[1] - ends[0]))
    value = float(exact(name, torch.tensor(mean).double(), torch.tensor(std).double().log()))
    return {"bound": bound, "mean": mean, "std": std, "exact": value}


def mixture(experiment: Experiment, seeds: range, steps: int) -> dict[str, dict[str, list[float]]]:
    """Every divergence and seed; figures are added to the experiment. Optima and single runs, for the result file."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, paper in PAPER.items():
        best = optimum(name)
        runs = [run for seed in seeds if (run := learned(experiment, name, seed, steps)) is not None]
        if not runs:
            continue
        found[name] = {"optimum": list(best)} | {key: [run[key] for run in runs] for key in runs[0]}
        above = [100 * (value / best[0] - 1) for value in found[name]["exact"]]
        off = [100 * abs(value / best[0] - 1) for value in found[name]["bound"]]
        fitted = exact(name, *torch.tensor([paper.mean, math.log(paper.std)], dtype=torch.float64))
        theirs, where = 100 * (float(fitted) / best[0] - 1), f"mixture on the line, {name}"
        experiment.figures += [
            Figure("divergence of the fit above the optimum, %", where, *_over(above), theirs, goal=1.0),
            Figure("learned bound off the optimum, %", where, *_over(off), 100 * abs(paper.bound / best[0] - 1)),
        ]
    return found


def _over(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation over the seeds."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Optimum, the paper's, and mean and deviation of what was learned."""
    heads = ["divergence", *(f"{what}: {whose}" for what in ("bound", "mean", "std") for whose in WHOSE)]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for name, row in found.items():
        paper = PAPER[name]
        cells = [name]
        for best, theirs, key in zip(
            row["optimum"], (paper.bound, paper.mean, paper.std), ("bound", "mean", "std"), strict=True
        ):
            mean, deviation = _over(row[key])
            cells += [f"{best:.4f}", f"{theirs:.4f}", f"{mean:.4f} ± {deviation:.4f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


WHOSE = ("optimum", "paper", "here")
