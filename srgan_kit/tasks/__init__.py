"""What is trained: where images come from, what a generator is given, how it is measured. `build_task` chooses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from srgan_kit.contracts import Batch, Sample
from srgan_kit.data.image_folder import Skipped
from srgan_kit.generators.model import Model
from srgan_kit.recipes.schema import Recipe

__all__ = ["Task", "build_task"]


class Task(Protocol):
    """What the loop needs of a task.

    A script's own task inherits from it and says at least `examples`, `fingerprint`, `describe` and `batch`.
    """

    @property
    def examples(self) -> Dataset[Any]:
        """Sample i for every i from 0 on: a tuple of tensors that `batch` understands once they are collated.

        Where it has a method `batch(indices)`, the collated samples of those numbers come from there, at once.
        """
        ...

    @property
    def condition(self) -> tuple[int, int] | None:
        """(channels, side) of what the generator is given in training; None for nothing."""
        return None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1, ...; empty where there are none."""
        return ()

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Files that were to be images and are not."""
        return ()

    @property
    def notes(self) -> Sequence[str]:
        """Warnings about the data."""
        return ()

    @property
    def labelled(self) -> bool:
        """Whether at least one training image has a label."""
        return False

    def fingerprint(self) -> str:
        """A digest of the training images: a resumed run must have the same."""
        ...

    def describe(self) -> str:
        """How many images there are, for the person watching."""
        ...

    def batch(self, items: Any) -> Batch:
        """Collated samples -> float images on the device."""
        ...

    def content_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The content terms that the recipe gives a weight, by name: see `tasks.content.Content`."""
        return {}

    def held_out(self, count: int) -> Batch | None:
        """At most `count` images that are not trained on, of the size of training images; None where there are none."""
        return None

    def validate(self, model: Model) -> dict[str, float]:
        """The task's measures by name; nothing where there are none."""
        return {}

    def sheet(self, model: Model, path: Path) -> None:
        """Draw what the model makes; nothing by default."""


def build_task(recipe: Recipe, device: torch.device, run: Path) -> Task:
    """The recipe's task.

    Args:
        recipe: what to train.
        device: where batches go.
        run: the run's folder; images in it are not training images, wherever it lies.

    Raises:
        UserError: no training images, or none that can be used.
    """
    # Here, because tasks import this module for the protocol.
    from srgan_kit.tasks.reconstruction import Reconstruction
    from srgan_kit.tasks.super_resolution import SuperResolution
    from srgan_kit.tasks.unconditional import Unconditional

    tasks = {"super-resolution": SuperResolution, "unconditional": Unconditional, "reconstruction": Reconstruction}
    return tasks[recipe.task](recipe, device, run)
