"""Images written to files, by encoders that read an array where it lies: ours for PNG and TIFF, else libvips."""

import dataclasses
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.images import avif
from srgan_kit.images.density import INCH, NONE
from srgan_kit.images.fitting import fitted, to_vips
from srgan_kit.images.formats import (
    DEEPEST,
    EXTRAS,
    FORMATS,
    HOLDS,
    LARGEST_SIDE,
    QUALITY,
    missing_extra,
    register_plugins,
)
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.mark import marked
from srgan_kit.images.png import write_png
from srgan_kit.images.read import last_line
from srgan_kit.images.segments import jpeg_parts, webp_parts
from srgan_kit.images.tiff import write_tiff


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
    image: LoadedImage, path: Path, quality: int | None = None, software: str | None = None, replace: bool = True
) -> list[str]:
    """Write an image in the format of the name's suffix, whole or not at all; returns what could not be kept.

    JPEG and BMP have no transparency: the image is laid on white. Only PNG and TIFF keep 16 bits; AVIF has 12.
    The file says which `software` made it, but for BMP, which has no room for that.

    Raises:
        FileExistsError: the file exists, and `replace` is false.
        UserError: an unknown suffix, an image too large for the format, a full disk, a folder without permission.
    """
    kind = output_format(path)
    check_size(path, image.size)
    image, notes = fitted(image, kind)
    if software is not None and "XMP" in HOLDS[kind]:
        said = image.metadata
        xmp = marked(said.xmp, software, first=kind == "PNG")
        image = dataclasses.replace(image, metadata=dataclasses.replace(said, xmp=xmp))
    try:
        with atomic_write(path, replace) as temporary:
            if kind == "PNG":
                write_png(image, temporary)
            elif kind == "TIFF":
                write_tiff(image, temporary)
            elif kind == "BMP":
                _write_bmp(image, temporary)
            elif kind in EXTRAS:
                _write_with_plugin(image, temporary, kind, quality)
            else:
                _write_with_vips(image, temporary, kind, quality if quality is not None else QUALITY[kind])
    except FileExistsError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    except pyvips.Error as error:
        raise UserError(f"{path}: cannot be written: {last_line(error)}") from None
    except (ValueError, struct.error) as error:  # what Pillow says where a length does not fit a format's 32 bits
        size = f"{image.size[0]}x{image.size[1]}"
        raise UserError(f"{path}: {size} cannot be written as {kind}: {last_line(error)}") from None
    return notes


def _write_with_vips(loaded: LoadedImage, path: Path, kind: str, quality: int) -> None:
    """JPEG, WebP or AVIF. Written by Python, which can say that a disk is full: of these encoders none does."""
    image = to_vips(loaded.pixels)
    if loaded.alpha is not None:
        image = image.bandjoin(to_vips(loaded.alpha))
    parts: Iterable[bytes | memoryview]
    if kind == "JPEG":
        parts = jpeg_parts(image.jpegsave_buffer(Q=quality, keep="none"), loaded)
    elif kind == "WebP":
        parts = webp_parts(image.webpsave_buffer(Q=quality, keep="none"), loaded)
    else:
        parts = [_avif(image, loaded, quality)]
    with path.open("wb") as file:
        file.writelines(parts)


def _avif(image: Any, loaded: LoadedImage, quality: int) -> bytes:
    said = loaded.metadata
    room = [None if block is None else avif.PLACEHOLDER for block in (said.exif, said.xmp)]
    blocks = {"exif-data": room[0], "xmp-data": room[1], "icc-profile-data": loaded.icc}
    for name, block in blocks.items():
        if block is not None:
            image.set_type(pyvips.GValue.blob_type, name, block)
    is_wide = loaded.pixels.dtype == np.uint16
    bits = (10 if loaded.bits == 10 else DEEPEST["AVIF"]) if is_wide else 8
    kept = ":".join(name.split("-")[0] for name, block in blocks.items() if block is not None) or "none"
    data: bytes = image.heifsave_buffer(Q=quality, compression="av1", effort=3, bitdepth=bits, keep=kept)
    return avif.finished(data, said.exif, said.xmp, loaded.tags.get("cICP"))


def _write_bmp(image: LoadedImage, path: Path) -> None:
    density = image.density if image.density is not None and image.density.unit != NONE else None
    per_inch = (0.0, 0.0) if density is None else tuple(float(value) for value in density.per(INCH))
    _to_pillow(image).save(path, "BMP", dpi=per_inch)  # 0: not known; without it, Pillow says 96


def _write_with_plugin(image: LoadedImage, path: Path, kind: str, quality: int | None) -> None:
    """HEIF and JPEG XL, by what the extras bring."""
    missing = missing_extra(kind)
    if missing:
        raise UserError(f"{path}: cannot be written: {missing}")
    register_plugins()
    options: dict[str, Any] = {"quality": quality or QUALITY[kind]}
    said = image.metadata
    options |= {name: block for name, block in (("exif", said.exif), ("xmp", said.xmp)) if block is not None}
    if kind == "HEIF":
        if "cICP" in image.tags:
            primaries, transfer = image.tags["cICP"][:2]
            options |= {"color_primaries": primaries, "transfer_characteristics": transfer}
            options |= {"matrix_coefficients": avif.MATRIX_BT601, "full_range_flag": 1}
        _to_pillow(image).save(path, "HEIF", icc_profile=image.icc, **options)
        return
    lossless = options["quality"] == 100  # which the encoder refuses by its number alone
    _to_pillow(image).save(path, "JXL", lossless=lossless, **options)


def _to_pillow(image: LoadedImage) -> Image.Image:
    pixels = image.pixels if image.alpha is None else np.concatenate([image.pixels, image.alpha], axis=2)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
