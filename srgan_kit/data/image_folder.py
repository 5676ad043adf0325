"""A folder of ordinary images: found recursively, with low-resolution partners of the same names, read as RGB."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from torch import Tensor

from srgan_kit.data.image_files import check_no_image, image_names
from srgan_kit.errors import UserError
from srgan_kit.images.pixels import planes
from srgan_kit.images.read import read_image


@dataclass(frozen=True)
class Skipped:
    """A file that looked like an image and was left out."""

    path: Path
    reason: str


def find_images(folder: Path, recursive: bool = True, leave_out: Path | None = None) -> list[Path]:
    """All images in (and below) `folder`, see `image_names`.

    Raises:
        UserError: the folder does not exist, is not a folder, cannot be read, or holds no image.
    """
    found = [folder / name for name in image_names(find_folder(folder), recursive, leave_out)]
    if not found:
        raise UserError(f"{folder}: no image found in it" + (" or below it" if recursive else ""))
    return found


def find_folder(folder: Path) -> Path:
    """The same path, or a UserError that says what is there instead of a folder."""
    if folder.is_dir():
        return folder
    if folder.exists():
        check_no_image(folder)
        raise UserError(f"{folder}: expected a folder of images, got a file")
    raise UserError(f"{folder}: expected a folder of images, but there is no such folder")


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
    lows = find_images(low_folder)
    number_of = match_names([path.relative_to(low_folder).as_posix() for path in lows], scale)

    def partner_of(path: Path) -> Path:
        try:
            return lows[number_of(path.relative_to(folder).as_posix())]
        except LookupError as error:
            raise UserError(f"{path}: no partner in {low_folder}; {error.args[0]}") from None

    return partner_of


def match_names(lows: Sequence[str], scale: int) -> Callable[[str], int]:
    """From an image's name to the number of its partner among `lows`, as `find_partners` pairs them.

    The function raises a LookupError, which says what was expected.
    """
    there: dict[PurePosixPath, dict[str, int]] = {}
    for number, low in enumerate(map(PurePosixPath, lows)):
        there.setdefault(low.with_suffix(""), {})[low.suffix] = number

    def number_of(name: str) -> int:
        path = PurePosixPath(name)
        stem = path.with_suffix("")
        names = [stem.with_name(f"{stem.name}{ending}") for ending in (f"x{scale}", f"_x{scale}", "")]
        alike = next((there[each] for each in names if each in there), None)
        if alike is None:
            raise LookupError(f"expected {', '.join(map(str, names))} with an image's suffix")
        return alike.get(path.suffix, next(iter(alike.values())))

    return number_of


def read_rgb(path: Path) -> Tensor:
    """The image as (3, H, W) uint8 RGB, upright; grey is repeated, 16 bits are rounded to 8, transparency is dropped.

    Raises:
        UserError: the file is not an image that can be read completely.
    """
    pixels = read_image(path).pixels
    return rgb_planes(pixels if pixels.dtype == np.uint8 else (pixels / 257).round().astype(np.uint8))


def rgb_planes(pixels: np.ndarray) -> Tensor:
    """(H, W, 1 or 3) -> (3, H, W); grey is repeated."""
    return planes(pixels, 3)
