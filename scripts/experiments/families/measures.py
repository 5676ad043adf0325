"""What is measured of a trained model of each family."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from scripts.experiments.families.digits import Classifier, Digits
from scripts.experiments.families.plans import Family
from scripts.lib.generative_measures import TESTED, Measured, bounds
from srgan_kit import losses
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import grid, save_image
from srgan_kit.metrics.frechet import frechet_distance_of
from srgan_kit.metrics.samples import (
    class_usage,
    nearest_training_distance,
    pairwise_diversity,
    ratio_to_real,
    sharpness,
)
from srgan_kit.models.generative import SavedModel

SAMPLES = 512
"""Images drawn of every model."""
TIMED = 64
"""Of which so many in the batch whose time is taken."""
NEIGHBOURS = 256
"""Samples whose nearest training image is looked for."""
SHOWN = 40
"""Samples of each family in the image."""


def exact(model: Model, image: Tensor) -> Measured:
    """-log p of test images in nats."""
    nats = [losses.categorical_pixel_nll(model.decoder(part), part) * len(part) for part in image.split(100)]
    return {"nats": (torch.stack(nats).sum() / len(image)).item()}


LIKELIHOOD: dict[str, Callable[[Model, Tensor], Measured]] = {
    "bound": bounds,
    "exact": exact,
    "none": lambda model, image: {},
}


def draw(model: Model, count: int, random: torch.Generator) -> Tensor:
    """Images (N, 1, 28, 28): a GAN's, a VAE's mean of each pixel, an autoregressive model's draws."""
    noise, codes = model.draw(count, torch.device("cpu"), random)
    return model.generate(model.vector(noise, codes), count=count, generator=random)


def sample(model: Model) -> tuple[Tensor, float]:
    """SAMPLES images, and the core seconds for each in a batch of TIMED."""
    random = torch.Generator().manual_seed(0)
    if not model.autoregressive:
        draw(model, TIMED, random)  # warms up
    start = time.process_time()
    images = [draw(model, TIMED, random)]
    seconds = (time.process_time() - start) / TIMED
    images.append(draw(model, SAMPLES - TIMED, random))
    return torch.cat(images), seconds


def compare(images: Tensor, digits: Digits, network: Classifier) -> Measured:
    """What samples are like, beside held-out images: sharpness of the images as they are, the rest of binary ones."""
    real = digits.test[:SAMPLES]
    binary = (images >= 0.5).float()
    logits = network(binary)
    share = logits.argmax(1).bincount(minlength=10) / len(binary)
    near, held = (
        nearest_training_distance(each[:NEIGHBOURS], digits.train)[0].mean().item() for each in (binary, real)
    )
    return {
        "sharpness": ratio_to_real(sharpness, images, real),
        "diversity": ratio_to_real(pairwise_diversity, binary, real),
        "frechet": frechet_distance_of(network.features(binary), network.features(digits.test[SAMPLES:])),
        "classes": float((share >= 0.01).sum()),
        "entropy": class_usage(logits).entropy,
        "sure": (logits.softmax(1).amax(1) >= 0.9).float().mean().item(),
        "nearest": near / held,
    }


def failure(measured: Measured) -> str:
    """Why a seed counts as failed; empty if it does not."""
    if float(measured["diversity"]) < 0.5:
        return "diversity below half of the real images'"
    return "fewer than eight classes" if float(measured["classes"]) < 8 else ""


@torch.no_grad()
def measure(saved: SavedModel, family: Family, digits: Digits, network: Classifier, folder: Path) -> Measured:
    """Everything about one trained model."""
    model = saved.model
    measured: Measured = {
        "parameters": float(sum(each.numel() for each in model.decoder.parameters())),
        "encoder": float(sum(each.numel() for each in model.encoder.parameters()) if model.encoder else 0),
        **LIKELIHOOD[family.likelihood](model, digits.test[:TESTED]),
    }
    images, measured["sampling"] = sample(model)
    measured |= compare(images, digits, network)
    if family.likelihood == "bound":  # a true sample draws every pixel too
        drawn = torch.bernoulli(images, generator=torch.Generator().manual_seed(0))
        measured |= {f"drawn_{name}": value for name, value in compare(drawn, digits, network).items()}
    save_image(grid(images[:SHOWN], columns=20, gap=0, smallest_side=1), folder / "samples.png")
    return measured


@torch.no_grad()
def baseline(digits: Digits, network: Classifier) -> Measured:
    """The same measures of training images in the place of samples, and of the classifier."""
    right = (network(digits.test).argmax(1) == digits.test_label).float().mean().item()
    measured = compare(digits.train[:SAMPLES], digits, network)
    del measured["nearest"]  # they are training images themselves
    return {**measured, "accuracy": right}
