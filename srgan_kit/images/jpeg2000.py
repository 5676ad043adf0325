"""JPEG 2000 files: their depth, profile and metadata, and pixels of more than 8 bits, which Pillow reads in grey only.

A file is a list of boxes (ITU-T T.800, annex I), or the bare code stream (annex A).
"""

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.depth import mapped

START_AND_SIZE = b"\xff\x4f\xff\x51"
XMP = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
IPTC = bytes.fromhex("33C7A4D2B81D4723A0BAF1A3E097AD38")
EXIF = b"JpgTiffExif->JP2"
"""What the content of a uuid box begins with."""
LARGEST_BLOCK = 2**26


def depth_of(path: Path) -> int:
    """Bits of the deepest channel, from the marker SIZ; 8 if there is none."""
    with mapped(path) as content:
        place = content.find(START_AND_SIZE)
        if place < 0 or place + 42 > len(content):
            return 8
        (count,) = struct.unpack_from(">H", content, place + 40)
        depths = content[place + 42 : place + 42 + 3 * count : 3]
    return max(((value & 0x7F) + 1 for value in depths), default=8)


def profile_of(path: Path) -> bytes | None:
    """The colour profile, if there is one."""
    for kind, header in _file_boxes(path):
        if kind == b"jp2h":
            for inner, content in _boxes(header):
                if inner == b"colr" and content[:1] in (b"\2", b"\3"):  # 1 would be a number
                    return content[3:] or None
    return None


def blocks_of(path: Path) -> dict[bytes, bytes]:
    """The blocks in uuid boxes by what they begin with: XMP, IPTC, EXIF and others."""
    return {content[:16]: content[16:] for kind, content in _file_boxes(path) if kind == b"uuid"}


def _file_boxes(path: Path) -> list[tuple[bytes, bytes]]:
    with mapped(path) as content:
        return list(_boxes(content))


def _boxes(content: Any) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of boxes one after another, without those that are long: they hold pixels."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1 and place + 16 <= len(content):
            (size,), head = struct.unpack_from(">Q", content, place + 8), 16
        size = size or len(content) - place
        if size < head:
            return
        if size <= LARGEST_BLOCK:
            yield kind, bytes(content[place + head : place + size])
        place += size


def decode_deep(path: Path) -> tuple[np.ndarray, int]:
    """(H, W, 1 ... 4) uint16 of more than 8 bits a channel, as they are stored, and how many bits they have.

    Raises:
        UserError: the extra is missing, signed numbers, other colours than grey and RGB.
    """
    bits = depth_of(path)
    try:
        openjpeg: Any = importlib.import_module("openjpeg")
    except ImportError:
        raise UserError(
            f"{path}: a JPEG 2000 file of {bits} bits a channel; expected 8, or install srgan-kit[jp2]"
        ) from None
    told = openjpeg.get_parameters(path)
    if told["is_signed"] or told["colourspace"] not in ("sRGB", "monochrome", "unspecified", "unknown"):
        kind = "signed numbers" if told["is_signed"] else told["colourspace"]
        raise UserError(f"{path}: a JPEG 2000 file of {bits} bits a channel in {kind}; expected unsigned RGB or grey")
    pixels = openjpeg.decode(path)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] > 4:
        raise UserError(f"{path}: {pixels.shape[2]} channels; expected 1 to 4")
    return pixels, told["precision"]
