"""Training crops as pure functions of (seed, sample number): no worker, rank or history changes what sample i is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from srgan_kit.data.degradation import MARGIN, degradation_random, degrade
from srgan_kit.data.degradation_settings import RoundsConfig
from srgan_kit.data.image_set import ImageSet
from srgan_kit.data.labels import FROM_ALL, LabelledDraws
from srgan_kit.data.mixture import ONE_SOURCE, Mixture, ranges_of
from srgan_kit.errors import UserError
from srgan_kit.images.bicubic import inside
from srgan_kit.images.pixels import unit_floats
from srgan_kit.images.resize import TIE_TOLERANCE, crop_to_multiple, downscale_crop, resize_pixels


@dataclass(frozen=True)
class Crop:
    """Sample i: where it is cut, and how it is flipped and rotated."""

    image: int
    """Number of the image."""
    reduction: int
    """Number of the factor that the image is reduced by first."""
    top: int
    """The crop's first row, in low-resolution pixels."""
    left: int
    """The crop's first column, in low-resolution pixels."""
    flip: bool
    """Whether it is mirrored left to right, before it is rotated."""
    quarter_turns: int
    """Rotations by 90 degrees counter-clockwise: 0 ... 3."""
    channels: tuple[int, int, int]
    """Which channel each of the result's is; three times the same one for a grey crop."""


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """How crops are cut and augmented."""

    scale: int
    """High-resolution pixels per low-resolution pixel."""
    patch: int
    """Side of the low-resolution crop."""
    seed: int
    """The run's seed."""
    augment: str = "none"
    """"none", "flips" (left-right), or "flips-and-rotations" (the eight symmetries of the square)."""
    labelled_draws: LabelledDraws = FROM_ALL
    """Which samples are drawn from the labelled images alone."""
    reductions: Sequence[float] = (1.0,)
    """Factors of which one is drawn to reduce the image by first; those that leave an image smaller than a crop are
    passed over, so the largest must leave none so small."""
    shuffle_channels: bool = False
    """Whether the colour channels change places, the same six ways in every pixel."""
    grey: float = 0.0
    """Fraction of the crops of which one channel stands for all three."""
    mixture: Mixture = ONE_SOURCE
    """Which source each sample is drawn from."""


class CropPlan:
    """Sample i's crop as a pure function of (seed, i), for whoever cuts it.

    Args:
        images: the images.
        settings: how it is cut.
        labelled: numbers of the images that have a label.
    """

    def __init__(self, images: ImageSet, settings: CropSettings, labelled: np.ndarray | None = None) -> None:
        self.sizes, self.settings = images.sizes, settings
        self._ranges = ranges_of(images.source_of, len(images.sources))
        self._labelled = np.zeros(0, dtype=np.int64) if labelled is None else labelled
        self._draws = settings.labelled_draws if len(self._labelled) else FROM_ALL

    def __call__(self, index: int) -> Crop:
        """Sample `index`."""
        settings = self.settings
        random = np.random.default_rng((settings.seed, index))
        labelled_before, from_labelled = self._draws(index)
        if from_labelled:
            image = int(random.choice(self._labelled))
        else:
            sources, _ = settings.mixture(np.array([index - labelled_before]))
            start, count = self._ranges[sources[0]].tolist()
            image = start + int(random.integers(count))
        reduction = 0
        if len(settings.reductions) > 1:
            large_enough = [number for number, factor in enumerate(settings.reductions) if self._fits(image, factor)]
            reduction = int(random.choice(large_enough))
        reduced = reduced_size(self._size(image), settings.reductions[reduction])
        height, width = (side // settings.scale for side in reduced)
        top = int(random.integers(height - settings.patch + 1))
        left = int(random.integers(width - settings.patch + 1))
        flip = settings.augment != "none" and bool(random.integers(2))
        quarter_turns = int(random.integers(4)) if settings.augment == "flips-and-rotations" else 0
        channels = tuple(map(int, random.permutation(3))) if settings.shuffle_channels else (0, 1, 2)
        if settings.grey and random.random() < settings.grey:
            channels = (int(random.integers(3)),) * 3
        return Crop(image, reduction, top, left, flip, quarter_turns, cast(tuple[int, int, int], channels))

    def _size(self, image: int) -> tuple[int, int]:
        height, width = self.sizes[image].tolist()
        return height, width

    def _fits(self, image: int, factor: float) -> bool:
        return min(reduced_size(self._size(image), factor)) >= self.settings.patch * self.settings.scale


def reduced_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """(height, width) of an image that `resize_8bit` reduces by the factor."""
    height, width = (math.ceil(side * factor - TIE_TOLERANCE) for side in size)
    return height, width


class PairedCrops(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Sample i: a random crop of a random image, augmented, with its low-resolution partner.

    -> (C, patch * scale, patch * scale) and (C, patch, patch), uint8, or float32 in [0, 1] where an image has more than
    8 bits; the image's label, () int64.

    Args:
        high: the high-resolution images.
        low: low-resolution partners in the same order (see `check_partner`), or None to make them.
        settings: how crops are cut; reductions need partners that are made.
        labels: (N,) int64 class of each image, -1 = unlabelled; None where there are no classes.
        degradation: how partners are made, each anew, as a function of (seed, i); None for the MATLAB-exact 8-bit
            bicubic. The crop is degraded as it is augmented, with some of the image around it.
    """

    def __init__(
        self,
        high: ImageSet,
        low: ImageSet | None,
        settings: CropSettings,
        labels: np.ndarray | None = None,
        degradation: RoundsConfig | None = None,
    ) -> None:
        assert low is None or (tuple(settings.reductions) == (1.0,) and degradation is None)
        self.high, self.low, self.settings, self.degradation = high, low, settings, degradation
        self.labels = np.full(len(high), -1, dtype=np.int64) if labels is None else labels
        self.plan = CropPlan(high, settings, np.flatnonzero(self.labels >= 0))
        self._pixels = unit_floats if high.deep or (low is not None and low.deep) else _as_they_are

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        crop = self.plan(index)
        image = self._image(crop.image, self.settings.reductions[crop.reduction])
        top, left, patch, scale = crop.top, crop.left, self.settings.patch, self.settings.scale
        label = torch.tensor(self.labels[crop.image])
        if self.degradation is not None:
            around = _augmented(self._pixels(_surroundings(image, crop, patch, scale)), crop)
            low = degrade(around, scale, self.degradation, degradation_random(self.settings.seed, index))
            return _without_margin(around, MARGIN * scale), _without_margin(low, MARGIN), label
        if self.low is None:
            image = crop_to_multiple(image, scale)
            low = self._pixels(downscale_crop(image, scale, top, left, patch, patch))
        else:
            low = self._pixels(self.low[crop.image][:, top : top + patch, left : left + patch])
        high = self._pixels(image[:, top * scale : (top + patch) * scale, left * scale : (left + patch) * scale])
        return _augmented(high, crop), _augmented(low, crop), label

    def _image(self, number: int, factor: float) -> Tensor:
        """The image, reduced; reductions are kept in memory as images are, where there is room."""
        if factor == 1:
            return self.high[number]
        return self.high.made_of(number, factor, lambda image: resize_pixels(image, factor))


def _as_they_are(image: Tensor) -> Tensor:
    return image


def _surroundings(image: Tensor, crop: Crop, patch: int, scale: int) -> Tensor:
    """The high-resolution crop with `MARGIN` low-resolution pixels on every side, mirrored at the image's borders."""
    steps = np.arange(-MARGIN * scale, (patch + MARGIN) * scale)
    rows, columns = (
        torch.from_numpy(inside(first * scale + steps, side))
        for first, side in zip((crop.top, crop.left), image.shape[1:], strict=True)
    )
    return image[:, rows][:, :, columns]


def _without_margin(image: Tensor, margin: int) -> Tensor:
    return image[:, margin:-margin, margin:-margin].contiguous()


def _augmented(image: Tensor, crop: Crop) -> Tensor:
    """(C, H, W) with its channels in their places, flipped and rotated."""
    if crop.channels != (0, 1, 2):
        image = image[list(crop.channels)]
    return torch.rot90(image.flip(2) if crop.flip else image, crop.quarter_turns, (1, 2))


def check_partner(high: tuple[int, int], path: Path, low: tuple[int, int], scale: int) -> None:
    """Raise a UserError unless the low-resolution (height, width) is 1 / scale of the high one, rounded down."""
    if low != (high[0] // scale, high[1] // scale):
        expected = f"{high[1] // scale}x{high[0] // scale}"
        raise UserError(f"{path}: expected {expected} pixels, 1/{scale} of its partner, got {low[1]}x{low[0]}")


class StepSampler(Sampler[list[int]]):
    """The sample numbers of each step, from `start` on.

    A step takes the next samples of `batches` whole batches. A whole batch is images from all, then labelled ones, and
    of both each of `of` parts has its own in turn; so which samples a whole batch has does not depend on its parts.

    >>> list(StepSampler(0, 1, (2, 1), parts=range(1, 2), of=2))  # 0 ... 3 are from all, 4 and 5 labelled
    [[2, 3, 5]]

    Args:
        start: the first step.
        steps: the step after the last.
        counts: images of a part, from all and labelled.
        batches: whole batches of a step.
        parts: which parts this process has, one after the other.
        of: how many parts a whole batch has.
    """

    def __init__(
        self,
        start: int,
        steps: int,
        counts: tuple[int, int],
        batches: int = 1,
        parts: range = range(1),
        of: int = 1,
    ) -> None:
        self.start, self.steps = start, steps
        self.counts, self.batches, self.parts, self.of = counts, batches, parts, of

    def __iter__(self) -> Iterator[list[int]]:
        images, labelled = self.counts
        whole = self.of * (images + labelled)
        for step in range(self.start, self.steps):
            numbers: list[int] = []
            for first in range(step * self.batches * whole, (step + 1) * self.batches * whole, whole):
                for part in self.parts:
                    numbers += range(first + part * images, first + (part + 1) * images)
                    behind = first + self.of * images
                    numbers += range(behind + part * labelled, behind + (part + 1) * labelled)
            yield numbers

    def __len__(self) -> int:
        return self.steps - self.start
