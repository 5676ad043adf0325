"""Content terms: what compares a generated image with the real one, the same for every task. `TERMS` has them all."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.images.resize import resize
from srgan_kit.losses import (
    CharbonnierLoss,
    ColorConsistencyLoss,
    ContextualLoss,
    FeatureLoss,
    FocalFrequencyLoss,
    HuberLoss,
    LocalDiscriminativeLoss,
    MSSSIMLoss,
    SobelLoss,
    SSIMLoss,
    StationaryWaveletLoss,
    StyleLoss,
    consistency,
    fourier_l1,
    l1,
    maximum_mean_discrepancy,
    moment_matching,
    mse,
    phase_balance,
    phase_bias,
    phase_evenness,
    total_variation,
)
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.comparators import Compared, SharedNetwork, dists_term, lpips_term, shared_network
from srgan_kit.tasks.distillation import Distillation

Needs = Literal["output", "real image", "scale", "input", "settings", "network", "average", "batch", "teacher"]


@dataclass(frozen=True)
class Term:
    """A row of `TERMS`: how a content term is computed, and what it needs for that.

    Images are (N, C, H, W) float in [0, 1], nominally: outputs are in fp32, whatever precision the run has, and not
    clamped. `needs` says what `compute` is:

    - "output": (output) -> scalar;
    - "real image": (output, real image) -> scalar;
    - "scale": (output, real image, upscaling factor) -> scalar; super-resolution only;
    - "input": (output, low-resolution input) -> scalar; super-resolution only;
    - "settings": (recipe) -> a module (output, real image) -> scalar, which stores what the recipe says of it;
    - "network": (recipe, the network of `[perceptual]`) -> such a module, whose extractor that network is;
    - "average": (recipe) -> a module (output, real image, output of the averaged generator, or None) -> scalar;
    - "batch": (recipe) -> a function (real images, outputs) -> scalar, which compares the two batches, not pairs;
    - "teacher": (recipe, device) -> a module (output, low-resolution input) -> scalar; super-resolution only.
    """

    compute: Callable[..., Any]
    """The loss, or what makes the module that is the loss."""
    needs: Needs = "real image"
    """What it is called with."""

    @property
    def paired(self) -> bool:
        """Whether it means something only where the output should be the real image."""
        return self.needs not in ("output", "batch")

    @property
    def super_resolution_only(self) -> bool:
        """Whether it depends on the input that is upscaled, and so on the upscaling factor."""
        return self.needs in ("scale", "input", "teacher")


def bicubic_consistency(fake: Tensor, low: Tensor) -> Tensor:
    """Distance between the output, reduced by the bicubic, and the input: (N, C, H, W), (N, C, h, w) -> scalar."""
    scale = fake.shape[-1] // low.shape[-1]
    return consistency(fake, low, lambda image: resize(image, 1 / scale))


def perceptual_term(recipe: Recipe, network: SharedNetwork) -> FeatureLoss:
    """The recipe's feature loss, as `[perceptual]` says."""
    return FeatureLoss(network, recipe.perceptual.layers, recipe.perceptual.distance)


def style_term(recipe: Recipe, network: SharedNetwork) -> StyleLoss:
    """The recipe's style loss, as `[style]` says."""
    return StyleLoss(recipe.style.layers, extractor=network)


def contextual_term(recipe: Recipe, network: SharedNetwork) -> ContextualLoss:
    """The recipe's contextual loss, as `[contextual]` says."""
    return ContextualLoss(recipe.contextual.layers, recipe.contextual.bandwidth, extractor=network)


def module_with(loss: Callable[..., Any], table: str) -> Callable[[Recipe], Any]:
    """Makes the loss with the settings of a recipe's table."""
    return lambda recipe: loss(**getattr(recipe, table).model_dump())


def function_with(function: Callable[..., Tensor], table: str) -> Callable[[Recipe], Callable[..., Tensor]]:
    """The function with the settings of a recipe's table."""
    return lambda recipe: partial(function, **getattr(recipe, table).model_dump())


TERMS: dict[str, Term] = {
    "charbonnier": Term(module_with(CharbonnierLoss, "charbonnier"), needs="settings"),
    "fourier": Term(fourier_l1),
    "mse": Term(mse),
    "pixel": Term(l1),
    "total_variation": Term(total_variation, needs="output"),
    "perceptual": Term(perceptual_term, needs="network"),
    "lpips": Term(lpips_term, needs="settings"),
    "consistency": Term(bicubic_consistency, needs="input"),
    "distillation": Term(Distillation, needs="teacher"),
    "phase_balance": Term(phase_balance, needs="scale"),
    "phase_bias": Term(phase_bias, needs="scale"),
    "phase_evenness": Term(phase_evenness, needs="scale"),
    "huber": Term(module_with(HuberLoss, "huber"), needs="settings"),
    "ssim": Term(SSIMLoss()),
    "ms_ssim": Term(module_with(MSSSIMLoss, "ms_ssim"), needs="settings"),
    "focal_frequency": Term(module_with(FocalFrequencyLoss, "focal_frequency"), needs="settings"),
    "stationary_wavelet": Term(module_with(StationaryWaveletLoss, "stationary_wavelet"), needs="settings"),
    "sobel": Term(module_with(SobelLoss, "sobel"), needs="settings"),
    "color_consistency": Term(module_with(ColorConsistencyLoss, "color_consistency"), needs="settings"),
    "local_discriminative": Term(module_with(LocalDiscriminativeLoss, "local_discriminative"), needs="average"),
    "style": Term(style_term, needs="network"),
    "contextual": Term(contextual_term, needs="network"),
    "dists": Term(dists_term, needs="settings"),
    "moment_matching": Term(function_with(moment_matching, "moment_matching"), needs="batch"),
    "maximum_mean_discrepancy": Term(
        function_with(maximum_mean_discrepancy, "maximum_mean_discrepancy"), needs="batch"
    ),
}
"""Every content term, by the name that `[weights]` gives it, in the order in which the terms of a run are summed.

One with settings has a table of its name in the recipe, if it is named after a loss; `recipes/terms.py` has them."""


def terms_of(recipe: Recipe) -> dict[str, Term]:
    """Those that the recipe gives a weight other than 0."""
    return {name: term for name, term in TERMS.items() if recipe.generator_weights.get(name)}


class Content(nn.Module):
    """The content terms that the recipe gives a weight other than 0.

    Raises:
        UserError: a comparing network or teacher whose weights cannot be had, settings that a loss cannot have, terms
            that the task has no use for.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.terms = terms_of(recipe)
        self.upscales = recipe.task == "super-resolution"
        for name, term in self.terms.items():
            if term.super_resolution_only and recipe.task != "super-resolution":
                raise UserError(f"recipe: weights.{name} depends on an upscaling factor: super-resolution only")
        looking = [name for name, term in self.terms.items() if term.needs == "network"]
        self.network = shared_network(recipe, looking).to(device) if looking else None
        self.losses: dict[str, Callable[..., Tensor]] = {}
        self.networks = nn.ModuleDict()
        for name, term in self.terms.items():
            loss = self._loss(name, term, recipe, device)
            self.losses[name] = loss
            if isinstance(loss, nn.Module):
                self.networks[name] = loss.to(device)

    def _loss(self, name: str, term: Term, recipe: Recipe, device: torch.device) -> Callable[..., Tensor]:
        """What the term is called as."""
        try:
            if term.needs == "network":
                assert self.network is not None
                return Compared(self.network, term.compute(recipe, self.network))
            if term.needs == "teacher":
                return term.compute(recipe, device)
            return term.compute(recipe) if term.needs in ("settings", "average", "batch") else term.compute
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"recipe: {name}.{error}") from None

    def forward(self, batch: Batch, sample: Sample, known: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The terms by name, each the mean over the images that should be the real one.

        Where nothing but a code is given, that is the reconstruction alone, if there is one. In super-resolution the
        image of the prior's code should be the real one too, for users upscale without the posterior: the hybrid
        objective of Sohn et al. 2015, "Learning structured output representation using deep conditional generative
        models". Terms that compare batches are of the images that a critic would judge.

        Args:
            batch: the real images.
            sample: what was made.
            known: the real images' features in the comparator of `perceptual`, where the task has them.

        Raises:
            ValueError: the images are too small for a comparing network, or for a term against checkerboards.
        """
        images = [sample.paired.float()]
        if self.upscales and sample.reconstruction is not None:
            images.append(sample.image.float())
        terms: dict[str, Tensor] = {}
        with self.network.remembering() if self.network else nullcontext():
            for name, term in self.terms.items():
                if term.needs == "batch":
                    terms[name] = self.losses[name](batch.image, sample.image)
                    continue
                features = known if name == "perceptual" else None
                values = [self._value(name, term, image, batch, sample.average, features) for image in images]
                terms[name] = values[0] if len(values) == 1 else torch.stack(values).mean()
        return terms

    def _value(
        self,
        name: str,
        term: Term,
        fake: Tensor,
        batch: Batch,
        average: Tensor | None,
        known: Mapping[str, Tensor] | None,
    ) -> Tensor:
        real, low = batch.image, batch.condition
        inputs: list[Tensor | Mapping[str, Tensor] | int | None] = [fake, real]
        if term.needs == "output":
            inputs = [fake]
        elif term.needs == "average":
            inputs.append(average)
        elif term.needs == "network":
            inputs.append(known)
        elif term.super_resolution_only:
            assert low is not None  # super-resolution always has one
            inputs = [fake, real, real.shape[-1] // low.shape[-1]] if term.needs == "scale" else [fake, low]
        try:
            return self.losses[name](*inputs)
        except ValueError as error:
            size = "data.patch" if self.upscales else "data.size"
            hint = f"; a larger {size} makes them larger" if "at least" in str(error) else ""
            raise ValueError(f"weights.{name}: {error}{hint}") from None
