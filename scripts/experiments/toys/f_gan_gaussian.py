"""f-GAN's first experiment: one Gaussian fitted to a mixture of two on the line, once for each divergence.

    python -m scripts.experiments.toys.f_gan_gaussian   results/f_gan_gaussian.json, the table of docs/studies/toys.md

The generator is mean + std z with two parameters, the critic a small network; both learn from samples alone, in the
paper's simultaneous steps. Beside what they find stands the optimum, by numerical integration.
Nowozin, Cseke and Tomioka 2016, "f-GAN", univariate mixture, arXiv:1606.00709
"""

import json
import math

import numpy as np
import torch
from torch import Tensor, nn

from losses import FDivergence, estimate_divergence
from losses.f_divergence import divergence
from scripts.experiments.toys.distributions import two_gaussians
from scripts.lib import paths
from scripts.lib.pages import fill

RESULTS, PAGE = paths.RESULTS / "f_gan_gaussian.json", paths.STUDIES / "toys.md"
NAMES = ("kl", "reverse-kl", "jensen-shannon", "jeffrey", "pearson")
SEEDS, STEPS, BATCH, HELD_OUT = 5, 1500, 512, 100_000
LAW = two_gaussians()
LINE = torch.linspace(-25, 30, 20_001, dtype=torch.float64)


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
    return float(exact(name, fit[0], fit[1])), float(fit[0]), float(fit[1].exp())


def learned(name: str, seed: int) -> dict[str, float]:
    """What generator and critic find: the bound on new samples, mean, std, and the exact divergence at these."""
    torch.manual_seed(seed)
    points = torch.from_numpy(LAW.sample(STEPS * BATCH + HELD_OUT, seed).astype(np.float32))
    fit = torch.tensor([0.0, 0.0], requires_grad=True)
    critic = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    loss = FDivergence(name, "log-ratio", "minimax")
    players = [
        torch.optim.Adam(critic.parameters(), lr=2e-3, fused=True),
        torch.optim.Adam([fit], lr=5e-3, betas=(0.5, 0.99)),
    ]
    rates = [player.param_groups[0]["lr"] for player in players]
    for step in range(STEPS):
        for player, rate in zip(players, rates, strict=True):
            player.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / STEPS)) / 2
            player.zero_grad()
        real = points[step * BATCH : (step + 1) * BATCH]
        fake = fit[0] + fit[1].exp() * torch.randn(BATCH, 1)
        loss.critic_loss(critic(real), critic(fake.detach())).backward()
        gradients = [parameter.grad for parameter in critic.parameters()]
        loss.generator_loss(critic(fake)).backward(inputs=[fit])
        for parameter, gradient in zip(critic.parameters(), gradients, strict=True):
            parameter.grad = gradient
        for player in players:
            player.step()
    with torch.no_grad():
        fake = fit[0] + fit[1].exp() * torch.randn(HELD_OUT, 1)
        bound = estimate_divergence(name, critic(points[-HELD_OUT:]), critic(fake))[0]
        value = exact(name, fit[0].double(), fit[1].double())
    return {"bound": float(bound), "mean": fit[0].item(), "std": fit[1].exp().item(), "exact": float(value)}


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Optimum, then mean and deviation of what was learned."""
    lines = [
        "| divergence | optimum | bound | exact at the fit | optimal mean | learned | optimal std | learned |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in found.items():
        best = row["optimum"]
        bound, value, mean, std = (
            f"{np.mean(row[key]):.4f} ± {np.std(row[key], ddof=1):.4f}" for key in ("bound", "exact", "mean", "std")
        )
        cells = [name, f"{best[0]:.4f}", bound, value, f"{best[1]:.4f}", mean, f"{best[2]:.4f}", std]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[float]]] = {}
    for name in NAMES:
        runs = [learned(name, seed) for seed in range(SEEDS)]
        found[name] = {"optimum": list(optimum(name))} | {key: [run[key] for run in runs] for key in runs[0]}
        print(name, found[name], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    fill(PAGE, {"mixture": table(found)})


if __name__ == "__main__":
    main()
