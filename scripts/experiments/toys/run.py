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

import torch
from accelerate import Accelerator

from scripts.experiments.toys.measures import SEEDS, Settings, measure
from scripts.experiments.toys.page import render
from scripts.lib import paths
from scripts.lib.results import Results
from scripts.lib.toys.distributions import TOYS, Toy
from scripts.lib.toys.task import ToyTask
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.run import Diverged, Run

RESULTS = Results(paths.RESULTS / "toys.jsonl")
HIDDEN = 128

LABELLED = 0.05
"""Part of the points whose mode is told, to the variants that need labels."""


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
        first = step * recipe.data.batch
        run.train_step(task.batch(task.examples.batch(range(first, first + recipe.data.batch))))
    return run


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
