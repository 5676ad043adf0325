"""Every adversarial variant on toys whose distribution is known exactly: one Gaussian, the 8-ring and the 5x5 grid.

    python -m scripts.experiments.toys.run [--part 1/2] [--minutes M]    adds to docs/results/toys.jsonl
    python -m scripts.experiments.toys.run --render    docs/studies/toys.md's tables and its figure

Each line of that file is a run: modes covered, share of high-quality samples, Jensen-Shannon divergence as a fresh
critic measures it. Each variant trains plain and with techniques, on five seeds, by the same `Run.train_step` as any
other run.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from losses import FDivergence, estimate_divergence
from scripts.experiments.toys.page import packed, render
from scripts.lib import paths
from scripts.lib.results import Results
from srgan_kit.data.toys import TOYS, Toy
from srgan_kit.generators.model import Model
from srgan_kit.metrics.modes import mode_coverage
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.toys import MEASURED, ToyTask
from srgan_kit.training.run import Diverged, Run

RESULTS = Results(paths.RESULTS / "toys.jsonl")
SEEDS = range(5)
HIDDEN = 128

LABELLED = 0.05
"""Part of the points whose mode is told, to the variants that need labels."""
Settings = dict[str, Any]


def merged(*parts: Settings) -> Settings:
    """Nested tables, later ones winning."""
    result: Settings = {}
    for part in parts:
        for key, value in part.items():
            old = result.get(key)
            result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


BASE: Settings = {
    "name": "toy",
    "task": "unconditional",
    "precision": "fp32",
    "device": "cpu",
    "ema": 0.99,
    "generator": {
        "name": "mlp",
        "hidden": HIDDEN,
        "layers": 3,
        "output": "linear",
        "normalisation": "batch",
        "activation": "relu",
    },
    "critic": {"name": "mlp", "hidden": (HIDDEN, HIDDEN, HIDDEN)},
    "encoder": {"layout": "dense", "hidden": HIDDEN},
    "latent": {"noise": 2},
    "optimizer": {"learning_rate": 1.5e-3, "betas": (0.5, 0.99), "warmup": 0, "clip_gradient": 100.0},
    "critic_optimizer": {"learning_rate": 2e-3, "betas": (0.5, 0.99), "warmup": 0, "clip_gradient": 100.0},
    "data": {"size": 1, "batch": 256, "augment": "none"},
}
LAWS: dict[str, Settings] = {
    "gaussian": {"steps": 200},
    "ring": {"steps": 2500},
    "grid": {"steps": 9000, "generator": {"normalisation": "none", "layers": 4}},
}
"""What a run on each distribution has, on top of BASE."""
NOISE: Settings = {"techniques": {"instance_noise": 0.1}}
MATCHING: Settings = {"weights": {"feature_matching": 1.0}}
R1: Settings = {"critic_weights": {"r1": "of the distribution"}, "techniques": {"r1_every": 2}}
R1_WEIGHTS = {"gaussian": 0.03, "ring": 0.03, "grid": 0.1}
UNPENALISED = merged(NOISE, MATCHING)
COMMON = merged(UNPENALISED, R1)


def gan(objective: str) -> Settings:
    return {"variant": {"name": "gan", "objective": objective}}


def f_gan(divergence: str, generator: str = "alternative") -> Settings:
    return {"variant": {"name": "f-gan", "divergence": divergence, "generator": generator}}


PENALTY: Settings = {"critic_weights": {"gradient_penalty": 1.0}}
EBGAN: Settings = {
    "critic": {"name": "autoencoder", "layout": "dense", "channels": HIDDEN, "embedding": 2},
    "generator": {"normalisation": "batch"},
}
VARIANTS: dict[str, tuple[Settings, Settings]] = {
    "gan, non-saturating": (gan("non-saturating"), COMMON),
    "gan, minimax": (gan("minimax"), COMMON),
    "gan, least-squares": (gan("least-squares"), COMMON),
    "gan, hinge": (gan("hinge"), COMMON),
    "gan, wasserstein": (merged(gan("wasserstein"), PENALTY), UNPENALISED),
    "f-gan, kl": (f_gan("kl"), COMMON),
    "f-gan, reverse-kl": (f_gan("reverse-kl", "minimax"), COMMON),
    "f-gan, pearson": (f_gan("pearson"), COMMON),
    "f-gan, squared-hellinger": (f_gan("squared-hellinger"), COMMON),
    "f-gan, total-variation": (f_gan("total-variation"), COMMON),
    "ebgan": (merged({"variant": {"name": "ebgan", "margin": 4.0}}, EBGAN), NOISE),
    "infogan": ({"variant": "infogan", "latent": {"categorical": "modes"}}, COMMON),
    "catgan": ({"variant": "catgan", "critic": {"classes": "modes"}}, UNPENALISED),
    "improved-gan": ({"variant": "improved-gan", "critic": {"classes": "modes"}}, NOISE),
    "vae-gan": ({"variant": "vae-gan"}, COMMON),
    "srgan, relativistic": (
        {"variant": {"name": "srgan", "comparison": "average"}, "weights": {"adversarial": 1.0}},
        COMMON,
    ),
}
"""By name: the settings of the plain system, and the techniques that are added to it.

f-GAN's Jensen-Shannon divergence with the alternative step is not here: it is the non-saturating GAN, to the digit.
"""
LOG_RATIO = ("gan, non-saturating", "gan, minimax", "f-gan", "infogan")
"""Variants, by the start of their names, whose critic's score aims at log(real density / generated density)."""


def recipe_of(variant: str, toy: str, techniques: bool, seed: int, more: Settings | None = None) -> Recipe:
    """The complete run."""
    plain, added = VARIANTS[variant]
    law = TOYS[toy]()
    settings = merged(
        BASE,
        LAWS[toy],
        {"seed": seed, "data": {"channels": law.centres.shape[1]}},
        plain,
        added if techniques else {},
        more or {},
    )
    modes = max(2, len(law.weights))
    if settings["critic"].get("classes") == "modes":
        settings["critic"]["classes"] = modes
    if settings["latent"].get("categorical") == "modes":
        settings["latent"]["categorical"] = (modes,)
    if "r1" in settings.get("critic_weights", {}):
        settings["critic_weights"]["r1"] = R1_WEIGHTS[toy]
    if settings["critic"]["name"] == "autoencoder":
        settings["critic"].pop("hidden")
    return Recipe.model_validate(settings)


def trained(recipe: Recipe, toy: Toy, labelled: float) -> Run:
    """A run after its last step, or after the last one that went well."""
    task = ToyTask(recipe, toy, torch.device("cpu"), labelled)
    run = Run(recipe, Path("runs"), Accelerator(cpu=True), task)
    for step in range(recipe.steps):
        run.train_step(task.batch_of(step))
    return run


# --- measuring ------------------------------------------------------------------------------------------------------


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


# --- all runs -------------------------------------------------------------------------------------------------------


def key_of(result: Settings) -> tuple[str, str, bool, int]:
    return result["variant"], result["toy"], result["techniques"], result["seed"]


def one(variant: str, toy: str, techniques: bool, seed: int, more: Settings | None = None) -> Settings:
    """Train and measure."""
    recipe = recipe_of(variant, toy, techniques, seed, more)
    start = time.process_time()
    result: Settings = {"variant": variant, "toy": toy, "techniques": techniques, "seed": seed, "steps": recipe.steps}
    try:
        run = trained(recipe, TOYS[toy](), LABELLED if "labels" in recipe.variant.requirements() else 0.0)
        result |= measure(run, variant)
    except Diverged as error:
        result |= {"modes": 0, "high_quality": 0.0, "divergence": math.log(2), "diverged": str(error)}
    return result | {"seconds": round(time.process_time() - start, 1)}


def train_missing(part: int, parts: int, minutes: float) -> None:
    """Every run that has no result yet, as far as the time goes; each result is appended at once, so none is lost."""
    order = [
        (variant, toy, techniques, seed)
        for toys, techniques in ((LAWS, True), (("gaussian", "ring"), False), (("grid",), False))  # the dearest last
        for seed in SEEDS
        for toy in toys
        for variant in VARIANTS
    ]
    for number, run in enumerate(order):
        if number % parts != part - 1 or run in {key_of(result) for result in RESULTS.rows()}:
            continue
        if time.process_time() > 60 * minutes:
            break
        result = one(*run)
        RESULTS.add(result)
        print({key: value for key, value in result.items() if key != "points"}, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="1/1", help="i/n: the i-th of n shares of the runs")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after this much processor time")
    parser.add_argument("--render", action="store_true", help="write the tables and the image")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.render:
        render(RESULTS.rows(), list(VARIANTS))
        return
    part, parts = (int(number) for number in arguments.part.split("/"))
    train_missing(part, parts, arguments.minutes)


if __name__ == "__main__":
    main()
