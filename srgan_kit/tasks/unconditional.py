"""Unconditional generation: noise and codes in, images out."""

from pathlib import Path

import torch
from torch import Tensor

from srgan_kit.contracts import Batch, Sample
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import grid, save_sheet
from srgan_kit.metrics.samples import pairwise_diversity, ratio_to_real, sharpness
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.content import Content
from srgan_kit.tasks.image_data import ImageData

MEASURED = 64
"""Images that a validation makes and compares."""


class Unconditional:
    """The task as the loop sees it: see `tasks.Task`."""

    condition = None

    def __init__(self, recipe: Recipe, device: torch.device, run: Path) -> None:
        self.recipe = recipe
        self.data = ImageData(recipe, device, run)
        self.content = Content(recipe, device)
        self.examples, self.classes = self.data.examples, self.data.classes
        self.skipped, self.notes = self.data.skipped, self.data.notes
        self.batch, self.held_out, self.describe = self.data.batch, self.data.held_out, self.data.describe

    @property
    def labelled(self) -> bool:
        """Whether a training image has a label."""
        return self.data.labelled_images > 0

    def fingerprint(self) -> str:
        """A digest of the training images."""
        return self.data.fingerprint

    def content_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The content terms of the reconstructions, where a variant makes them."""
        return self.content(batch, sample)

    @torch.no_grad()
    def validate(self, model: Model) -> dict[str, float]:
        """Diversity and sharpness of generated images, as fractions of those of real images; noise raises both."""
        real = self.held_out(MEASURED)
        if real is None or len(real.image) < 2 or model.autoregressive:  # those draw too slowly to be measured often
            return {}
        fake = fixed_images(model, len(real.image), real.image.device).clamp(0, 1)
        measures = {"diversity": pairwise_diversity} | ({"sharpness": sharpness} if self.recipe.data.size > 2 else {})
        there = {name: measure for name, measure in measures.items() if measure(real.image)}  # black images have none
        return {name: ratio_to_real(measure, fake, real.image) for name, measure in there.items()}

    @torch.no_grad()
    def sheet(self, model: Model, path: Path) -> None:
        """Images of fixed noise, the same for every sheet."""
        count = 16 if model.autoregressive else 64
        save_sheet(
            grid(fixed_images(model, count, self.data.device)), ("generated from the same noise each time",), path
        )


def fixed_images(model: Model, count: int, device: torch.device) -> Tensor:
    """Images of noise and codes that depend on nothing."""
    generator = torch.Generator().manual_seed(0)
    noise, codes = model.draw(count, device, generator)
    return model.generate(model.vector(noise, codes), count=count, generator=generator)
