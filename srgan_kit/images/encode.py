"""Images written to files: made to fit the format, marked, and there whole or not at all."""

import dataclasses
import struct
from pathlib import Path

import pyvips

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.images.fitting import fitted
from srgan_kit.images.formats import FORMATS, PNG, Format, missing_extra, register_plugins
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.mark import marked
from srgan_kit.images.read import last_line


def output_format(path: Path) -> Format:
    """The format that a file name asks for.

    Raises:
        UserError: none of FORMATS.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: cannot write {path.suffix or 'a file without a suffix'}; known: {' '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Raise a UserError if the format of `path` cannot hold (width, height)."""
    format = output_format(path)
    limit = format.largest_side
    if limit is not None and max(size) > limit:
        raise UserError(f"{path}: {size[0]}x{size[1]} is too large for {format.name}, whose limit is {limit}")


def write_image(
    image: LoadedImage, path: Path | str, quality: int | None = None, software: str | None = None, replace: bool = True
) -> list[str]:
    """Write an image in the format of the name's suffix, whole or not at all; returns what could not be kept.

    JPEG and BMP have no transparency: the image is laid on white. Only PNG and TIFF keep 16 bits; AVIF has 12.
    The file says which `software` made it, but for BMP, which has no room for that.

    Raises:
        FileExistsError: the file exists, and `replace` is false.
        UserError: an unknown suffix, an extra that is missing, an image too large for the format, a full disk, a folder
            without permission.
    """
    path = Path(path)
    format = output_format(path)
    check_size(path, image.size)
    if missing := missing_extra(format):
        raise UserError(f"{path}: cannot be written: {missing}")
    if format.extra:
        register_plugins()
    image, notes = fitted(image, format)
    if software is not None and "XMP" in format.holds:
        said = image.metadata
        xmp = marked(said.xmp, software, first=format is PNG)
        image = dataclasses.replace(image, metadata=dataclasses.replace(said, xmp=xmp))
    try:
        with atomic_write(path, replace) as temporary:
            format.write(image, temporary, quality or format.quality or 0)
    except FileExistsError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    except pyvips.Error as error:
        raise UserError(f"{path}: cannot be written: {last_line(error)}") from None
    except (ValueError, struct.error) as error:  # what Pillow says where a length does not fit a format's 32 bits
        size = f"{image.size[0]}x{image.size[1]}"
        raise UserError(f"{path}: {size} cannot be written as {format.name}: {last_line(error)}") from None
    return notes
