"""Pictures written to files, by encoders that read an array where it lies: ours for PNG, libvips for most others."""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.files import appearing
from srgan_kit.upscaling.formats import (
    EXTRAS,
    FORMATS,
    LARGEST_SIDE,
    QUALITY,
    WITH_16_BITS,
    WITHOUT_ALPHA,
    missing_extra,
    register_plugins,
)
from srgan_kit.upscaling.images import Picture, last_line
from srgan_kit.upscaling.mark import marked
from srgan_kit.upscaling.png import write_png

XMP_TAG = 700
"""TIFF's number for an XMP packet."""


def output_format(path: Path) -> str:
    """The format that a file name asks for.

    Raises:
        UserError: none of FORMATS.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: cannot write {path.suffix or 'a file without a suffix'}; known: {' '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Raise a UserError if the format of `path` cannot hold (width, height)."""
    limit = LARGEST_SIDE.get(output_format(path))
    if limit is not None and max(size) > limit:
        raise UserError(f"{path}: {size[0]}x{size[1]} is too large for {output_format(path)}, whose limit is {limit}")


def write_image(
    picture: Picture, path: Path, quality: int | None = None, software: str | None = None, replace: bool = True
) -> list[str]:
    """Write a picture in the format of the name's suffix, whole or not at all; returns what could not be kept.

    JPEG and BMP have no transparency: the picture is laid on white. Only PNG and TIFF keep 16 bits. The file says which
    `software` made it, but for BMP, which has no room for that.

    Raises:
        FileExistsError: the file exists, and `replace` is false.
        UserError: an unknown suffix, a picture too large for the format, a full disk, a folder without permission.
    """
    kind = output_format(path)
    check_size(path, picture.size)
    notes: list[str] = []
    if picture.pixels.dtype == np.uint16 and kind not in WITH_16_BITS:
        notes.append(f"16 bits a channel are reduced to 8, as {kind} needs")
        picture = _to_8_bits(picture)
    if picture.alpha is not None and kind in WITHOUT_ALPHA:
        notes.append(f"transparency is laid on white, as {kind} has none")
        picture = _on_white(picture)
    xmp = None if software is None else marked(None, software)
    try:
        with appearing(path, replace) as temporary:
            with_exif = picture.exif is not None and kind == "TIFF"
            if with_exif and picture.pixels.dtype == np.uint16:
                notes.append("EXIF is not kept in a TIFF of 16 bits a channel")
            if kind == "PNG":
                write_png(picture, temporary, xmp)
            elif kind == "BMP" or (with_exif and picture.pixels.dtype == np.uint8):
                _write_with_pillow(picture, temporary, kind, xmp)
            elif kind in EXTRAS:
                notes += _write_with_plugin(picture, temporary, kind, quality, xmp)
            else:
                _write_with_vips(picture, temporary, kind, quality, xmp)
    except FileExistsError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    except pyvips.Error as error:
        raise UserError(f"{path}: cannot be written: {last_line(error)}") from None
    except (ValueError, struct.error) as error:  # what Pillow says where a length does not fit a format's 32 bits
        size = f"{picture.size[0]}x{picture.size[1]}"
        raise UserError(f"{path}: {size} cannot be written as {kind}: {last_line(error)}") from None
    return notes


def _write_with_vips(picture: Picture, path: Path, kind: str, quality: int | None, xmp: bytes | None) -> None:
    image = _to_vips(picture.pixels)
    if picture.alpha is not None:
        image = image.bandjoin(_to_vips(picture.alpha))
    wide = picture.pixels.dtype == np.uint16
    grey = picture.pixels.shape[2] == 1
    interpretation = {(0, 0): "srgb", (0, 1): "b-w", (1, 0): "rgb16", (1, 1): "grey16"}[wide, grey]
    image = image.copy(interpretation=interpretation)
    if picture.icc is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.icc)
    if picture.exif is not None:
        image.set_type(pyvips.GValue.blob_type, "exif-data", picture.exif)
    if xmp is not None:
        image.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    chosen = quality if quality is not None else QUALITY.get(kind)
    # Written by Python, which can say that a disk is full: of these encoders only TIFF's does.
    if kind == "JPEG":
        path.write_bytes(image.jpegsave_buffer(Q=chosen))
    elif kind == "WebP":
        path.write_bytes(image.webpsave_buffer(Q=chosen))
    elif kind == "AVIF":
        path.write_bytes(image.heifsave_buffer(Q=chosen, compression="av1", effort=3))
    else:
        large = 4 * picture.pixels.nbytes > 3 * 2**32  # near the 4 GiB of an ordinary TIFF
        image.tiffsave(os.fsencode(path), compression="deflate", level=1, predictor="horizontal", bigtiff=large)


def _write_with_pillow(picture: Picture, path: Path, kind: str, xmp: bytes | None) -> None:
    image = _to_pillow(picture)
    if kind == "BMP":
        image.save(path, "BMP")
    else:  # uncompressed: libtiff, which compresses for Pillow, cannot write the EXIF directories
        exif = Image.Exif()
        exif.load(picture.exif or b"")
        if xmp is not None:
            exif[XMP_TAG] = xmp
        image.save(path, "TIFF", exif=exif, icc_profile=picture.icc)


def _write_with_plugin(picture: Picture, path: Path, kind: str, quality: int | None, xmp: bytes | None) -> list[str]:
    """HEIF and JPEG XL, by what the extras bring."""
    missing = missing_extra(kind)
    if missing:
        raise UserError(f"{path}: cannot be written: {missing}")
    register_plugins()
    options: dict[str, Any] = {"quality": quality or QUALITY[kind]}
    options |= {name: value for name, value in (("exif", picture.exif), ("xmp", xmp)) if value is not None}
    if kind == "HEIF":
        _to_pillow(picture).save(path, "HEIF", icc_profile=picture.icc, **options)
        return []
    lossless = options["quality"] == 100  # which the encoder refuses by its number alone
    _to_pillow(picture).save(path, "JXL", lossless=lossless, **options)
    return [] if picture.icc is None else ["the colour profile is not kept, as the JPEG XL plugin writes none"]


def _to_pillow(picture: Picture) -> Image.Image:
    pixels = picture.pixels if picture.alpha is None else np.concatenate([picture.pixels, picture.alpha], axis=2)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _to_vips(pixels: np.ndarray) -> Any:
    """(H, W, C) uint8 or uint16 as a libvips image that reads the array where it lies."""
    height, width, channels = pixels.shape
    kind = "uchar" if pixels.dtype == np.uint8 else "ushort"
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, channels, kind)


def _to_8_bits(picture: Picture) -> Picture:
    def reduce(values: np.ndarray) -> np.ndarray:
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)

    alpha = None if picture.alpha is None else reduce(picture.alpha)
    return Picture(reduce(picture.pixels), alpha, picture.icc, picture.exif, picture.format)


def _on_white(picture: Picture) -> Picture:
    assert picture.alpha is not None
    pixels = np.empty_like(picture.pixels)
    for row in range(len(pixels)):  # row by row: no float copy of the picture
        opacity = picture.alpha[row].astype(np.uint32)
        mixed = picture.pixels[row].astype(np.uint32) * opacity + 255 * (255 - opacity)
        pixels[row] = (mixed + 127) // 255
    return Picture(pixels, None, picture.icc, picture.exif, picture.format)
