"""Square images of folders, shards, tables and .npz files, as they are found: before any are held out."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srgan_kit.data.binarise import Binarisation
from srgan_kit.data.image_files import ImageFiles, check_no_image
from srgan_kit.data.image_folder import Skipped
from srgan_kit.data.labels import FROM_ALL, LabelledDraws, numbered_classes
from srgan_kit.data.mixture import ONE_SOURCE, Mixture
from srgan_kit.data.npz import read_arrays
from srgan_kit.data.sources import open_files
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import planes, to_8bit, unit_floats

Augmentation = Literal["none", "flips"]


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
    mixture: Mixture = ONE_SOURCE
    """Which source each sample is drawn from."""

    def __post_init__(self) -> None:
        if self.size < 1 or self.channels not in (1, 3) or self.holdout < 0:
            got = f"size {self.size}, {self.channels}, holdout {self.holdout}"
            raise ValueError(f"expected a positive size, 1 or 3 channels, got {got}")


class Loaded(NamedTuple):
    """Images as they were found, before any are held out."""

    images: Sequence[Tensor]
    """Each (channels, h, w) with min(h, w) = size, uint8, or float32 in [0, 1] where one of them has 16 bits."""
    labels: np.ndarray
    """(N,) int64, -1 = unlabelled."""
    classes: tuple[str, ...]
    """Names of the labels."""
    source_of: np.ndarray
    """(N,) int64: the number of each image's source, rising."""
    test: tuple[Sequence[Tensor], np.ndarray] | None
    """A test set that the data bring, and its labels."""
    skipped: Sequence[Skipped] = ()
    """Files without a usable image."""


def read_images(paths: Sequence[Path], settings: DatasetSettings, leave_out: Path | None) -> Loaded:
    """All images of some sources, or of one .npz file; see `image_dataset.load_dataset`."""
    arrays = next((path for path in paths if not path.is_dir() and path.suffix.lower() not in (".tar", ".zip")), None)
    if arrays is None:
        return _read_sources([open_files(path, leave_out) for path in paths], settings)
    if not arrays.exists():
        raise UserError(f"{arrays}: expected a folder of images or an .npz file, but there is neither")
    check_no_image(arrays)
    if len(paths) > 1:
        raise UserError(f"{arrays}: an .npz file is a whole data set; data.sources takes folders, .zip and .tar files")
    file = read_arrays(arrays)
    images, labels = fit_all(file.train.images, settings), file.train.labels
    test = file.test and (fit_all(file.test.images, settings), file.test.labels)
    return Loaded(images, labels, file.classes, np.zeros(len(images), dtype=np.int64), test)


def _read_sources(sources: Sequence[ImageFiles], settings: DatasetSettings) -> Loaded:
    """The usable images in order, made small as they are decoded, a few at a time by threads."""

    def read(source: ImageFiles, number: int) -> Tensor | Skipped:
        path = source.root / source.names[number]
        try:
            image = fit(source.read(number), settings.size, settings.channels)
            return image if settings.binarise == "none" else to_8bit(image)
        except UserError as error:
            return Skipped(path, str(error).removeprefix(f"{path}: "))

    images: list[Tensor] = []
    skipped: list[Skipped] = []
    classes: list[str | None] = []
    source_of: list[int] = []
    for number, source in enumerate(sources):
        with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(4) as pool:  # Pillow warns of large images
            results = list(pool.map(partial(read, source), range(len(source.names))))
        usable = [index for index, each in enumerate(results) if isinstance(each, Tensor)]
        skipped += [each for each in results if isinstance(each, Skipped)]
        if not usable:
            first = skipped[-len(results)]
            raise UserError(f"{source.root}: no usable image among {len(results)} ({first.path}: {first.reason})")
        images += [each for each in results if isinstance(each, Tensor)]
        classes += [source.class_of(index) for index in usable]
        source_of += [number] * len(usable)
    if any(image.is_floating_point() for image in images):
        images = [unit_floats(image) for image in images]
    return Loaded(images, *numbered_classes(classes), np.array(source_of), None, skipped)


def fit_all(images: np.ndarray, settings: DatasetSettings) -> Sequence[Tensor]:
    """(N, H, W, 1 or 3) uint8 -> each (channels, h, w)."""
    size, channels = settings.size, settings.channels
    if images.shape[1:] == (size, size, channels):
        return torch.from_numpy(images).permute(0, 3, 1, 2).unbind()
    return [fit(image, size, channels) for image in images]


def fit(image: np.ndarray, size: int, channels: int) -> Tensor:
    """(H, W, 1 or 3) uint8 or uint16 -> (channels, h, w) uint8, or float32 in [0, 1], with min(h, w) = size."""
    height, width = image.shape[:2]
    shrink = size / min(height, width)
    wanted = max(size, round(width * shrink)), max(size, round(height * shrink))
    if image.dtype == np.uint16:  # of which Pillow resizes one channel at a time, in floats
        each = [Image.fromarray(channel.numpy()) for channel in unit_floats(planes(image, channels))]
        resized = [plane if plane.size == wanted else plane.resize(wanted, Image.Resampling.BICUBIC) for plane in each]
        return torch.from_numpy(np.stack([np.asarray(plane) for plane in resized])).clamp_(0, 1)
    scaled = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L" if channels == 1 else "RGB")
    if scaled.size != wanted:
        scaled = scaled.resize(wanted, Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(scaled)).view(wanted[1], wanted[0], channels).permute(2, 0, 1).contiguous()
