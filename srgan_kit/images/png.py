"""PNG files, written in strips: ISA-L compresses twice as fast as other zlibs at their fastest, and a third smaller.

Encoding takes one core what the network takes all of them, so this is most of what an image costs beyond the network.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib

from srgan_kit.images.density import to_metre
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import XMP_KEYWORD, as_raw_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UP = 2
"""The filter of every row: its difference from the row above."""
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number for grey, grey with opacity, RGB, RGB with opacity, by the number of channels."""
STRIP_BYTES = 4_000_000
LARGEST_CHUNK = 2**26
"""Bytes of a chunk that is kept; a longer one is passed over."""


def read_chunks(path: Path) -> list[tuple[str, bytes]]:
    """(kind, content) of all chunks of a PNG file that are not about its pixels, in order.

    Raises:
        OSError: the file cannot be read.
    """
    chunks = []
    with path.open("rb") as file:
        file.seek(len(SIGNATURE))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IEND":
                break
            if kind in (b"IHDR", b"PLTE", b"IDAT", b"fdAT") or length > LARGEST_CHUNK:
                file.seek(length + 4, 1)
                continue
            content = file.read(length)
            chunks.append((kind.decode("latin-1"), content))
            file.seek(4, 1)
    return chunks


def write_png(image: LoadedImage, path: Path) -> None:
    """Write an image of 8 or 16 bits a channel, with all that is said of it (PNG specification, third edition).

    Raises:
        OSError: the file cannot be written.
    """
    height, width, channels = image.pixels.shape
    channels += image.alpha is not None
    depth = 8 * image.pixels.dtype.itemsize
    with path.open("wb") as file:
        file.write(SIGNATURE)
        _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0))
        for kind, content in _described(image):
            _chunk(file, kind.encode(), content)
        stream = isal_zlib.compressobj(level=1)
        for strip in _filtered_strips(image):
            _chunk(file, b"IDAT", stream.compress(strip))
        _chunk(file, b"IDAT", stream.flush())
        _chunk(file, b"IEND", b"")


def _described(image: LoadedImage) -> Iterator[tuple[str, bytes]]:
    """The chunks before the pixels: XMP, whose mark is so near the file's start, colours, size, other metadata."""
    said = image.metadata
    if said.xmp is not None:
        yield "iTXt", XMP_KEYWORD.encode() + bytes(5) + said.xmp
    yield from image.tags.items()
    if image.icc is not None and "sRGB" not in image.tags:  # only one of them may be there
        yield "iCCP", b"ICC profile\0\0" + isal_zlib.compress(image.icc)
    if image.density is not None:
        yield "pHYs", struct.pack(">IIB", *to_metre(image.density))
    if said.exif is not None:
        yield "eXIf", said.exif
    if said.photoshop is not None:
        yield as_raw_profile("iptc", said.photoshop)
    yield from said.texts


def _chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    if kind == b"IDAT" and not content:  # the compressor has kept it all for later
        return
    file.write(struct.pack(">I", len(content)) + kind)
    file.write(content)
    file.write(struct.pack(">I", isal_zlib.crc32(content, isal_zlib.crc32(kind))))


def _filtered_strips(image: LoadedImage) -> Iterator[np.ndarray]:
    """The rows as PNG wants them, a few megabytes at a time: the filter's number, then the filtered bytes."""
    above: np.ndarray | None = None
    rows = max(1, STRIP_BYTES // image.row_bytes)
    for start in range(0, len(image.pixels), rows):
        strip = image.pixels[start : start + rows]
        if image.alpha is not None:
            strip = np.concatenate([strip, image.alpha[start : start + rows]], axis=2)
        if strip.dtype == np.uint16:
            strip = strip.astype(">u2")
        raw = np.ascontiguousarray(strip).reshape(len(strip), -1).view(np.uint8)
        filtered = np.empty((raw.shape[0], 1 + raw.shape[1]), np.uint8)
        filtered[:, 0] = UP
        filtered[0, 1:] = raw[0] if above is None else raw[0] - above
        np.subtract(raw[1:], raw[:-1], out=filtered[1:, 1:])
        above = raw[-1].copy()
        yield filtered
