"""Reconstruction: an image's code, or its features in a frozen network, in; the image out."""

from pathlib import Path

import torch
from torch import Tensor

from srgan_kit.config import Recipe
from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.losses import mse
from srgan_kit.pictures import grid, save_picture
from srgan_kit.tasks.content import Content, comparator, rgb
from srgan_kit.tasks.squares import SquareData

MEASURED = 64
"""Images that a validation reconstructs."""


class Reconstruction:
    """The task as the loop sees it: see `tasks.Task`."""

    def __init__(self, recipe: Recipe, device: torch.device, run: Path) -> None:
        self.recipe = recipe
        self.data = SquareData(recipe, device, run)
        self.content = Content(recipe, device)
        self.examples, self.classes, self.skipped = self.data.examples, self.data.classes, self.data.skipped
        self.describe = self.data.describe
        self.condition: tuple[int, int] | None = None
        self._features = None
        if recipe.reconstruction.source == "features":
            self._features = comparator(recipe.perceptual).to(device)
            layers = list(recipe.perceptual.layers)
            self._layer = recipe.reconstruction.layer or layers[-1]
            if self._layer not in layers:
                raise UserError(
                    f"recipe: reconstruction.layer: expected one of {', '.join(layers)}, got {self._layer!r}"
                )
            maps = self._invert(torch.zeros(1, recipe.data.channels, recipe.data.size, recipe.data.size, device=device))
            assert maps is not None
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
        """Of the reconstructions."""
        return self.content(batch, sample)

    @torch.no_grad()
    def validate(self, model: Model) -> dict[str, float]:
        """PSNR of the reconstructions over all channels, in dB, the mean over images."""
        batch = self.held_out(1 if model.autoregressive else MEASURED)
        if batch is None:
            return {}
        made = model.reconstruct(batch.image, batch.condition).clamp(0, 1)
        errors = torch.stack([mse(a, b) for a, b in zip(made, batch.image, strict=True)])
        return {"psnr": float(-10 * errors.clamp(min=1e-10).log10().mean())}

    @torch.no_grad()
    def sheet(self, model: Model, path: Path) -> None:
        """Held-out images, each with its reconstruction below it."""
        batch = self.held_out(4 if model.autoregressive else 16)
        if batch is None:
            return
        made = model.reconstruct(batch.image, batch.condition)
        rows = [row for pair in zip(batch.image.split(8), made.split(8), strict=True) for row in pair]
        save_picture(grid(torch.cat(rows), columns=len(rows[0])), path)

    @torch.no_grad()
    def _invert(self, image: Tensor) -> Tensor | None:
        return None if self._features is None else self._features.features_of(rgb(image))[self._layer].float()

    def _with_features(self, batch: Batch) -> Batch:
        batch.condition = self._invert(batch.image)
        return batch
