"""Terms that compare the generated image with the real one: those of content, the same for every task."""

from pathlib import Path

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
from srgan_kit.tasks.distillation import Distillation

PLAIN = {
    "pixel": l1,
    "mse": mse,
    "charbonnier": charbonnier,
    "fourier": fourier_l1,
    "total_variation": lambda fake, real: total_variation(fake),
}
"""Content terms that need no network: (fake, real), each (N, C, H, W) in [0, 1], -> scalar."""
OF_PHASE = {"phase_balance": phase_balance, "phase_bias": phase_bias, "phase_evenness": phase_evenness}
"""Content terms against the checkerboard artifact: (fake, real, scale) -> scalar."""
OF_SCALE = frozenset({"consistency", "distillation", *OF_PHASE})
"""Those that depend on the input that is upscaled, and so on the upscaling factor."""
NAMES = frozenset({*PLAIN, *OF_SCALE, "perceptual", "lpips"})
PAIRED = NAMES - {"total_variation"}
"""Those that mean something only where the generated image should be the real one."""


class Content(nn.Module):
    """The content terms that the recipe gives a weight other than 0.

    Raises:
        UserError: a comparator or teacher whose weights cannot be had; terms that the task has no use for.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.names = sorted(name for name in NAMES if recipe.generator_weights.get(name))
        of_scale = sorted(OF_SCALE & {*self.names})
        if of_scale and recipe.task != "super-resolution":
            raise UserError(f"recipe: weights.{of_scale[0]} depends on an upscaling factor: super-resolution only")
        self.comparing = nn.ModuleDict()
        self.translation: dict[str, int] = {}
        if "perceptual" in self.names:
            self.comparing["perceptual"] = comparator(recipe.perceptual).to(device)
            self.translation["perceptual"] = recipe.perceptual.translation
        if "lpips" in self.names:
            self.comparing["lpips"] = lpips(recipe.lpips).to(device)
            self.translation["lpips"] = recipe.lpips.translation
        self.distillation = Distillation(recipe, device) if "distillation" in self.names else None

    def forward(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The terms by name.

        Raises:
            ValueError: the images are too small for a comparing network, or for a term against checkerboards.
        """
        fake, real = sample.paired, batch.image
        terms = {name: PLAIN[name](fake.float(), real) for name in self.names if name in PLAIN}
        for name, network in self.comparing.items():
            terms[name] = network(*(rgb(image) for image in _translated(self.translation[name], fake, real)))
        if OF_SCALE.isdisjoint(self.names):
            return terms
        return terms | self._of_scale(fake.float(), batch)

    def _of_scale(self, fake: Tensor, batch: Batch) -> dict[str, Tensor]:
        low = batch.condition
        assert low is not None  # super-resolution always has one
        scale = batch.image.shape[-1] // low.shape[-1]
        terms: dict[str, Tensor] = {}
        if "consistency" in self.names:
            terms["consistency"] = consistency(fake, low, lambda image: resize(image, 1 / scale))
        if self.distillation is not None:
            terms["distillation"] = self.distillation(fake, low)
        for name in self.names:
            if name in OF_PHASE:
                try:
                    terms[name] = OF_PHASE[name](fake, batch.image, scale)
                except ValueError as error:
                    raise ValueError(f"weights.{name}: {error}; a larger data.patch makes them larger") from None
        return terms


def _translated(largest: int, *images: Tensor) -> tuple[Tensor, ...]:
    """Partners shifted alike, at random; the run seeds the global generator before each step."""
    if not largest:
        return images
    shifts = draw_shifts(len(images[0]), largest)
    return tuple(shifted(image, shifts, largest) for image in images)


def comparator(config: PerceptualConfig) -> FeatureLoss | VGGFeatureLoss:
    """The recipe's feature loss.

    Raises:
        UserError: the weights cannot be had or do not reach the layers asked for.
    """
    try:
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
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "weights_only" in str(error) or "Weights only" in said:  # torch's advice is to have the file run code
        said = f"{weights}: damaged, or more than weights (code is never run)"
    if weights is None and "layer" not in said.partition(":")[0]:
        said += f" Here the key is {table}.weights: --set {table}.weights=FILE"
    return UserError(f"recipe: {table}: {said}")


def rgb(image: Tensor) -> Tensor:
    """(N, 1 or 3, H, W) -> (N, 3, H, W)."""
    return image.expand(-1, 3, -1, -1)
