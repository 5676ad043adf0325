"""Square images for generative models: from a folder or an .npz, as a pure function of (seed, sample number)."""

import hashlib
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from srgan_kit.data.binarise import HELD_OUT, TRAINED_ON, Binarisation, binarised, drawn
from srgan_kit.data.holdout import holdout_count
from srgan_kit.data.image_folder import Skipped, check_no_image, find_images, read_rgb
from srgan_kit.data.labels import FROM_ALL, LabelledDraws, class_folders, labelled_subset
from srgan_kit.data.npz import read_arrays
from srgan_kit.data.packed_images import PackedImages
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import center_crop

Augmentation = Literal["none", "flips"]


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
        self._redrawn = redrawn

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
        which = [self._which(index) for index in indices]
        if self.augment == "none" and self._block is not None:
            images = self._block[which]
        else:
            images = torch.stack([self._crop(*pair) for pair in zip(indices, which, strict=True)])
        return drawn(images, self.seed, indices) if self._redrawn else images, self.labels[which]

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

    def _which(self, index: int) -> int:
        """The number of sample `index`'s image."""
        before, from_labelled = self._draws(index)
        if from_labelled:
            return int(self._labelled[self._draw(before, len(self._labelled))])
        return self._draw(index - before, len(self))

    def _draw(self, number: int, of: int) -> int:
        """Number `number` in an endless row of epochs, each of which has the numbers 0 ... `of` - 1 once."""
        epoch, position = divmod(number, of)
        return int(_order(self.seed, epoch, of)[position])

    def fingerprint(self) -> str:
        """A digest of the images and labels, in order: what sample i is depends on nothing else but the recipe."""
        digest = hashlib.sha256(repr(self.images.shapes).encode())
        digest.update(self.images.pixels.numpy().data)
        digest.update(self.labels.numpy().data)
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


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """How a data set's images are made square, and which of them are held out and keep their label.

    Raises:
        ValueError: a size, number of channels or holdout that cannot be.
    """

    size: int
    """Side of the images, in pixels."""
    channels: int
    """1 (grey: luma) or 3 (RGB)."""
    seed: int
    """The run's seed; it also chooses the images held out."""
    holdout: int
    """How many images to hold out, if the file has no test set of its own; a single one is trained on too."""
    holdout_part: float = 1.0
    """At most this fraction of the images is held out."""
    augment: Augmentation = "none"
    """"none" or "flips" (left-right)."""
    labelled: int | float | None = None
    """How many of the training images keep their label, see `labelled_subset`; None for all."""
    binarise: Binarisation = "none"
    """How images become black and white, see `DataConfig.binarise`."""
    labelled_draws: LabelledDraws = FROM_ALL
    """Which samples are drawn from the labelled images alone, see `ImageDataset`."""
    label_seed: int | None = None
    """The seed that chooses the labels kept; None for the run's."""

    def __post_init__(self) -> None:
        if self.size < 1 or self.channels not in (1, 3) or self.holdout < 0:
            got = f"size {self.size}, {self.channels}, holdout {self.holdout}"
            raise ValueError(f"expected a positive size, 1 or 3 channels, got {got}")


def load_dataset(path: Path, settings: DatasetSettings, leave_out: Path | None = None) -> DatasetSplits:
    """A folder of images, whose inner folders are its classes, or an .npz (see `read_arrays`), as square images.

    The shorter side of each image becomes `size`, by Pillow's antialiased bicubic; all are kept in memory.

    Args:
        path: the folder or the .npz file.
        settings: how images are made and which are held out.
        leave_out: images below this folder are not part of the data.

    Raises:
        UserError: no such file or folder, no usable image, arrays that are not images and labels, too few labels.
    """
    size, channels, seed = settings.size, settings.channels, settings.seed
    if not path.exists():
        raise UserError(f"{path}: expected a folder of images or an .npz file, but there is neither")
    skipped: list[Skipped] = []
    if path.is_dir():
        paths = find_images(path, leave_out=leave_out)
        images, skipped = _read_folder(paths, size, channels)
        unusable = {each.path for each in skipped}
        labels, classes = class_folders([each for each in paths if each not in unusable], path)
        test = None
    else:
        check_no_image(path)
        if path.suffix.lower() == ".zip":
            raise UserError(
                f"{path}: a .zip is for super-resolution; this task takes a folder of images or an .npz file"
            )
        file = read_arrays(path)
        images, labels, classes = _fit_all(file.train.images, size, channels), file.train.labels, file.classes
        test = file.test and (_fit_all(file.test.images, size, channels), file.test.labels)
    if test is None and settings.holdout and len(images) == 1:
        test = list(images), labels
    if test is None:
        order = np.random.default_rng((seed, 2)).permutation(len(images))
        count = holdout_count(len(images), settings.holdout, settings.holdout_part)
        held, kept = (np.sort(part) for part in np.split(order, [count]))
        test = [images[index] for index in held], labels[held]
        images, labels = [images[index] for index in kept], labels[kept]
    if settings.labelled is not None:
        label_seed = seed if settings.label_seed is None else settings.label_seed
        labels = labelled_subset(labels, len(classes), settings.labelled, label_seed)
    packed, redrawn = PackedImages(images), settings.binarise == "random"
    if not redrawn:
        packed.pixels = binarised(packed.pixels, settings.binarise, TRAINED_ON)
    train = ImageDataset(packed, labels, settings.augment, seed, skipped, settings.labelled_draws, redrawn)
    held = _held_out(test[0], size, channels, settings.binarise)
    return DatasetSplits(train, HeldOut(held, torch.from_numpy(test[1])), classes)


def load_test_images(path: Path, size: int, channels: int, binarise: Binarisation) -> Tensor:
    """The test set of an .npz, as a run holds it out: (M, channels, size, size) uint8.

    Raises:
        UserError: no such file, no .npz, or one without `x_test`.
    """
    check_no_image(path)
    test = read_arrays(path).test
    if test is None:
        raise UserError(f"{path}: expected a test set, the array 'x_test', but there is none")
    return _held_out(_fit_all(test.images, size, channels), size, channels, binarise)


def _held_out(images: Sequence[Tensor], size: int, channels: int, binarise: Binarisation) -> Tensor:
    """The middle of each image, made black and white once where that is asked for: (M, channels, size, size) uint8."""
    middles = [center_crop(image, size, size) for image in images]
    stacked = torch.stack(middles) if middles else torch.empty(0, channels, size, size, dtype=torch.uint8)
    return binarised(stacked.reshape(-1), binarise, HELD_OUT).view(stacked.shape)


def middle_square(image: np.ndarray, size: int, channels: int) -> Tensor:
    """(H, W, 1 or 3) uint8 -> (channels, size, size) uint8: what is made of an image that is held out."""
    return center_crop(_fit(image, size, channels), size, size)


@lru_cache(maxsize=4)  # a batch may reach into the next epoch
def _order(seed: int, epoch: int, length: int) -> np.ndarray:
    """The images of an epoch in its order."""
    return np.random.default_rng((seed, epoch)).permutation(length)


def _read_folder(paths: Sequence[Path], size: int, channels: int) -> tuple[list[Tensor], list[Skipped]]:
    """The usable images in order, made small as they are decoded, a few at a time by threads; and the others."""

    def read(path: Path) -> Tensor | Skipped:
        try:
            return _fit(read_rgb(path).permute(1, 2, 0).numpy(), size, channels)
        except UserError as error:
            return Skipped(path, str(error).removeprefix(f"{path}: "))

    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(4) as pool:  # Pillow warns of large images
        results = list(pool.map(read, paths))
    skipped = [each for each in results if isinstance(each, Skipped)]
    images = [each for each in results if isinstance(each, Tensor)]
    if not images:
        raise UserError(f"no usable image among {len(paths)} files ({skipped[0].path}: {skipped[0].reason})")
    return images, skipped


def _fit_all(images: np.ndarray, size: int, channels: int) -> Sequence[Tensor]:
    """(N, H, W, 1 or 3) uint8 -> each (channels, h, w)."""
    if images.shape[1:] == (size, size, channels):
        return torch.from_numpy(images).permute(0, 3, 1, 2).unbind()
    return [_fit(image, size, channels) for image in images]


def _fit(image: np.ndarray, size: int, channels: int) -> Tensor:
    """(H, W, 1 or 3) uint8 -> (channels, h, w) uint8 with min(h, w) = size."""
    scaled = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L" if channels == 1 else "RGB")
    shrink = size / min(scaled.size)
    width, height = (max(size, round(side * shrink)) for side in scaled.size)
    if scaled.size != (width, height):
        scaled = scaled.resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(scaled)).view(height, width, channels).permute(2, 0, 1).contiguous()
