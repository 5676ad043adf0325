"""Content terms: what compares a generated image with the real one, the same for every task. `TERMS` has them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.images.random_shift import draw_shifts, shifted
from srgan_kit.images.resize import resize
from srgan_kit.losses import (
    FeatureLoss,
    LPIPSLoss,
    SqueezeNetFeatures,
    VGGFeatureLoss,
    charbonnier,
    consistency,
    fourier_l1,
    l1,
    mse,
    phase_balance,
    phase_bias,
    phase_evenness,
    total_variation,
)
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.sections import LPIPSConfig, PerceptualConfig
from srgan_kit.tasks.critic_features import CriticFeatures
from srgan_kit.tasks.distillation import Distillation

Needs = Literal["output", "real image", "scale", "input", "network", "teacher"]


@dataclass(frozen=True)
class Term:
    """A row of `TERMS`: how a content term is computed, and what it needs for that.

    Images are (N, C, H, W) float in [0, 1], nominally: outputs are not clamped. `needs` says what `compute` is:

    - "output": (output) -> scalar;
    - "real image": (output, real image) -> scalar;
    - "scale": (output, real image, upscaling factor) -> scalar; super-resolution only;
    - "input": (output, low-resolution input) -> scalar; super-resolution only;
    - "network": (recipe) -> a module (output, real image) -> scalar, which holds the network that compares them;
    - "teacher": (recipe, device) -> a module (output, low-resolution input) -> scalar; super-resolution only.
    """

    compute: Callable[..., Any]
    """The loss, or what makes the module that is the loss."""
    needs: Needs = "real image"
    """What it is called with."""

    @property
    def paired(self) -> bool:
        """Whether it means something only where the output should be the real image."""
        return self.needs != "output"

    @property
    def super_resolution_only(self) -> bool:
        """Whether it depends on the input that is upscaled, and so on the upscaling factor."""
        return self.needs in ("scale", "input", "teacher")


class RandomlyShifted(nn.Module):
    """A comparing network on RGB images, both shifted alike by up to `largest` pixels, each pair anew.

    The shifts are drawn from the global generator, which the run seeds before each step.
    """

    def __init__(self, network: nn.Module, largest: int) -> None:
        super().__init__()
        self.network, self.largest = network, largest

    def forward(self, fake: Tensor, real: Tensor, known: Mapping[str, Tensor] | None = None) -> Tensor:
        """The network's distance: two (N, 1 or 3, H, W) -> scalar; `known` are the real images' features, unshifted."""
        if known is not None and not self.largest:
            return self.network(rgb(fake), known)
        if self.largest:
            shifts = draw_shifts(len(fake), self.largest)
            fake, real = (shifted(image, shifts, self.largest) for image in (fake, real))
        return self.network(rgb(fake), rgb(real))


def bicubic_consistency(fake: Tensor, low: Tensor) -> Tensor:
    """Distance between the output, reduced by the bicubic, and the input: (N, C, H, W), (N, C, h, w) -> scalar."""
    scale = fake.shape[-1] // low.shape[-1]
    return consistency(fake, low, lambda image: resize(image, 1 / scale))


def perceptual_term(recipe: Recipe) -> RandomlyShifted:
    """The recipe's feature loss, as `[perceptual]` says."""
    return RandomlyShifted(comparator(recipe.perceptual), recipe.perceptual.translation)


def lpips_term(recipe: Recipe) -> RandomlyShifted:
    """The recipe's LPIPS, as `[lpips]` says."""
    return RandomlyShifted(lpips(recipe.lpips), recipe.lpips.translation)


TERMS: dict[str, Term] = {
    "charbonnier": Term(charbonnier),
    "fourier": Term(fourier_l1),
    "mse": Term(mse),
    "pixel": Term(l1),
    "total_variation": Term(total_variation, needs="output"),
    "perceptual": Term(perceptual_term, needs="network"),
    "lpips": Term(lpips_term, needs="network"),
    "consistency": Term(bicubic_consistency, needs="input"),
    "distillation": Term(Distillation, needs="teacher"),
    "phase_balance": Term(phase_balance, needs="scale"),
    "phase_bias": Term(phase_bias, needs="scale"),
    "phase_evenness": Term(phase_evenness, needs="scale"),
}
"""Every content term, by the name that `[weights]` gives it, in the order in which the terms of a run are summed."""


class Content(nn.Module):
    """The content terms that the recipe gives a weight other than 0.

    Raises:
        UserError: a comparing network or teacher whose weights cannot be had; terms that the task has no use for.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.terms = {name: term for name, term in TERMS.items() if recipe.generator_weights.get(name)}
        self.upscales = recipe.task == "super-resolution"
        for name, term in self.terms.items():
            if term.super_resolution_only and recipe.task != "super-resolution":
                raise UserError(f"recipe: weights.{name} depends on an upscaling factor: super-resolution only")
        self.networks = nn.ModuleDict()
        for name, term in self.terms.items():
            if term.needs == "network":
                self.networks[name] = term.compute(recipe).to(device)
            elif term.needs == "teacher":
                self.networks[name] = term.compute(recipe, device)

    def forward(self, batch: Batch, sample: Sample, known: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The terms by name, each the mean over the images that should be the real one.

        Where nothing but a code is given, that is the reconstruction alone, if there is one. In super-resolution the
        image of the prior's code should be the real one too, for users upscale without the posterior: the hybrid
        objective of Sohn et al. 2015, "Learning structured output representation using deep conditional generative
        models".

        Args:
            batch: the real images.
            sample: what was made.
            known: the real images' features in the comparator of `perceptual`, where the task has them.

        Raises:
            ValueError: the images are too small for a comparing network, or for a term against checkerboards.
        """
        images = [sample.paired]
        if self.upscales and sample.reconstruction is not None:
            images.append(sample.image)
        terms: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            features = known if name == "perceptual" else None
            values = [self._value(name, term, image, batch, features) for image in images]
            terms[name] = values[0] if len(values) == 1 else torch.stack(values).mean()
        return terms

    def _value(self, name: str, term: Term, fake: Tensor, batch: Batch, known: Mapping[str, Tensor] | None) -> Tensor:
        real, low = batch.image, batch.condition
        if term.needs == "network":
            return self.networks[name](fake, real) if known is None else self.networks[name](fake, real, known)
        fake = fake.float()
        if term.needs == "output":
            return term.compute(fake)
        if term.needs == "real image":
            return term.compute(fake, real)
        assert low is not None  # super-resolution always has one
        if term.needs == "input":
            return term.compute(fake, low)
        if term.needs == "teacher":
            return self.networks[name](fake, low)
        try:
            return term.compute(fake, real, real.shape[-1] // low.shape[-1])
        except ValueError as error:
            raise ValueError(f"weights.{name}: {error}; a larger data.patch makes them larger") from None


def comparator(config: PerceptualConfig) -> FeatureLoss | VGGFeatureLoss:
    """The recipe's feature loss.

    Raises:
        UserError: the weights cannot be had or do not reach the layers asked for.
    """
    try:
        if config.network == "critic":
            return FeatureLoss(CriticFeatures(config.layers, config.weights), config.layers, config.distance)
        if config.network == "squeezenet":
            return FeatureLoss(SqueezeNetFeatures(config.layers, config.weights), config.layers, config.distance)
        return VGGFeatureLoss(config.layers, config.network, config.distance, config.weights)
    except (ValueError, OSError, RuntimeError) as error:
        raise _unusable("perceptual", config.weights, error) from None


def lpips(config: LPIPSConfig) -> LPIPSLoss:
    """The recipe's LPIPS.

    Raises:
        UserError: the weights cannot be had.
    """
    try:
        return LPIPSLoss(config.network, config.weights)
    except (ValueError, OSError, RuntimeError) as error:
        raise _unusable("lpips", config.weights, error) from None


def _unusable(table: str, weights: Path | None, error: Exception) -> UserError:
    """What is wrong with a comparator, and the key that its weights are given by."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "weights_only" in str(error) or "Weights only" in reason:  # torch's advice is to have the file run code
        reason = f"{weights}: damaged, or more than weights (code is never run)"
    if weights is None and "layer" not in reason.partition(":")[0]:
        reason += f" Here the key is {table}.weights: --set {table}.weights=FILE"
    return UserError(f"recipe: {table}: {reason}")


def rgb(image: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) -> (N, 3, H, W)."""
    return image.expand(-1, 3, -1, -1)
