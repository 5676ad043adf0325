"""Pixels of a file: 1 to 4 channels of 8 or 16 bits, upright or not, and the profile they are in.

Pillow decodes, because it reads everything; libvips decodes what has more than 8 bits, which Pillow reduces.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images import avif, jpeg2000
from srgan_kit.images.color import problem_of
from srgan_kit.images.depth import FLOATING, UNSIGNED, Samples, check_tiff, open_with_vips, tiff_samples, use_vips
from srgan_kit.images.netpbm import largest_value, read_netpbm, scaled

WEBP_IN_TIFF = 50001
"""A compression that libvips has and Pillow has not."""
PNG_DEPTH_PLACE, PSD_CHANNELS_PLACE = 24, 13


@dataclass
class Decoded:
    """What a decoder made of a file."""

    pixels: np.ndarray
    """(H, W, 1 ... 4) uint8 or uint16: grey or RGB, and opacity if their number is even."""
    icc: bytes | None = None
    is_converted: bool = False
    """Its colours are sRGB now, whatever the file said of them."""
    is_upright: bool = False
    """The decoder has turned it already."""
    notes: list[str] = field(default_factory=list)
    bits: int = 0
    """Bits a channel that the file had, where they are neither 8 nor 16."""


def decode(path: Path, image: Image.Image, icc: bytes | None, page: int = 0) -> Decoded:
    """The pixels of a file that Pillow has opened (at that page), and which has that colour profile.

    Raises:
        UserError: pixels of a kind that is not read.
    """
    if image.format == "TIFF" and (samples := tiff_samples(path, page)) is not None:
        if samples.form != UNSIGNED or samples.bits > 8 or samples.compression == WEBP_IN_TIFF:
            return decode_tiff(path, samples, icc, page)
        return _decode_tiff_with_pillow(path, samples, icc, page)
    if image.format == "PNG" and (png_depth(path) == 16 or _has_grey_that_pillow_mistakes(path, image)):
        return Decoded(_array(open_with_vips(path)), icc)
    if image.format == "PPM" and largest_value(path) > 255:
        return Decoded(read_netpbm(path), icc)
    if image.format == "AVIF" and (bits := avif.depth(path)) > 8 and not getattr(image, "is_animated", False):
        stored = _array(open_with_vips(path)) >> (16 - bits)
        return Decoded(scaled(stored, 2**bits - 1), icc, is_upright=True, bits=bits)
    if image.format == "JPEG2000" and (bits := jpeg2000.depth_of(path)) > 8:
        return _decode_jpeg_2000(path, image, bits, icc)
    decoded = decode_with_pillow(path, image, icc)
    bits = 16 if image.format == "SGI" and _byte(path, 3) == 2 else image.info.get("bit_depth", 8)  # of HEIF's plugin
    if bits > 8 and decoded.pixels.dtype == np.uint8:
        decoded.notes.append(f"{bits} bits a channel are read as 8")
    if image.format == "PSD" and (count := _byte(path, PSD_CHANNELS_PLACE)) > len(image.getbands()):
        decoded.notes.append(f"of {count} channels only {len(image.getbands())} are read")
    return decoded


def decode_tiff(path: Path, samples: Samples, icc: bytes | None, page: int = 0) -> Decoded:
    """The pixels of a page of a TIFF file through libvips.

    Raises:
        UserError: floating-point numbers, more than 16 bits in use, more than 4 channels, Lab of another kind than CIE.
        pyvips.Error: damaged.
    """
    check_tiff(path, samples)
    image = open_with_vips(path, page=page)
    if image.interpretation == "cmyk":
        pixels, notes = _from_cmyk(image.numpy(), icc)
        return Decoded(pixels, is_converted=True, notes=notes)
    if image.interpretation in ("lab", "labs"):
        return Decoded(_array(image.icc_export(output_profile="srgb", depth=16, pcs="lab")), is_converted=True)
    decoded = Decoded(_in_16_bits(path, _array(image)), icc)
    return _without_fourth(decoded) if samples.unknown_channels else decoded


def _array(image: Any) -> np.ndarray:
    if isinstance(image, pyvips.Image):
        return image.numpy().reshape(image.height, image.width, image.bands)
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def png_depth(path: Path) -> int:
    """Bits a channel of a PNG file."""
    return _byte(path, PNG_DEPTH_PLACE)


def _has_grey_that_pillow_mistakes(path: Path, image: Image.Image) -> bool:
    """Whether a grey of 2 or 4 bits is transparent: Pillow scales the pixels to 8 bits, and not that grey."""
    return image.mode == "L" and "transparency" in image.info and png_depth(path) in (2, 4)


def _byte(path: Path, place: int) -> int:
    with path.open("rb") as file:
        file.seek(place)
        return int.from_bytes(file.read(1), "big")


def _in_16_bits(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Whole numbers of any kind as unsigned ones of 8 or 16 bits, if they are small enough."""
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    bits = 8 * pixels.dtype.itemsize
    small = np.uint8 if bits == 8 else np.uint16
    low, high, peak = int(pixels.min()), int(pixels.max()), np.iinfo(small).max
    if low < 0 or high > peak:
        kind = "signed" if np.issubdtype(pixels.dtype, np.signedinteger) else "unsigned"
        raise UserError(f"{path}: pixels are {kind} {bits}-bit numbers from {low} to {high}; expected 0 to {peak}")
    return pixels.astype(small)


def _without_fourth(decoded: Decoded) -> Decoded:
    """Without the channel after the colours, which a TIFF file does not call opacity."""
    count = decoded.pixels.shape[2]
    if count in (2, 4):
        decoded.pixels = decoded.pixels[:, :, :-1]
    decoded.notes.append("a channel beyond the colours, which the file does not call opacity, is not kept")
    return decoded


def _decode_jpeg_2000(path: Path, image: Image.Image, bits: int, icc: bytes | None) -> Decoded:
    """More than 8 bits: Pillow reads them right in grey only."""
    if bits > 16:
        raise UserError(f"{path}: {bits} bits a channel; expected at most 16")
    if image.mode == "I;16":
        return Decoded(scaled(_array(image) >> (16 - bits), 2**bits - 1), icc)
    pixels, bits = jpeg2000.decode_deep(path)
    return Decoded(scaled(pixels, 2**bits - 1), icc)


def _decode_tiff_with_pillow(path: Path, samples: Samples, icc: bytes | None, page: int) -> Decoded:
    check_tiff(path, samples)
    with path.open("rb") as file, Image.open(file) as image:  # by its name, Pillow would turn grey files wrongly
        image.seek(page)
        image.load()  # turns it, and says its size anew
        decoded = decode_with_pillow(path, image, icc)
    decoded.is_upright = True
    return _without_fourth(decoded) if samples.unknown_channels else decoded


def decode_with_pillow(path: Path, image: Image.Image, icc: bytes | None) -> Decoded:
    """The image as grey or RGB, with opacity or not, and the profile that its colours now are in.

    Args:
        path: what errors name.
        image: as Pillow opened or made it.
        icc: its colour profile.

    Raises:
        UserError: pixels of a kind that is not read.
    """
    mode = image.mode
    if mode in ("L", "RGB", "P", "1") and image.has_transparency_data:
        return Decoded(_array(image.convert("LA" if mode in ("L", "1") else "RGBA")), icc)
    if mode in ("L", "LA", "RGB", "RGBA", "I;16"):
        return Decoded(_array(image), icc)
    if mode == "CMYK":
        pixels, notes = _from_cmyk(np.asarray(image), icc)
        return Decoded(pixels, is_converted=True, notes=notes)
    if mode == "F":
        raise UserError(f"{path}: {FLOATING}")
    others = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "I;16B": "I;16"}
    if mode == "I":
        return Decoded(_in_16_bits(path, _array(image)), icc)
    if mode not in others:  # LAB, YCbCr, HSV: a profile of theirs is not one of RGB
        return Decoded(_array(image.convert("RGB")), is_converted=True)
    return Decoded(_array(image.convert(others[mode])), icc)


def _from_cmyk(inks: np.ndarray, icc: bytes | None) -> tuple[np.ndarray, list[str]]:
    """(H, W, 4) inks -> (H, W, 3) sRGB of the same depth: through their profile, or as if inks were perfect."""
    problem = "none" if icc is None else problem_of(icc, 4)
    if not problem:
        depth, (height, width) = 8 * inks.dtype.itemsize, inks.shape[:2]
        kind = "uchar" if depth == 8 else "ushort"
        use_vips()
        image: Any = pyvips.Image.new_from_memory(np.ascontiguousarray(inks).data, width, height, 4, kind)
        image = image.copy(interpretation="cmyk")
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        return image.icc_transform("srgb", depth=depth, embedded=True).numpy(), []
    peak = int(np.iinfo(inks.dtype).max)
    light = np.empty((*inks.shape[:2], 3), inks.dtype)
    for row in range(len(inks)):  # row by row: no large numbers of the whole image
        colours, black = np.split(peak - inks[row].astype(np.uint32), [3], axis=1)
        light[row] = (colours * black + peak // 2) // peak
    kind = "without a profile" if icc is None else f"whose profile cannot be used ({problem})"
    return light, [f"CMYK {kind} is converted as if its inks were perfect"]
