"""Square images for generative models: from a folder or an .npz, as a pure function of (seed, sample number)."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from srgan_kit.data.binarise import HELD_OUT, TRAINED_ON, Binarisation, binarised, drawn
from srgan_kit.data.holdout import holdout_count
from srgan_kit.data.image_files import check_no_image
from srgan_kit.data.image_folder import Skipped
from srgan_kit.data.labels import FROM_ALL, LabelledDraws, labelled_subset
from srgan_kit.data.mixture import ONE_SOURCE, Mixture, ranges_of
from srgan_kit.data.npz import read_arrays
from srgan_kit.data.packed_images import PackedImages
from srgan_kit.data.square_images import Augmentation, DatasetSettings, fit, fit_all, read_images
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import center_crop


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Sample i: image i of an endless row of epochs, each in an order of its own; with its label.

    -> (C, size, size) uint8 and () int64, -1 = unlabelled. Along an image's longer side the crop is at random.

    Args:
        images: (C, h, w) uint8, at least one, all with min(h, w) = size; an epoch takes each once.
        labels: (N,) int64, -1 = unlabelled.
        augment: "none" or "flips" (left-right).
        seed: the run's seed.
        skipped: files that were to be images and are not among them.
        labelled_draws: which samples are drawn from the labelled images alone, in epochs of their own.
        redrawn: whether each sample's values are drawn, black or white, by its image's: see `binarise.drawn`.
        source_of: (N,) the number of each image's source, rising; None for one source.
        mixture: which source each sample is drawn from; each has epochs of its own.
    """

    def __init__(
        self,
        images: PackedImages,
        labels: np.ndarray,
        augment: Augmentation,
        seed: int,
        skipped: Sequence[Skipped] = (),
        labelled_draws: LabelledDraws = FROM_ALL,
        redrawn: bool = False,
        source_of: np.ndarray | None = None,
        mixture: Mixture = ONE_SOURCE,
    ) -> None:
        self.images, self.labels = images, torch.from_numpy(labels)
        self.size = min(images.shapes[0][1:])
        alike = {(images.shapes[0][0], self.size, self.size)} == set(images.shapes)
        self._block = images.pixels.view(len(images), *images.shapes[0]) if alike else None
        self.augment: Augmentation = augment
        self.seed = seed
        self.skipped = list(skipped)
        self._labelled = np.flatnonzero(labels >= 0)
        self._draws = labelled_draws if len(self._labelled) else FROM_ALL
        self._redrawn, self._mixture = redrawn, mixture
        self._ranges = ranges_of(np.zeros(len(images)) if source_of is None else source_of, len(mixture.parts) + 1)

    def __len__(self) -> int:
        """How many images there are; sample numbers go on beyond it."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Several samples, sooner than one after the other: what a data loader asks for."""
        images, labels = self.batch(indices)
        return list(zip(images.unbind(), labels.unbind(), strict=True))

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Samples by their numbers, as a loader would collate them: (N, C, size, size) uint8 and (N,) int64."""
        which = self._which(np.fromiter(indices, dtype=np.int64))
        numbers = torch.from_numpy(which)
        if self.augment == "none" and self._block is not None:
            images = self._block.index_select(0, numbers)  # ten times sooner than by brackets
        else:
            images = torch.stack([self._crop(*pair) for pair in zip(indices, which.tolist(), strict=True)])
        return drawn(images, self.seed, indices) if self._redrawn else images, self.labels[numbers]

    def _crop(self, index: int, which: int) -> Tensor:
        """The part of image `which` that sample `index` shows, flipped or not."""
        # The 1 keeps these draws apart from those of the orders: to NumPy a seed (a, b) is the seed (a, b, 0).
        random = np.random.default_rng((self.seed, index, 1))
        image = self.images[which]
        top, left = (int(random.integers(side - self.size + 1)) for side in image.shape[1:])
        image = image[:, top : top + self.size, left : left + self.size]
        if self.augment == "flips" and random.integers(2):
            image = image.flip(2)
        return image.contiguous()

    def _which(self, indices: np.ndarray) -> np.ndarray:
        """The number of each sample's image."""
        if len(self._ranges) == 1 and self._draws == FROM_ALL:
            return self._drawn(indices, len(self))
        before, from_labelled = self._draws.of(indices)
        which = np.empty(len(indices), dtype=np.int64)
        which[from_labelled] = self._labelled[self._drawn(before[from_labelled], len(self._labelled))]
        sources, numbers = self._mixture((indices - before)[~from_labelled])
        others = np.empty(len(sources), dtype=np.int64)
        for source, (start, count) in enumerate(self._ranges.tolist()):
            own = sources == source
            others[own] = start + self._drawn(numbers[own], count)
        which[~from_labelled] = others
        return which

    def _drawn(self, numbers: np.ndarray, of: int) -> np.ndarray:
        """Those places in an endless row of epochs, each of which has the numbers 0 ... `of` - 1 once."""
        epochs, positions = np.divmod(numbers, max(of, 1))
        if len(numbers) and epochs[0] == epochs[-1] == epochs.max() == epochs.min():
            return _order(self.seed, int(epochs[0]), of)[positions]
        drawn = np.empty(len(numbers), dtype=np.int64)
        for epoch in np.unique(epochs).tolist():
            own = epochs == epoch
            drawn[own] = _order(self.seed, epoch, of)[positions[own]]
        return drawn

    def fingerprint(self) -> str:
        """A digest of the images and labels, in order: what sample i is depends on nothing else but the recipe."""
        digest = hashlib.sha256(repr(self.images.shapes).encode())
        digest.update(self.images.pixels.numpy().data)
        digest.update(self.labels.numpy().data)
        if len(self._ranges) > 1:
            digest.update(repr(self._ranges.tolist()).encode())
        return digest.hexdigest()


class HeldOut(NamedTuple):
    """Images that are not trained on."""

    images: Tensor
    """(M, C, size, size) uint8."""
    labels: Tensor
    """(M,) int64, -1 = unlabelled."""


class DatasetSplits(NamedTuple):
    """A data set for generative models."""

    train: ImageDataset
    """The training images."""
    held_out: HeldOut
    """The held-out images."""
    classes: tuple[str, ...]
    """Names of the labels 0, 1, ...; empty where there are no labels."""

    @property
    def alone(self) -> bool:
        """Whether there is one image, which is trained on and held out."""
        images, held = self.train.images, self.held_out.images
        return len(images) == 1 == len(held) and torch.equal(
            center_crop(images[0], self.train.size, self.train.size), held[0]
        )


def load_dataset(
    paths: Path | Sequence[Path], settings: DatasetSettings, leave_out: Path | None = None
) -> DatasetSplits:
    """Sources of images (see `open_files`), or an .npz (see `read_arrays`), as square images.

    The shorter side of each image becomes `size`, by Pillow's antialiased bicubic; all are kept in memory.

    Args:
        paths: a source, several of them, or the .npz file.
        settings: how images are made and which are held out.
        leave_out: images below this folder are not part of the data.

    Raises:
        UserError: no such file or folder, no usable image, arrays that are not images and labels, too few labels.
    """
    loaded = read_images([paths] if isinstance(paths, Path) else paths, settings, leave_out)
    images, labels, source_of, test, seed = loaded.images, loaded.labels, loaded.source_of, loaded.test, settings.seed
    if test is None and settings.holdout and len(images) == 1:
        test = images, labels
    if test is None:
        order = np.random.default_rng((seed, 2)).permutation(len(images))
        count = holdout_count(len(images), settings.holdout, settings.holdout_part)
        held, kept = (np.sort(part) for part in np.split(order, [count]))
        test = [images[index] for index in held], labels[held]
        images, labels, source_of = [images[index] for index in kept], labels[kept], source_of[kept]
        if len(np.unique(source_of)) <= len(settings.mixture.parts):
            raise UserError("data.sources: all images of one are held out; give it more, or validation.holdout = 0")
    if settings.labelled is not None:
        label_seed = seed if settings.label_seed is None else settings.label_seed
        labels = labelled_subset(labels, len(loaded.classes), settings.labelled, label_seed)
    packed, redrawn = PackedImages(images), settings.binarise == "random"
    if not redrawn:
        packed.pixels = binarised(packed.pixels, settings.binarise, TRAINED_ON)
    train = ImageDataset(
        packed,
        labels,
        settings.augment,
        seed,
        loaded.skipped,
        settings.labelled_draws,
        redrawn,
        source_of,
        settings.mixture,
    )
    held = _held_out(test[0], settings)
    return DatasetSplits(train, HeldOut(held, torch.from_numpy(test[1])), loaded.classes)


def load_test_images(path: Path, size: int, channels: int, binarise: Binarisation) -> Tensor:
    """The test set of an .npz, as a run holds it out: (M, channels, size, size) uint8.

    Raises:
        UserError: no such file, no .npz, or one without `x_test`.
    """
    check_no_image(path)
    test = read_arrays(path).test
    if test is None:
        raise UserError(f"{path}: expected a test set, the array 'x_test', but there is none")
    settings = DatasetSettings(size=size, channels=channels, seed=0, holdout=0, binarise=binarise)
    return _held_out(fit_all(test.images, settings), settings)


def _held_out(images: Sequence[Tensor], settings: DatasetSettings) -> Tensor:
    """The middle of each image, made black and white once where that is asked for: (M, channels, size, size)."""
    size = settings.size
    middles = [center_crop(image, size, size) for image in images]
    stacked = torch.stack(middles) if middles else torch.empty(0, settings.channels, size, size, dtype=torch.uint8)
    return binarised(stacked.reshape(-1), settings.binarise, HELD_OUT).view(stacked.shape)


def middle_square(image: np.ndarray, size: int, channels: int) -> Tensor:
    """(H, W, 1 or 3) uint8 -> (channels, size, size) uint8: what is made of an image that is held out."""
    return center_crop(fit(image, size, channels), size, size)


@lru_cache(maxsize=16)  # a batch may reach into the next epoch of several sources
def _order(seed: int, epoch: int, length: int) -> np.ndarray:
    """The images of an epoch in its order."""
    return np.random.default_rng((seed, epoch)).permutation(length)
