"""The rows of the super-resolution matrix: which systems, with which settings, and what each means here in numbers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.experiments.sr_matrix import demonstrations as shown
from scripts.lib import paths
from srgan_kit.training.run import Run

RECIPE = "perceptual-x4"
STEPS, CONVERGED = 600, 1000
"""Of each row; and of content terms alone before, once, from which all rows start."""
PATCH, BATCH = 12, 8
COMMON = (
    f"data.patch={PATCH}",
    f"data.batch={BATCH}",
    "optimizer.learning_rate=1e-4",
    "optimizer.final_learning_rate=1e-4",
    "optimizer.warmup=0",
    "critic_optimizer.final_learning_rate=2e-4",
    "techniques.critic_norm=none",
    "weights.phase_evenness='share:0.1'",
    "weights.phase_bias='share:0.1'",
    "ema=0.99",
    "validation.every=300",
    "validation.images=4",
    "log_every=10",
    "checkpoint_every=300",
)
"""A constant learning rate, critics that judge each image by itself, and terms against the checkerboard artifact."""
CRITIC = "critic={name='dcgan', channels=32}"
SHARES = (0.15, 0.4)
"""Of the adversarial term in the generator's gradient, held throughout the run."""
CONTROL = "content only"
AGAIN = (CONTROL, "GAN, non-saturating, 15 %", "SRGAN, relativistic, 15 %")
"""Rows that are trained again with another seed, whose difference is the error of a row."""

Demonstration = Callable[[Run, Path, int], dict[str, float]]


@dataclass(frozen=True)
class System:
    """One adversarial system."""

    settings: tuple[str, ...]
    """What it adds to the recipe, as for --set."""
    held: str = "adversarial"
    """The term whose share is held."""
    demonstration: Demonstration | None = None
    """What the system means here, in numbers, measured on patches that nobody was trained on."""
    page: str = "gan"
    """Of docs/systems."""


SYSTEMS: dict[str, System] = {
    "GAN, non-saturating": System(("variant=gan", CRITIC), demonstration=shown.divergence_of_patches),
    "GAN, least squares": System(("variant={name='gan', objective='least-squares'}", CRITIC)),
    "GAN, hinge": System(("variant={name='gan', objective='hinge'}", CRITIC)),
    "Wasserstein GAN with gradient penalty": System(
        ("variant={name='gan', objective='wasserstein'}", CRITIC, "critic_weights.gradient_penalty=10.0")
    ),
    "f-GAN, KL": System(
        ("variant={name='f-gan', divergence='kl'}", CRITIC), demonstration=shown.divergence_of_patches, page="f_gan"
    ),
    "f-GAN, squared Hellinger": System(
        ("variant={name='f-gan', divergence='squared-hellinger'}", CRITIC),
        demonstration=shown.divergence_of_patches,
        page="f_gan",
    ),
    "EBGAN": System(
        (
            "variant={name='ebgan', margin=10.0}",
            "critic={name='autoencoder', layout='local', channels=32, embedding=16}",
            "critic_optimizer.learning_rate=1e-3",
            "critic_optimizer.final_learning_rate=1e-3",
            "weights.pulling_away='share:0.01'",
        ),
        held="energy",
        demonstration=shown.energies,
        page="ebgan",
    ),
    "InfoGAN": System(
        (
            "variant=infogan",
            CRITIC,
            "latent.categorical=[3]",
            "latent.continuous=1",
            "weights.categorical='share:0.05'",
            "weights.continuous='share:0.05'",
        ),
        demonstration=shown.codes_steer,
        page="infogan",
    ),
    "CatGAN": System(
        ("variant=catgan", CRITIC, "critic.classes=4"),
        held="categorical",
        demonstration=shown.class_usage,
        page="catgan",
    ),
    "Improved GAN": System(
        ("variant=improved-gan", CRITIC, "critic.classes=3", "labels.count=300"),
        held="feature_matching",
        demonstration=shown.sources_told_apart,
        page="improved_gan",
    ),
    "VAE/GAN": System(
        (
            "variant=vae-gan",
            CRITIC,
            "latent.noise=16",
            "encoder.channels=16",
            "weights.kl=1e-4",
            "weights.similarity_encoder=1e-3",
            "weights.similarity_decoder='share:0.1'",
        ),
        demonstration=shown.missing_detail,
        page="vae_gan",
    ),
    "DeePSiM": System(
        ("variant=deepsim", CRITIC, "critic.conditional=true", "weights.image='share:0.05'"),
        demonstration=shown.condition_is_used,
        page="deepsim",
    ),
    "SRGAN, relativistic": System(("variant={name='srgan', comparison='average'}", CRITIC), page="srgan"),
}
"""f-GAN's Jensen-Shannon divergence is left out: with the alternative step it is the non-saturating GAN."""


@dataclass(frozen=True)
class Row:
    """One run."""

    name: str
    system: System | None
    share: float | None
    seed: int = 0

    @property
    def settings(self) -> list[str]:
        """On top of the recipe."""
        if self.system is None:
            return [*COMMON]
        return [*COMMON, *self.system.settings, f"weights.{self.system.held}='share:{self.share}'"]

    @property
    def folder(self) -> str:
        """Where the run lies."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())
        return f"{name}-{self.seed}"


def rows() -> list[Row]:
    """All runs, those that matter most first."""
    named = [Row(CONTROL, None, None)]
    for share in SHARES:
        named += [Row(f"{name}, {share:.0%}".replace("%", " %"), each, share) for name, each in SYSTEMS.items()]
    return named + [Row(each.name, each.system, each.share, seed=1) for each in named if each.name in AGAIN]


def comparator(data: Path) -> str:
    """The setting of the term `perceptual`'s network: VGG19, which no measure uses."""
    return f"perceptual.weights={json.dumps(str(data / 'weights' / paths.NETWORKS['perceptual']))}"
