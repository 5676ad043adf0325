"""Every adversarial system fine-tunes x4-fidelity by the recipe perceptual-x4; what comes out is measured.

    python -m scripts.experiments.sr_matrix.run [--only NAME]... [--part 1/2]   adds to docs/results/sr_matrix.json
    python -m scripts.experiments.sr_matrix.run --render    docs/studies/sr_matrix.md and its figure

Needs SRGAN_KIT_DATA, the folder with sr_train, sr_test and weights. Runs are kept in runs/sr_matrix and go on where
they stopped. A run's settings are in `RUNS`; the command line of each is in the page.
"""

import argparse
import fcntl
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.experiments.sr_matrix.demonstrations import (
    ab_test,
    class_usage,
    codes_steer,
    condition_is_used,
    divergence_of_patches,
    energies,
    missing_detail,
    sources_told_apart,
)
from scripts.experiments.sr_matrix.measures import measure_model
from scripts.experiments.sr_matrix.page import render
from scripts.lib import paths
from scripts.lib.runs import restored
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.loop import is_finished, train
from srgan_kit.training.run import Run

RECIPE = "perceptual-x4"
SHORT = ["steps=200", "data.patch=24", "data.batch=8", "ema=0.98", "optimizer.warmup=20"]
SHORT += ["validation.images=8", "log_every=10", "checkpoint_every=100"]
"""A few minutes on one CPU core instead of the recipe's hours."""
CRITIC = "critic={name='dcgan', channels=16}"
REFERENCES = ("bicubic", "x4-fidelity", "HR")
"""What the runs are compared with."""
RESULTS = paths.RESULTS / "sr_matrix.json"
SHARES_FROM = 0.5
"""Shares of the generator's gradient are the mean over the logged steps after this part of the run."""

Demonstration = Callable[[Run, Path], dict[str, float]]


@dataclass(frozen=True)
class Entry:
    """One run of the matrix."""

    settings: tuple[str, ...]
    """What it adds to the recipe, as for --set."""
    demonstration: Demonstration | None = None
    """What the system means here, in numbers, measured on patches that nobody was trained on."""


RUNS: dict[str, Entry] = {
    "content only": Entry(()),
    "GAN, non-saturating": Entry(("variant=gan", CRITIC, "weights.adversarial=0.005"), divergence_of_patches),
    "GAN, least squares": Entry(
        ("variant={name='gan', objective='least-squares'}", CRITIC, "weights.adversarial=0.005"), ab_test
    ),
    "GAN, hinge": Entry(("variant={name='gan', objective='hinge'}", CRITIC, "weights.adversarial=0.003"), ab_test),
    "Wasserstein GAN with gradient penalty": Entry(
        (
            "variant={name='gan', objective='wasserstein'}",
            CRITIC,
            "critic_weights.gradient_penalty=10.0",
            "techniques.virtual_batch_norm=true",
            "weights.adversarial=0.02",
        ),
        ab_test,
    ),
    "f-GAN, Jensen-Shannon": Entry(("variant=f-gan", CRITIC, "weights.adversarial=0.005"), divergence_of_patches),
    "f-GAN, KL": Entry(
        ("variant={name='f-gan', divergence='kl'}", CRITIC, "weights.adversarial=0.003"), divergence_of_patches
    ),
    "f-GAN, squared Hellinger": Entry(
        ("variant={name='f-gan', divergence='squared-hellinger'}", CRITIC, "weights.adversarial=0.005"),
        divergence_of_patches,
    ),
    "EBGAN": Entry(
        (
            "variant={name='ebgan', margin=25.0}",
            "critic={name='autoencoder', channels=16, embedding=256}",
            "critic_optimizer.learning_rate=1e-3",
            "weights.energy=0.003",
            "weights.pulling_away=0.01",
        ),
        energies,
    ),
    "InfoGAN": Entry(
        (
            "variant=infogan",
            CRITIC,
            "latent.categorical=[3]",
            "latent.continuous=1",
            "weights.adversarial=0.005",
            "weights.categorical=0.03",
            "weights.continuous=0.01",
        ),
        codes_steer,
    ),
    "CatGAN": Entry(
        ("variant=catgan", CRITIC, "critic.classes=4", "weights.categorical=0.02"),
        class_usage,
    ),
    "Improved GAN": Entry(
        ("variant=improved-gan", CRITIC, "critic.classes=2", "labels.count=200", "weights.feature_matching=1.0"),
        sources_told_apart,
    ),
    "VAE/GAN": Entry(
        (
            "variant=vae-gan",
            CRITIC,
            "latent.noise=16",
            "encoder.channels=16",
            "weights.kl=1e-4",
            "weights.similarity_encoder=1e-3",
            "weights.similarity_decoder=5e-5",
            "weights.adversarial=0.005",
        ),
        missing_detail,
    ),
    "DeePSiM": Entry(
        ("variant=deepsim", CRITIC, "critic.conditional=true", "weights.adversarial=0.005", "weights.image=1e-4"),
        condition_is_used,
    ),
    "SRGAN, relativistic": Entry(
        ("variant={name='srgan', comparison='average'}", CRITIC, "weights.adversarial=0.002"), ab_test
    ),
}
"""The matrix. `content only` is the control: the same steps without an adversary."""


def recipe_of(name: str, data: Path, extra: list[str] | None = None) -> Recipe:
    """The run's recipe, with the comparator's weights and the images of the data folder."""
    weights = f"perceptual.weights={json.dumps(str(data / 'weights' / paths.NETWORKS['perceptual']))}"
    return load_recipe(RECIPE, [*SHORT, *RUNS[name].settings, weights, *(extra or [])], data / "sr_train")


def command(name: str) -> str:
    """The same run from the command line."""
    sets = [word for setting in (*SHORT, *RUNS[name].settings) for word in ("--set", shlex.quote(setting))]
    return f"srgan-kit train {RECIPE} --data $SRGAN_KIT_DATA/sr_train {' '.join(sets)} --set perceptual.weights=FILE"


def folder_of(name: str) -> Path:
    """Where a run is kept."""
    return Path("runs/sr_matrix") / "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def row(name: str, data: Path) -> dict[str, Any]:
    """Train, or go on training, and measure."""
    recipe, folder = recipe_of(name, data), folder_of(name)
    found: dict[str, Any] = {"settings": list(RUNS[name].settings)}
    if not is_finished(folder):
        train(recipe, folder, resume=has_checkpoint(folder))
    found |= measure_model(str(folder / "model.safetensors"), data)
    found["shares"] = mean_shares(folder / "log.jsonl", recipe.steps)
    demonstration = RUNS[name].demonstration
    if demonstration is not None:
        run = restored(recipe, folder)
        if run.critic is not None:
            run.critic.network.train()  # by running averages of both kinds of images it is another, untrained critic
        found["shown"] = ab_test(run, data) | demonstration(run, data)
    return found


def mean_shares(log: Path, steps: int) -> dict[str, float]:
    """Each term's share of the generator's gradient, the mean over the second half of a run."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    late = [line for line in lines if line["step"] > steps * SHARES_FROM and any(k.startswith("share/") for k in line)]
    names = sorted({key for line in late for key in line if key.startswith("share/")})
    return {key.removeprefix("share/"): sum(line.get(key, 0.0) for line in late) / len(late) for key in names}


def update(name: str, found: dict[str, Any]) -> None:
    """Put a row into the JSON file, whole or not at all; two processes may do so at once."""
    RESULTS.parent.mkdir(exist_ok=True)
    with Path("runs/sr_matrix/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        rows[name] = found
        ordered = {key: rows[key] for key in [*REFERENCES, *RUNS] if key in rows}
        with atomic_write(RESULTS) as temporary:
            temporary.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="these runs; by default all that are missing")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="every N-th of them, from the I-th on")
    parser.add_argument("--render", action="store_true", help="write the page and the image from the JSON file")
    arguments = parser.parse_args()
    data = paths.data_folder("sr_train, sr_test and weights")
    if arguments.render:
        rows = json.loads(RESULTS.read_text(encoding="utf-8"))
        render(rows, {name: folder_of(name) / "model.safetensors" for name in RUNS}, data)
        return
    part, parts = (int(number) for number in arguments.part.split("/"))
    done = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    wanted = arguments.only or [*REFERENCES, *RUNS]
    Path("runs/sr_matrix").mkdir(parents=True, exist_ok=True)
    for name in wanted[part - 1 :: parts]:
        if name in done and not arguments.only:
            continue
        try:
            update(name, measure_model(name, data) if name in REFERENCES else row(name, data))
        except UserError as error:
            print(f"{name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
