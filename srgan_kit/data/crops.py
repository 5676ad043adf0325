"""Training crops as pure functions of (seed, sample number): no worker, rank or history changes what sample i is."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from srgan_kit.data.folder import ImageFolder
from srgan_kit.data.labels import labelled_turn
from srgan_kit.data.resize import downscale_crop
from srgan_kit.errors import UserError


class PairedCrops(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Sample i: a random crop of a random image, turned at random, with its low-resolution partner.

    -> (3, patch * scale, patch * scale) and (3, patch, patch), uint8; the image's label, () int64.

    Args:
        high: the high-resolution images.
        low: low-resolution partners in the same order (see `check_partner`), or None: the MATLAB-exact 8-bit bicubic
            makes them.
        scale: high-resolution pixels per low-resolution pixel.
        patch: side of the low-resolution crop.
        augment: "none", "flips" (left-right), or "flips-and-rotations" (the eight symmetries of the square).
        seed: the run's seed.
        labels: (N,) int64 class of each image, -1 = unlabelled; None where there are no classes.
        labelled_share: part of the samples that are drawn from the labelled images alone.
    """

    def __init__(
        self,
        high: ImageFolder,
        low: ImageFolder | None,
        scale: int,
        patch: int,
        augment: str,
        seed: int,
        labels: np.ndarray | None = None,
        labelled_share: float = 0.0,
    ) -> None:
        self.high, self.low = high, low
        self.labels = np.full(len(high), -1, dtype=np.int64) if labels is None else labels
        self.scale, self.patch = scale, patch
        self.augment, self.seed = augment, seed
        self._labelled = np.flatnonzero(self.labels >= 0)
        self._labelled_share = labelled_share if len(self._labelled) else 0.0

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        random = np.random.default_rng((self.seed, index))
        if labelled_turn(index, self._labelled_share)[1]:
            which = int(random.choice(self._labelled))
        else:
            which = int(random.integers(len(self.high)))
        image = self.high[which]
        height, width = (side // self.scale for side in image.shape[1:])
        top = int(random.integers(height - self.patch + 1))
        left = int(random.integers(width - self.patch + 1))
        if self.low is None:
            image = image[:, : height * self.scale, : width * self.scale]
            low = downscale_crop(image, self.scale, top, left, self.patch, self.patch)
        else:
            low = self.low[which][:, top : top + self.patch, left : left + self.patch]
        rows = slice(top * self.scale, (top + self.patch) * self.scale)
        columns = slice(left * self.scale, (left + self.patch) * self.scale)
        return *self._turn(image[:, rows, columns], low, random), torch.tensor(self.labels[which])

    def _turn(self, high: Tensor, low: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        flip = self.augment != "none" and bool(random.integers(2))
        quarter_turns = int(random.integers(4)) if self.augment == "flips-and-rotations" else 0
        if flip:
            high, low = high.flip(2), low.flip(2)
        return torch.rot90(high, quarter_turns, (1, 2)), torch.rot90(low, quarter_turns, (1, 2))


def check_partner(high: tuple[int, int], path: Path, low: tuple[int, int], scale: int) -> None:
    """Raise a UserError unless the low-resolution (height, width) is 1 / scale of the high one, rounded down."""
    if low != (high[0] // scale, high[1] // scale):
        expected = f"{high[1] // scale}x{high[0] // scale}"
        raise UserError(f"{path}: expected {expected} pixels, 1/{scale} of its partner, got {low[1]}x{low[0]}")


class StepSampler(Sampler[list[int]]):
    """The sample numbers of each step from `start` on: step s takes samples [s * total, (s + 1) * total), in ranks."""

    def __init__(self, start: int, steps: int, batch: int, rank: int = 0, ranks: int = 1) -> None:
        self.start, self.steps = start, steps
        self.batch, self.rank, self.ranks = batch, rank, ranks

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.steps):
            first = (step * self.ranks + self.rank) * self.batch
            yield list(range(first, first + self.batch))

    def __len__(self) -> int:
        return self.steps - self.start
