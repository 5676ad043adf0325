"""A folder of ordinary images: found recursively, checked once at the start, kept in memory where they fit."""

import copy
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srgan_kit.errors import UserError
from srgan_kit.images.formats import readable_endings
from srgan_kit.images.read import read_image


@dataclass(frozen=True)
class Skipped:
    """A file that looked like an image and was left out."""

    path: Path
    reason: str


def find_images(folder: Path, recursive: bool = True, leave_out: Path | None = None) -> list[Path]:
    """All files in (and below) `folder` whose ending Pillow reads, sorted; what is hidden is passed over.

    What lies below `leave_out` is passed over too.

    Raises:
        UserError: the folder does not exist, is not a folder, cannot be read, or holds no image.
    """
    if not folder.is_dir():
        if folder.exists():
            check_no_image(folder)
            raise UserError(f"{folder}: expected a folder of images, got a file")
        raise UserError(f"{folder}: expected a folder of images, but there is no such folder")
    readable = readable_endings()
    kept_out = leave_out.resolve() if leave_out is not None else None
    try:
        found = sorted(
            path
            for path in (folder.rglob("*") if recursive else folder.iterdir())
            if path.suffix.lower() in readable
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and not (kept_out is not None and path.resolve().is_relative_to(kept_out))
            and path.is_file()
        )
    except OSError as error:
        raise UserError(f"{folder}: cannot be searched ({error.strerror})") from None
    if not found:
        raise UserError(f"{folder}: no image found in it" + (" or below it" if recursive else ""))
    return found


def check_no_image(path: Path) -> None:
    """Raise a UserError that says what to do with a single image that is given for a folder of them."""
    if Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN:
        raise UserError(f"{path}: an image; expected a folder of images: put it, and more, into one")


def find_partners(paths: list[Path], folder: Path, low_folder: Path, scale: int) -> list[Path]:
    """The low-resolution partner of each image of `folder`: for baby.png babyx4.*, baby_x4.* or baby.*, in this order.

    Of several with such a name it is the one with the same ending. Images in inner folders have theirs in inner folders
    of the same names.

    Raises:
        UserError: an image has no partner.
    """
    partner_of = partner_finder(folder, low_folder, scale)
    return [partner_of(path) for path in paths]


def partner_finder(folder: Path, low_folder: Path, scale: int) -> Callable[[Path], Path]:
    """`find_partners` for one image after the other: a function from an image to its partner, which may raise."""
    there: dict[Path, dict[str, Path]] = {}
    for path in find_images(low_folder):
        there.setdefault(path.relative_to(low_folder).with_suffix(""), {})[path.suffix] = path

    def partner_of(path: Path) -> Path:
        name = path.relative_to(folder).with_suffix("")
        names = [name.with_name(f"{name.name}{ending}") for ending in (f"x{scale}", f"_x{scale}", "")]
        alike = next((there[each] for each in names if each in there), None)
        if alike is None:
            expected = ", ".join(map(str, names))
            raise UserError(f"{path}: no partner in {low_folder}; expected {expected} with an image's suffix")
        return alike.get(path.suffix) or next(iter(alike.values()))

    return partner_of


def read_rgb(path: Path) -> Tensor:
    """The image as (3, H, W) uint8 RGB, upright; grey is repeated, 16 bits are rounded to 8, transparency is dropped.

    Raises:
        UserError: the file is not an image that can be read completely.
    """
    pixels = read_image(path).pixels
    return rgb_planes(pixels if pixels.dtype == np.uint8 else (pixels / 257).round().astype(np.uint8))


def rgb_planes(pixels: np.ndarray) -> Tensor:
    """(H, W, 1 or 3) -> (3, H, W); grey is repeated."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).expand(3, -1, -1).contiguous()


class ImageFolder:
    """Decoded images by number. Those beyond the cache's size are decoded again at each request.

    Args:
        paths: the files.
        cache_megabytes: how much memory decoded images may take.
        minimum: smallest height and width accepted, in pixels.

    Raises:
        UserError: not one of the files is usable.
    """

    def __init__(self, paths: list[Path], cache_megabytes: int, minimum: int = 1) -> None:
        self.paths: list[Path] = []
        self.sizes: dict[Path, tuple[int, int]] = {}
        self.skipped: list[Skipped] = []
        self._cache: dict[Path, Tensor] = {}
        room = cache_megabytes * 1_000_000
        for path, image in _read_all(paths):
            if isinstance(image, str):
                self.skipped.append(Skipped(path, image))
            elif min(image.shape[1:]) < minimum:
                size = f"{image.shape[2]}x{image.shape[1]}"
                self.skipped.append(Skipped(path, f"{size} pixels, smaller than {minimum}x{minimum}"))
            else:
                if image.numel() <= room:
                    room -= image.numel()
                    self._cache[path] = image
                self.paths.append(path)
                self.sizes[path] = (image.shape[1], image.shape[2])
        if not self.paths:
            first = self.skipped[0] if self.skipped else None
            example = f" ({first.path}: {first.reason})" if first else ""
            raise UserError(f"no usable image among {len(paths)} files{example}")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """(3, H, W) uint8."""
        path = self.paths[index]
        cached = self._cache.get(path)
        return read_rgb(path) if cached is None else cached

    def only(self, paths: list[Path]) -> "ImageFolder":
        """Some of these images; what is in memory is shared."""
        part = copy.copy(self)
        part.paths = paths
        part.skipped = []
        return part

    @property
    def cached(self) -> int:
        """How many of the images are in memory."""
        return sum(path in self._cache for path in self.paths)


def _read_all(paths: list[Path]) -> Iterator[tuple[Path, Tensor | str]]:
    """Each path with its image or the reason why there is none; in order, decoded a few at a time by threads."""
    group = 16  # no more than this many images wait for their place in the cache
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(4) as pool:  # Pillow warns of large images
        for start in range(0, len(paths), group):
            some = paths[start : start + group]
            yield from zip(some, pool.map(_try_to_read, some), strict=True)


def _try_to_read(path: Path) -> Tensor | str:
    try:
        return read_rgb(path)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
