"""The runs: the same encoder and decoder trained by pixels, by a critic's features, and with the critic as VAE/GAN."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.lib import paths
from scripts.lib.experiment import Experiment, Values
from scripts.lib.few_images import images_of

Measure = Callable[[Path], Values]
"""What is found of the folder of a finished run."""
SYSTEMS = {
    "vae": "VAE, pixels",
    "disl": "VAE, a critic's features",
    "vae-gan": "VAE/GAN",
}
"""What is compared, from element-wise to learned similarity."""
VAE = (
    "task=reconstruction",
    "optimizer.learning_rate=3e-4",
    "optimizer.final_learning_rate=3e-4",
    "optimizer.betas=[0.5, 0.999]",
    "ema=0.999",
    "precision=auto",
)
"""What the recipe `vae` has otherwise than the recipe of VAE/GAN."""


@dataclass(frozen=True)
class Images:
    """What the systems are trained on, and how wide and long."""

    name: str
    file: str
    size: int
    channels: int
    """Of the images."""
    augment: str
    likelihood: str
    """Of a pixel, for the VAE."""
    noise: int
    batch: int
    width: int
    steps: int
    gan_steps: int
    """Of the GAN whose critic is the learned similarity of "disl"."""
    layer: int
    """Which of the critic's maps compares, from 1: one with about as many values as the image."""

    def settings(self, name: str, smoke: bool) -> list[str]:
        """What every run has; the encoder's and the decoder's widths, steps."""
        steps = self.gan_steps if name == "gan" else self.steps
        noise = f"latent.noise={100 if name == 'gan' else self.noise}"
        width = 4 if smoke else self.width
        settings = [f"data.size={self.size}", f"data.channels={self.channels}", f"data.augment={self.augment}", noise]
        settings.append("data.binarise=none")
        settings += [f"generator={{name='dcgan', channels={width}}}", f"data.batch={4 if smoke else self.batch}"]
        settings += [f"steps={2 if smoke else steps}", f"validation.every={2 if smoke else 2000}"]
        if name != "gan":
            settings.append(f"encoder={{layout='convolutional', channels={width}}}")
        if name in ("gan", "vae-gan"):
            settings.append(f"critic.channels={width}")
        if name == "vae-gan":
            settings.append(f"variant.layer={self.layer - 1}")
        return settings

    def plan(self, exp: Experiment, name: str) -> tuple[str, str, Path, list[str]]:
        """A run's folder, recipe, images and settings."""
        settings = self.settings(name, exp.smoke)
        recipe = {"gan": "dcgan", "vae-gan": "vae-gan"}.get(name, "vae")
        if name == "vae":
            settings += [*VAE, f"variant.likelihood={self.likelihood}"]
        if name == "disl":
            critic = json.dumps(str(exp.work / self.folder("gan")))
            settings += [*VAE, "weights={nll=0.0, kl=1.0, perceptual=1.0}"]
            settings += [f"perceptual.weights={critic}", f"perceptual.layers={{map{self.layer}=1.0}}"]
            settings += ["perceptual.network=critic", "perceptual.distance=euclidean"]
        return self.folder(name), recipe, images_of(exp, self.file), settings

    def runs(self, exp: Experiment, measure: Measure) -> dict[str, Values]:
        """What is measured of the systems, trained now as far as time allows."""
        found = {name: exp.measured(*self.plan(exp, name), measure) for name in ("vae", "vae-gan")}
        folder, _, _, settings = disl = self.plan(exp, "disl")
        if exp.knows(folder, settings) or exp.trained(*self.plan(exp, "gan")) is not None:
            found["disl"] = exp.measured(*disl, measure)
        return {name: values for name in SYSTEMS if (values := found.get(name)) is not None}

    def folder(self, name: str) -> str:
        """Of a run, in the experiment's."""
        return f"{self.name}-{name}"


MNIST = Images("mnist", "mnist.npz", 28, 1, "none", "bernoulli", 32, 64, 24, 10_000, 5_000, 2)
FLOWERS = Images("flowers", "flowers64.npz", 48, 3, "flips", "gaussian", 128, 32, 24, 8_000, 4_000, 2)


SR = (
    "data.patch=24",
    "data.batch=8",
    "ema=0.98",
    "optimizer.warmup=20",
    "optimizer.final_learning_rate=1e-4",
    "validation.images=8",
    "weights.phase_balance=0.1",  # the last two are against checkerboards
    "weights.phase_bias=10.0",
)
"""What both super-resolvers have."""
SR_VAE_GAN = (
    "variant=vae-gan",
    "critic={name='dcgan', channels=16}",
    "latent.noise=16",
    "encoder.channels=16",
    "weights.kl=1e-4",
    "weights.similarity_encoder=1e-3",
    "weights.similarity_decoder=2e-5",
    "weights.adversarial=0.002",
)
"""VAE/GAN's own: about a fifth of the decoder's gradient."""


def super_resolver(exp: Experiment, name: str, measure: Measure) -> Values | None:
    """What is measured of "control", without a system, or of "vae-gan", both from x4-fidelity; None without time."""
    vgg = json.dumps(str(exp.data / "weights" / paths.NETWORKS["perceptual"]))
    steps = 1 if exp.smoke else 400
    settings = [*SR, f"perceptual.weights={vgg}", f"steps={steps}", *(SR_VAE_GAN if name == "vae-gan" else ())]
    if exp.smoke:
        settings += ["data.batch=2", "validation.images=1"]
    images = exp.data / ("sr_test/Set5/HR" if exp.smoke else "sr_train")
    return exp.measured(f"sr-{name}", "perceptual-x4", images, settings, measure)
