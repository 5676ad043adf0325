"""Reconstruction: an image's code, or its features in a frozen network, in; the image out."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import below_each_other, save_sheet
from srgan_kit.metrics.psnr_ssim import psnr
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.comparators import comparator, rgb
from srgan_kit.tasks.content import Content
from srgan_kit.tasks.image_data import ImageData
from srgan_kit.tasks.measures import PerceptualFigure

MEASURED = 64
"""Images that a validation reconstructs."""


class Reconstruction:
    """The task as the loop sees it: see `tasks.Task`."""

    def __init__(self, recipe: Recipe, device: torch.device, run: Path) -> None:
        self.recipe = recipe
        self.data = ImageData(recipe, device, run)
        self.content = Content(recipe, device)
        self.examples, self.classes = self.data.examples, self.data.classes
        self._perceptual = PerceptualFigure(recipe, device)
        self.skipped, self.notes = self.data.skipped, [*self.data.notes, *self._perceptual.notes]
        self.describe = self.data.describe
        self.condition: tuple[int, int] | None = None
        self._features = features_to_invert(recipe, device) if recipe.reconstruction.source == "features" else None
        if self._features is not None:
            size = recipe.data.size
            maps = self._features(torch.zeros(1, recipe.data.channels, size, size, device=device))
            self.condition = (maps.shape[1], maps.shape[2])

    @property
    def labelled(self) -> bool:
        """Whether a training image has a label."""
        return self.data.labelled_images > 0

    def fingerprint(self) -> str:
        """A digest of the training images."""
        return self.data.fingerprint

    def batch(self, items: tuple[Tensor, Tensor]) -> Batch:
        """uint8 images and labels -> a batch with the features to invert."""
        return self._with_features(self.data.batch(items))

    def held_out(self, count: int) -> Batch | None:
        """Some of the images held out."""
        batch = self.data.held_out(count)
        return None if batch is None else self._with_features(batch)

    def content_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The content terms of the reconstructions; features that were inverted are not computed again."""
        layers = list(self.recipe.perceptual.layers)
        if self._features is None or batch.condition is None or len(layers) > 1:
            return self.content(batch, sample)
        return self.content(batch, sample, {layers[0]: batch.condition / self.recipe.reconstruction.scale})

    @torch.no_grad()
    def validate(self, model: Model) -> dict[str, float]:
        """PSNR of the reconstructions over all channels, in dB, and LPIPS where the run is about looks: means."""
        batch = self.held_out(1 if model.autoregressive else MEASURED)
        if batch is None:
            return {}
        made = model.reconstruct(batch.image, batch.condition).clamp(0, 1)
        return {"psnr": float(psnr(made, batch.image).mean()), **self._perceptual(made, batch.image)}

    @torch.no_grad()
    def sheet(self, model: Model, path: Path) -> None:
        """Held-out images, each with its reconstruction below it."""
        batch = self.held_out(4 if model.autoregressive else 16)
        if batch is None:
            return
        pairs = below_each_other(batch.image, model.reconstruct(batch.image, batch.condition))
        save_sheet(pairs, ("held-out images, each above its reconstruction",), path)

    def _with_features(self, batch: Batch) -> Batch:
        if self._features is not None:
            batch.condition = self._features(batch.image)
        return batch


def features_to_invert(recipe: Recipe, device: torch.device) -> Callable[[Tensor], Tensor]:
    """From images (N, 1 or 3, H, W) in [0, 1] to the comparator's features that the recipe inverts, scaled.

    Raises:
        UserError: the comparator's weights cannot be had, or it does not compare the layer.
    """
    layers = list(recipe.perceptual.layers)
    layer = recipe.reconstruction.layer or layers[-1]
    if layer not in layers:
        raise UserError(f"recipe: reconstruction.layer: expected one of {', '.join(layers)}, got {layer!r}")
    network = comparator(recipe.perceptual).to(device)

    @torch.no_grad()
    def features(image: Tensor) -> Tensor:
        return network.features_of(rgb(image))[layer].float() * recipe.reconstruction.scale

    return features
