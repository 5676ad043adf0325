"""Points of a distribution that is known exactly, as a task: what a generator gets wrong can be counted."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scripts.lib.toys.distributions import Toy
from scripts.lib.toys.mode_coverage import mode_coverage
from srgan_kit.contracts import Batch, Sample
from srgan_kit.data.image_folder import Skipped
from srgan_kit.generators.model import Model
from srgan_kit.images.grid import save_image
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks.content import Content

MEASURED = 2500
"""Samples that a validation measures, as in the VEEGAN paper."""
BLOCK = 2**14
"""Training points that are drawn at once."""
TRAINING, HELD_OUT = 0, 1
"""Streams of random numbers, so that no held-out point is a training point."""


class ToyPoints(Dataset[tuple[Tensor, Tensor]]):
    """Point i of an endless sample, a function of (seed, i): an image (D, 1, 1), and its mode or -1.

    Args:
        toy: the distribution.
        seed: of the sample.
        labelled: part of the points whose mode is told, in [0, 1].
    """

    def __init__(self, toy: Toy, seed: int, labelled: float = 0.0) -> None:
        if not 0 <= labelled <= 1:
            raise ValueError(f"labelled: expected a part of the points, 0 to 1, got {labelled}")
        self.toy, self.seed, self.labelled = toy, seed, labelled
        self._drawn: dict[int, tuple[Tensor, Tensor]] = {}

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self.batch([index])
        return images[0], labels[0]

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Points by their numbers, all at once, which is much faster than one after another: (N, D, 1, 1) and (N,)."""
        blocks, rows = (torch.tensor(each) for each in zip(*(divmod(index, BLOCK) for index in indices), strict=True))
        numbers, place = blocks.unique(return_inverse=True)
        images, labels = (torch.cat(part) for part in zip(*map(self._block, numbers.tolist()), strict=True))
        return images[place * BLOCK + rows], labels[place * BLOCK + rows]

    def _block(self, number: int) -> tuple[Tensor, Tensor]:
        """BLOCK points; those of the last two blocks are kept."""
        if number not in self._drawn:
            self._drawn = dict([*self._drawn.items()][-1:]) | {number: self.draw(BLOCK, TRAINING, number)}
        return self._drawn[number]

    def draw(self, count: int, *stream: int) -> tuple[Tensor, Tensor]:
        """Points as images (N, D, 1, 1) and their labels (N,), a function of (seed, stream)."""
        random = np.random.default_rng((self.seed, *stream))
        points = self.toy.sample(count, seed=int(random.integers(2**63)))
        modes = torch.from_numpy(self.toy.nearest(points)[0])
        told = torch.from_numpy(random.random(count) < self.labelled)
        return self.toy.to_images(points), torch.where(told, modes, -1)


class ToyTask:
    """The task as the loop sees it: see `tasks.Task`. Its recipe is one of the task unconditional, with data.size=1.

    Args:
        recipe: what to train; data.channels is the toy's dimension.
        toy: the distribution of the real points.
        device: where batches go.
        labelled: part of the points whose mode is told, in [0, 1].
        reach: what the networks are shown lies in [-reach, reach]; dense networks, unlike those for images, learn fine
            structure sooner from larger numbers.

    Raises:
        ValueError: the recipe's images are no points of the toy.
    """

    condition = None

    def __init__(
        self, recipe: Recipe, toy: Toy, device: torch.device, labelled: float = 0.0, reach: float = 8.0
    ) -> None:
        dimension = toy.centres.shape[1]
        if recipe.image_shape != (dimension, 1):
            got = f"data.channels={recipe.data.channels}, data.size={recipe.data.size}"
            raise ValueError(f"expected data.channels={dimension} and data.size=1, got {got}")
        self.recipe, self.toy, self.device, self.reach = recipe, toy, device, reach
        self.examples = ToyPoints(toy, recipe.seed, labelled)
        self.labelled = labelled > 0
        self.classes = tuple(f"mode {mode}" for mode in range(len(toy.weights))) if self.labelled else ()
        self.content = Content(recipe, device)
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []

    def fingerprint(self) -> str:
        """A digest of the distribution."""
        law = b"".join(part.tobytes() for part in (self.toy.centres, self.toy.std, self.toy.weights))
        return hashlib.sha256(law).hexdigest()

    def describe(self) -> str:
        """What the distribution is, for the person watching."""
        return f"endless points of {len(self.toy.weights)} Gaussians, {self.examples.labelled:.0%} of them labelled"

    def batch(self, items: tuple[Tensor, Tensor]) -> Batch:
        """Points as images in [0, 1], and labels -> a batch of points in [-reach, reach]."""
        image, label = items
        return Batch(image=((2 * image - 1) * self.reach).to(self.device), label=label.to(self.device))

    def content_terms(self, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The terms of reconstructions, where there are any."""
        return self.content(batch, sample)

    def held_out(self, count: int) -> Batch:
        """Points of a stream that is not trained on."""
        return self.batch(self.examples.draw(count, HELD_OUT))

    @torch.no_grad()
    def points(self, model: Model, count: int, seed: int = 0) -> np.ndarray:
        """What the model makes of noise that depends on the seed alone: (count, D), in the toy's own coordinates."""
        noise, codes = model.draw(count, self.device, torch.Generator().manual_seed(seed))
        made = model.generate(model.vector(noise, codes), count=count)
        return self.toy.to_points((made / self.reach + 1) / 2)

    def validate(self, model: Model) -> dict[str, float]:
        """Modes covered, and the share of samples within three std of one."""
        coverage = mode_coverage(self.points(model, MEASURED), self.toy)
        return {"modes": float(coverage.modes), "high_quality": coverage.high_quality}

    def sheet(self, model: Model, path: Path) -> None:
        """Draw where the model's points lie: the first two dimensions, each from 0 to 1 of `Toy.to_images`."""
        images = self.toy.to_images(self.points(model, MEASURED))[:, :2, 0, 0]
        save_image(density(images), path)


def density(values: Tensor, side: int = 128, full: float = 4.0) -> Tensor:
    """An image (1, side, side) of points (N, 1 or 2) in [0, 1], first coordinate to the right, second upwards.

    A pixel is black where `full` points or more lie; those outside are not drawn.
    """
    across, up = values[:, 0], values[:, -1] if values.shape[1] > 1 else torch.full_like(values[:, 0], 0.5)
    inside = (across >= 0) & (across < 1) & (up >= 0) & (up < 1)
    column, row = ((part[inside] * side).long() for part in (across, 1 - up))
    counts = torch.bincount(row.clamp(max=side - 1) * side + column, minlength=side * side)
    return 1 - (counts.float() / full).clamp(max=1).reshape(1, side, side)
