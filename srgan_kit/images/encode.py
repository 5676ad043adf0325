"""Images written to files: made to fit the format, marked, and there whole or not at all."""

import dataclasses
import struct
from itertools import chain
from pathlib import Path

import pyvips

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.images.depth import last_line
from srgan_kit.images.fitting import fitted
from srgan_kit.images.formats import ALL_FORMATS, AVIF, FORMATS, PNG, Format, missing_extra, register_plugins
from srgan_kit.images.frames import Frames
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.mark import marked


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
    return write_frames(Frames.of(image), path, quality, software, replace)


def write_frames(
    frames: Frames, path: Path | str, quality: int | None = None, software: str | None = None, replace: bool = True
) -> list[str]:
    """Write all images of `frames` into one file, as they come, as `write_image` does one.

    A format that holds one image gets the first; TIFF holds the frames of an animation as pages. Notes say so.

    Raises:
        FileExistsError, UserError: as `write_image`.
    """
    path = Path(path)
    format = output_format(path)
    if missing := missing_extra(format):
        raise UserError(f"{path}: cannot be written: {missing}")
    if format.extra:
        register_plugins()
    notes: list[str] = []
    frames = _held(frames, format, notes)
    if frames.kind != "image" and format.colours == "code points":
        format = dataclasses.replace(format, colours="profile")  # the encoder of animations takes nothing else
    first = _fitting(next(frames.images), path, format, software, notes)
    rest = (_fitting(image, path, format, software, notes) for image in frames.images)
    try:
        with atomic_write(path, replace) as temporary:
            if frames.kind == "image":
                format.write(first, temporary, quality or format.quality or 0)
            else:
                assert format.write_several is not None
                every = dataclasses.replace(frames, images=chain([first], rest))
                format.write_several(every, temporary, quality or format.quality or 0)
    except (FileExistsError, UserError):
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    except pyvips.Error as error:
        raise UserError(f"{path}: cannot be written: {last_line(error)}") from None
    except (ValueError, struct.error) as error:  # what Pillow says where a length does not fit a format's 32 bits
        size = f"{first.size[0]}x{first.size[1]}"
        raise UserError(f"{path}: {size} cannot be written as {format.name}: {last_line(error)}") from None
    return list(dict.fromkeys(notes))


def _held(frames: Frames, format: Format, notes: list[str]) -> Frames:
    """The frames that a format holds: all, or the first, with a note."""
    if frames.kind == "image" or format.several == "pages" or (frames.kind == "animation" and format.several):
        if frames.kind == "animation" and format.several == "pages":
            notes.append(f"frames become pages, without timing, which {format.name} does not have")
        if frames.plays and format is AVIF:
            notes.append("that it ends is not kept: the encoder of AVIF's animations cannot say it")
        return frames
    what = "frames" if frames.kind == "animation" else "pages"
    able = ", ".join(each.suffixes[0][1:] for each in ALL_FORMATS if each.several in ("pages", what))
    hold = "hold" if "," in able else "holds"
    notes.append(f"only the first of {frames.count} {what} is written, as {format.name} has one; {able} {hold} all")
    return Frames.of(next(frames.images))


def _fitting(image: LoadedImage, path: Path, format: Format, software: str | None, notes: list[str]) -> LoadedImage:
    """An image as the format holds it, marked."""
    check_size(path, image.size)
    software = software if "XMP" in format.holds else None
    if software is not None:  # before it is seen whether the packet has room
        image = _marked(image, software, format)
    image, lost = fitted(image, format)
    notes += lost
    return image if software is None or image.metadata.xmp is not None else _marked(image, software, format)


def _marked(image: LoadedImage, software: str, format: Format) -> LoadedImage:
    said = image.metadata
    xmp = marked(said.xmp, software, first=format is PNG)
    return dataclasses.replace(image, metadata=dataclasses.replace(said, xmp=xmp))
