"""Pictures in files, decoded to arrays with their transparency, colour profile and EXIF.

Pillow decodes, because it reads everything; libvips decodes 16-bit colour, which Pillow cannot.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from srgan_kit.errors import UserError
from srgan_kit.upscaling.formats import missing_extra_of_content, register_plugins

pyvips.cache_set_max(0)  # the cache would keep whole pictures alive after they are written

MAX_PIXELS = 2**29
"""Pictures of more pixels are taken for decompression bombs, where the user does not allow them."""
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
    exif: bytes | None = None
    """EXIF as in a JPEG file, without orientation, thumbnail and storage tags."""
    format: str = ""
    """What the file was, in Pillow's words."""
    notes: list[str] = field(default_factory=list)
    """What could not be kept, a line each."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]


@contextmanager
def pixels_limited(most: int = MAX_PIXELS) -> Iterator[None]:
    """Inside, Pillow and `read_image` refuse pictures of more pixels, and take all others; of the whole process."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = most / 2  # pyright: ignore[reportAttributeAccessIssue]  # Pillow refuses from twice as many
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def read_image(path: Path) -> Picture:
    """The picture in a file: first frame, EXIF orientation applied, 16 bits kept where there are 16.

    Palettes become RGB, CMYK is converted to sRGB through its profile where it has one, 1 bit becomes 8. Pillow's
    warnings are the caller's to silence: that is not safe in threads, and this function is.

    Raises:
        UserError: unreadable, empty, not an image, truncated, float pixels, more pixels than Pillow thinks safe.
    """
    register_plugins()
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty")
        with Image.open(path) as image:
            return _decode(path, image)
    except UnidentifiedImageError:
        return _decode_unknown(path)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: refused, it may be a decompression bomb: {_size_in(error)}") from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # on a damaged file the decoders raise nearly anything, RuntimeError and TypeError too
        reason = error.strerror if isinstance(error, OSError) and error.strerror else last_line(error)
        raise UserError(f"{path}: cannot be read: {reason}") from None


def _decode(path: Path, image: Image.Image) -> Picture:
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append(f"only the first of {getattr(image, 'n_frames', 1)} frames is read")
    kind, exif, icc = image.format or "", image.getexif(), image.info.get("icc_profile")
    if image.format in ("PNG", "TIFF") and _has_16_bits(path):
        pixels, is_converted = _decode_16_bits(path)
        icc = None if is_converted else icc
    else:
        image, icc = _plain_mode(image, icc)
        pixels = _array(image)
    orientation = exif.get(ORIENTATION, 1)
    pixels = _upright(pixels, orientation if isinstance(orientation, int) else 1)
    try:
        described = _descriptive(exif)
    except (struct.error, ValueError, TypeError, OverflowError) as error:
        described = None
        notes.append(f"EXIF is damaged and not kept: {last_line(error)}")
    return Picture(*_split(pixels), icc, described, kind, notes)


def _size_in(error: Image.DecompressionBombError) -> str:
    pixels, most = str(error).split("(")[-1].split(" ")[0], int(2 * (Image.MAX_IMAGE_PIXELS or 0))
    return f"{pixels} pixels, more than {most}; --max-pixels allows more"


def _decode_unknown(path: Path) -> Picture:
    """What Pillow does not know at all: grey TIFF of 16 bits with opacity."""
    missing = missing_extra_of_content(path)
    if missing:
        raise UserError(f"{path}: {missing}")
    if not _has_16_bits(path):
        raise UserError(f"{path}: not an image in a format known here")
    try:
        return Picture(*_split(_decode_16_bits(path)[0]), format="TIFF")
    except pyvips.Error as error:
        raise UserError(f"{path}: cannot be read: {last_line(error)}") from None


def _split(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 1 ... 4) -> colour and opacity, None where all is opaque."""
    if pixels.shape[2] in (1, 3):
        return np.ascontiguousarray(pixels), None
    colour, alpha = np.ascontiguousarray(pixels[:, :, :-1]), np.ascontiguousarray(pixels[:, :, -1:])
    return colour, None if alpha.min() == np.iinfo(alpha.dtype).max else alpha


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
        _check_16_bits(image)
        return image.point(lambda value: value * 1.0).convert("I;16"), icc
    if mode not in others:  # LAB, YCbCr, HSV: a profile of theirs is not one of RGB
        return image.convert("RGB"), None
    return image.convert(others[mode]), icc


def _check_16_bits(image: Image.Image) -> None:
    """Raise a UserError where a picture of 32-bit integers holds more than 16 bits can."""
    low, high = np.asarray(image).min(), np.asarray(image).max()
    if low < 0 or high > np.iinfo(np.uint16).max:
        name = getattr(image, "filename", "image")
        raise UserError(f"{name}: pixels are 32-bit numbers from {low} to {high}; expected 0 to 65535")


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


def _vips_image(path: Path, **options: str) -> Any:
    """A file for libvips, opened by Python: libvips takes names for UTF-8, and brackets in them for options."""
    with path.open("rb") as file:
        return pyvips.Image.new_from_source(pyvips.Source.new_from_descriptor(file.fileno()), "", **options)


def _has_16_bits(path: Path) -> bool:
    try:
        return _vips_image(path).format == "ushort"
    except pyvips.Error:  # a TIFF that only Pillow reads
        return False


def _decode_16_bits(path: Path) -> tuple[np.ndarray, bool]:
    """(H, W, C) uint16, and whether its colours were converted to sRGB, so that the file's profile is not theirs."""
    image = _vips_image(path, access="sequential", fail_on="truncated")
    is_cmyk = image.interpretation == "cmyk"
    if is_cmyk:
        image = image.icc_transform("srgb", depth=16, embedded=True)
    Image._decompression_bomb_check((image.width, image.height))  # what only libvips reads
    if image.bands > 4:
        raise UserError(f"{path}: expected 1 to 4 channels, got {image.bands}")
    pixels = image.numpy()
    return pixels[:, :, None] if pixels.ndim == 2 else pixels, is_cmyk


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) turned as the EXIF orientation 1 ... 8 says; a view."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _descriptive(exif: Image.Exif) -> bytes | None:
    """The part of EXIF that stays true for another file of the same picture, or None."""
    kept = Image.Exif()
    for tag in DESCRIPTIVE_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        values = {tag: value for tag, value in exif.get_ifd(directory).items() if tag not in (0xA002, 0xA003, 0xA005)}
        if values:
            kept[directory] = values
    return kept.tobytes() if len(kept) else None


def last_line(error: BaseException) -> str:
    """The last line of an error that says something, because libvips puts the cause there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
