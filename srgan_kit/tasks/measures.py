"""How near a generated image is to the real one: PSNR, and a perceptual distance where the run is about looks."""

from pathlib import Path

import torch
from torch import Tensor

from srgan_kit.errors import UserError
from srgan_kit.metrics.lpips import PerceptualDistance, fetched_weights, lpips_like
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.comparators import rgb
from srgan_kit.tasks.content import TERMS

SMALLEST = 17
"""Side of the smallest image that SqueezeNet takes."""


class PerceptualFigure:
    """LPIPS between generated and real images, where the recipe has a critic or a term that compares features.

    Args:
        recipe: says so, and where SqueezeNet's weights are.
        device: where images are compared.

    Raises:
        UserError: the file of weights that the recipe names is none.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.notes: list[str] = []
        """That there is no figure though there should be one."""
        self._distance: PerceptualDistance | None = None
        self._device = device
        if not about_looks(recipe):
            return
        weights = _weights(recipe)
        if weights is None:
            self.notes.append(
                "no LPIPS beside PSNR: SqueezeNet's weights are not at hand; validation.lpips_weights names their file"
            )
            return
        try:
            self._distance = lpips_like(weights).to(device)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"recipe: validation.lpips_weights: {error}") from None
        self._name = "lpips" if self._distance.name.startswith("LPIPS (") else "lpips_like"

    def __call__(self, images: Tensor, originals: Tensor) -> dict[str, float]:
        """The mean distance by its name; nothing where it is not measured, or images are too small for it.

        Two (N, 1 or 3, H, W), float in [0, 1] or uint8.
        """
        if self._distance is None or min(images.shape[-2:]) < SMALLEST:
            return {}
        with torch.autocast(self._device.type, enabled=False):  # whatever the run computes in
            return {self._name: float(self._distance(rgb(images), rgb(originals)).mean())}


def about_looks(recipe: Recipe) -> bool:
    """Whether PSNR alone says too little: there is a critic, or a term that compares features."""
    looking = {"lpips", "dists"} | {name for name, term in TERMS.items() if term.needs == "network"}
    return recipe.critic is not None or any(recipe.generator_weights.get(name) for name in looking)


def mean_of_each(figures: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every figure over the images that have it."""
    names = dict.fromkeys(name for each in figures for name in each)
    columns = {name: [each[name] for each in figures if name in each] for name in names}
    return {name: sum(column) / len(column) for name, column in columns.items()}


def _weights(recipe: Recipe) -> Path | None:
    """SqueezeNet's: those that are named for it, those of a term, or torchvision's if they were fetched before."""
    if recipe.validation.lpips_weights is not None:
        return recipe.validation.lpips_weights
    if recipe.lpips.network == "squeeze" and recipe.lpips.weights is not None:
        return recipe.lpips.weights
    return fetched_weights()
