"""Pictures in files: decoded to arrays with their transparency, colour profile and EXIF, and encoded again.

Pillow decodes, because it reads everything; libvips decodes 16-bit colour, which Pillow cannot, and encodes, because it
reads an array where it lies and is several times faster.
"""

import struct
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from srgan_kit.errors import UserError
from srgan_kit.files import appearing

pyvips.cache_set_max(0)  # the cache would keep whole pictures alive after they are written

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
"""What can be read from a folder and written, by suffix."""
LARGEST_SIDE = {"JPEG": 65535, "WebP": 16383, "AVIF": 16384}
WITHOUT_ALPHA = ("JPEG", "BMP")
WITH_16_BITS = ("PNG", "TIFF")
QUALITY = {"JPEG": 95, "WebP": 92, "AVIF": 80}
ORIENTATION = 0x0112
DESCRIPTIVE_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432, 40091, 40092, 40093, 40094, 40095)
"""EXIF tags of the main directory that describe the picture, not how its file stores it."""


@dataclass
class Picture:
    """A decoded picture, upright."""

    pixels: np.ndarray
    """(H, W, C) uint8 or uint16, C = 1 for grey pictures and 3 for RGB; not premultiplied."""
    alpha: np.ndarray | None = None
    """(H, W, 1) of the same type: opacity, or None where all is opaque."""
    icc: bytes | None = None
    """Colour profile of the pixels."""
    exif: Image.Exif | None = None
    """EXIF without orientation, thumbnail and storage tags."""
    format: str = ""
    """What the file was, in Pillow's words."""
    notes: list[str] = field(default_factory=list)
    """What could not be kept, a line each."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]


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


# --- reading --------------------------------------------------------------------------------------------------------


def read_image(path: Path) -> Picture:
    """The picture in a file: first frame, EXIF orientation applied, 16 bits kept where there are 16.

    Palettes become RGB, CMYK is converted to sRGB through its profile where it has one, 1 bit becomes 8.

    Raises:
        UserError: unreadable, empty, not an image, truncated, float pixels, more pixels than Pillow thinks safe.
    """
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty")
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            return _decode(path, image)
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image in a format known here") from None
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: refused, it may be a decompression bomb: {error}") from None
    except (OSError, SyntaxError, EOFError, ValueError, struct.error, pyvips.Error) as error:
        if isinstance(error, UserError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _line(error)
        raise UserError(f"{path}: cannot be read: {reason}") from None


def _decode(path: Path, image: Image.Image) -> Picture:
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"only the first of {getattr(image, 'n_frames', 1)} frames is read")
    kind, exif, icc = image.format or "", image.getexif(), image.info.get("icc_profile")
    if image.format in ("PNG", "TIFF") and _has_16_bit_colour(path):
        pixels = _decode_16_bits(path)
    else:
        image, icc = _plain_mode(image, icc)
        pixels = _array(image)
    orientation = exif.get(ORIENTATION, 1)
    pixels = _upright(pixels, orientation if isinstance(orientation, int) else 1)
    alpha = None
    if pixels.shape[2] in (2, 4):
        alpha = np.ascontiguousarray(pixels[:, :, -1:])
        pixels = pixels[:, :, :-1]
        if alpha.min() == np.iinfo(alpha.dtype).max:
            alpha = None
    return Picture(np.ascontiguousarray(pixels), alpha, icc, _descriptive(exif), kind, notes)


def _plain_mode(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """The image in mode L, LA, RGB, RGBA or I;16, and the profile that its colours now are in."""
    mode, transparent = image.mode, "transparency" in image.info
    if mode in ("L", "RGB", "P", "1") and transparent:
        return image.convert("LA" if mode in ("L", "1") else "RGBA"), icc
    if mode in ("L", "LA", "RGB", "RGBA", "I;16"):
        return image, icc
    if mode == "CMYK":
        return _from_cmyk(image, icc), None
    if mode == "F":
        raise UserError(f"{getattr(image, 'filename', 'image')}: pixels are floating-point numbers; expected integers")
    others = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "I;16B": "I;16"}
    if mode == "I":
        return image.point(lambda value: value * 1.0).convert("I;16"), icc
    return image.convert(others.get(mode, "RGB")), icc


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc is not None:
        try:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one of another kind
            pass
    return image.convert("RGB")


def _array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _has_16_bit_colour(path: Path) -> bool:
    try:
        return pyvips.Image.new_from_file(str(path)).format == "ushort"
    except pyvips.Error:  # a TIFF that only Pillow reads
        return False


def _decode_16_bits(path: Path) -> np.ndarray:
    image: Any = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated")
    if image.interpretation == "cmyk":
        image = image.icc_transform("srgb", depth=16, embedded=True)
    if image.bands > 4:
        raise UserError(f"{path}: expected 1 to 4 channels, got {image.bands}")
    pixels = image.numpy()
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) turned as the EXIF orientation 1 ... 8 says; a view."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _descriptive(exif: Image.Exif) -> Image.Exif | None:
    """The part of EXIF that stays true for another file of the same picture, or None."""
    kept = Image.Exif()
    for tag in DESCRIPTIVE_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        values = {tag: value for tag, value in exif.get_ifd(directory).items() if tag not in (0xA002, 0xA003, 0xA005)}
        if values:
            kept[directory] = values
    return kept if len(kept) else None


# --- writing --------------------------------------------------------------------------------------------------------


def write_image(picture: Picture, path: Path, quality: int | None = None) -> list[str]:
    """Write a picture in the format of the name's suffix, whole or not at all; returns what could not be kept.

    JPEG and BMP have no transparency: the picture is laid on white. Only PNG and TIFF keep 16 bits.

    Raises:
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
    try:
        with appearing(path) as temporary:
            if kind == "BMP" or (kind == "TIFF" and picture.exif and picture.pixels.dtype == np.uint8):
                _write_with_pillow(picture, temporary, kind)
            else:
                notes += _write_with_vips(picture, temporary, kind, quality)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    except pyvips.Error as error:
        raise UserError(f"{path}: cannot be written: {_line(error)}") from None
    return notes


def _write_with_vips(picture: Picture, path: Path, kind: str, quality: int | None) -> list[str]:
    image = to_vips(picture.pixels)
    if picture.alpha is not None:
        image = image.bandjoin(to_vips(picture.alpha))
    wide = picture.pixels.dtype == np.uint16
    grey = picture.pixels.shape[2] == 1
    interpretation = {(0, 0): "srgb", (0, 1): "b-w", (1, 0): "rgb16", (1, 1): "grey16"}[wide, grey]
    image = image.copy(interpretation=interpretation)
    notes = []
    if picture.icc is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.icc)
    if picture.exif is not None and kind == "TIFF":
        notes.append("EXIF is not kept in a TIFF of 16 bits a channel")
    elif picture.exif is not None:
        try:
            image.set_type(pyvips.GValue.blob_type, "exif-data", picture.exif.tobytes())
        except (struct.error, ValueError, TypeError, OverflowError) as error:
            notes.append(f"EXIF is damaged and not kept: {_line(error)}")
    chosen = quality if quality is not None else QUALITY.get(kind)
    if kind == "PNG":  # the cheap filter and level cost a tenth of the network's time, and 20 % more bytes
        image.pngsave(str(path), compression=1, filter="up")
    elif kind == "JPEG":
        image.jpegsave(str(path), Q=chosen, optimize_coding=True)
    elif kind == "WebP":
        image.webpsave(str(path), Q=chosen)
    elif kind == "AVIF":
        image.heifsave(str(path), Q=chosen, compression="av1", effort=3)
    else:
        large = 4 * picture.pixels.nbytes > 3 * 2**32  # near the 4 GiB of an ordinary TIFF
        image.tiffsave(str(path), compression="deflate", level=1, predictor="horizontal", bigtiff=large)
    return notes


def _write_with_pillow(picture: Picture, path: Path, kind: str) -> None:
    pixels = picture.pixels if picture.alpha is None else np.concatenate([picture.pixels, picture.alpha], axis=2)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if kind == "BMP":
        image.save(path, "BMP")
    else:
        assert picture.exif is not None
        image.save(path, "TIFF", compression="tiff_lzw", exif=picture.exif, icc_profile=picture.icc)


def to_vips(pixels: np.ndarray) -> Any:
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


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
