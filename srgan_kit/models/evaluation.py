"""What can be measured of a trained generator on test images: likelihoods, or how samples and reconstructions are."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.losses import bits_per_dimension
from srgan_kit.metrics.likelihood import bounds, exact_nll, mean_and_error
from srgan_kit.metrics.psnr_ssim import psnr
from srgan_kit.metrics.samples import pairwise_diversity, ratio_to_real, sharpness
from srgan_kit.models.generative import SavedModel

COMPARED = 512
"""Samples that are compared with as many test images."""
STEP = 100
"""Images after which progress is told."""

Progress = Callable[[int], object]
"""Called with the number of images done since the last call."""


@dataclass(frozen=True)
class Measured:
    """A mean over test images, or a ratio to theirs."""

    title: str
    """With its unit."""
    value: float
    error: float | None = None
    """Standard error of the mean; None where it is no mean of independent values."""


def evaluate_generative(
    saved: SavedModel, images: Tensor, samples: int, progress: Progress = lambda done: None
) -> dict[str, Measured]:
    """All that the model has, by name; from test images (N, C, H, W) uint8, which go to its device in parts.

    A variational auto-encoder has `elbo` and `iwae`, upper bounds of -ln p in nats, the second by `samples` codes for
    each image; an autoregressive model has `nll`, which is exact, and `bits_per_dimension`. Others that make images of
    nothing have `diversity` and `sharpness` as parts of the test images', those that make them of an image's code
    `psnr` in dB.

    Raises:
        UserError: a model of which nothing can be measured on images alone.
    """
    recipe, model = saved.recipe, saved.model
    if recipe.task == "super-resolution":
        raise UserError(f"{saved.name} upscales images: see `srgan-kit evaluate HR_DIR -m MODEL`")
    if recipe.task == "reconstruction" and recipe.reconstruction.source == "features":
        raise UserError(f"{saved.name} makes images of features: see `srgan-kit reconstruct`")
    if model.autoregressive:
        nll = _each(lambda part: {"nll": exact_nll(model, part)}, saved, images, progress)["nll"]
        return _exact(nll, images[0].numel(), "-ln p given the code" if model.encoder is not None else "-ln p")
    torch.manual_seed(0)
    found: dict[str, Measured] = {}
    if model.source == "posterior" and recipe.variant.bounds_likelihood:
        values = _each(lambda part: bounds(model, recipe.variant, part, samples), saved, images, progress)
        titles = {"elbo": "-ELBO, nats", "iwae": f"IWAE-{samples}, nats"}
        found = {name: Measured(title, *mean_and_error(values[name])) for name, title in titles.items()}
    if recipe.task == "reconstruction":
        decibels = _each(lambda part: {"psnr": _reconstructed(model, part)}, saved, images, progress)["psnr"]
        return found | {"psnr": Measured("PSNR of reconstructions, dB", *mean_and_error(decibels))}
    return found or _samples(saved, images)


def _each(
    measure: Callable[[Tensor], dict[str, Tensor]], saved: SavedModel, images: Tensor, progress: Progress
) -> dict[str, Tensor]:
    """A measure's values of all images, (N,) by name."""
    found: list[dict[str, Tensor]] = []
    device = _device(saved)
    for part in images.split(STEP):
        found.append({name: value.cpu() for name, value in measure(part.to(device).float() / 255).items()})
        progress(len(part))
    return {name: torch.cat([each[name] for each in found]) for name in found[0]}


def _device(saved: SavedModel) -> torch.device:
    return next(saved.model.parameters()).device


def _exact(nll: Tensor, dimensions: int, title: str) -> dict[str, Measured]:
    mean, error = mean_and_error(nll)
    bits = [bits_per_dimension(value, dimensions) for value in (mean, error)]
    return {"nll": Measured(f"{title}, nats", mean, error), "bits_per_dimension": Measured(f"{title}, bits/dim", *bits)}


def _reconstructed(model: Model, image: Tensor) -> Tensor:
    return psnr(model.reconstruct(image).clamp(0, 1), image)


@torch.no_grad()
def _samples(saved: SavedModel, images: Tensor) -> dict[str, Measured]:
    """Diversity and sharpness of samples as parts of the test images'."""
    model, device = saved.model, _device(saved)
    real = images[:COMPARED].float() / 255
    noise, codes = model.draw(len(real), device, torch.Generator().manual_seed(0))
    latent = model.vector(noise, codes)
    assert latent is not None
    fake = torch.cat([model.generate(part) for part in latent.split(STEP)]).clamp(0, 1).cpu()
    measures = {"diversity": pairwise_diversity, "sharpness": sharpness}
    there = {name: measure for name, measure in measures.items() if len(real) > 1 and measure(real)}
    if not there:
        raise UserError("samples are measured as parts of the test images', which have no detail and do not differ")
    return {
        name: Measured(f"{name}, part of test images'", ratio_to_real(measure, fake, real))
        for name, measure in there.items()
    }
