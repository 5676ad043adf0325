"""Training and held-out images of the tasks unconditional and reconstruction, as batches."""

from pathlib import Path

import torch
from torch import Tensor

from srgan_kit.contracts import Batch
from srgan_kit.data.holdout import ALONE
from srgan_kit.data.image_dataset import DatasetSettings, load_dataset
from srgan_kit.data.image_folder import Skipped
from srgan_kit.errors import UserError
from srgan_kit.recipes.schema import Recipe


class ImageData:
    """Training images and held-out ones, of a folder or an .npz file.

    Raises:
        UserError: no data were given, or they cannot be used.
    """

    def __init__(self, recipe: Recipe, device: torch.device, run: Path) -> None:
        settings, labels = recipe.data, recipe.labels
        if not settings.all_sources:
            raise UserError("no training images: give --data DIR or FILE.npz (or data.folder in the recipe)")
        if settings.augment == "flips-and-rotations":
            raise UserError(f"recipe: data.augment: {recipe.task} takes 'none' or 'flips', got 'flips-and-rotations'")
        if settings.channels == 2:
            raise UserError("recipe: data.channels: images have 3 (RGB) or 1 (grey), got 2, which are points'")
        dataset = DatasetSettings(
            size=settings.size,
            channels=settings.channels,
            seed=recipe.seed,
            holdout=recipe.validation.holdout,
            holdout_part=recipe.validation.holdout_part,
            augment=settings.augment,
            labelled=labels.amount,
            labelled_draws=labels.draws(settings),
            label_seed=labels.seed,
            binarise=settings.binarise,
            mixture=settings.mixture,
        )
        loaded = load_dataset([source.folder for source in settings.all_sources], dataset, leave_out=run)
        self.device = device
        self.examples, self.held, self.classes = loaded.train, loaded.held_out, loaded.classes
        self.skipped: list[Skipped] = loaded.train.skipped
        self.notes = [ALONE] if loaded.alone else []
        self.fingerprint = loaded.train.fingerprint()
        # Test sets are often sorted by class: a few of them must be a sample of all.
        self._order = torch.randperm(len(self.held.images), generator=torch.Generator().manual_seed(recipe.seed))
        self.labelled_images = int((loaded.train.labels >= 0).sum())

    def describe(self) -> str:
        """How many images there are."""
        classes = f" ({self.labelled_images} labelled, in {len(self.classes)} classes)" if self.classes else ""
        held = len(self.held.images)
        return f"{len(self.examples)} training images, {held} held out, {len(self.skipped)} skipped{classes}"

    def batch(self, items: tuple[Tensor, Tensor]) -> Batch:
        """uint8 images and labels -> a batch."""
        image, label = items
        return Batch(image=as_floats(image, self.device), label=label.to(self.device))

    def held_out(self, count: int, start: int = 0) -> Batch | None:
        """Some of the images held out, in an order of the run's seed."""
        part = self._order[start : start + count]
        images = self.held.images[part]
        return self.batch((images, self.held.labels[part])) if len(images) else None


def as_floats(image: Tensor, device: torch.device) -> Tensor:
    """uint8 -> float in [0, 1]; floats, such as crops of 16-bit images and points in the plane, as they are."""
    image = image.to(device, non_blocking=True)
    if image.is_floating_point():
        return image.contiguous(memory_format=torch.channels_last)
    return image.to(torch.float32, memory_format=torch.channels_last).div_(255)
