"""PNG files, written in strips: ISA-L compresses twice as fast as other zlibs at their fastest, and a third smaller.

Encoding takes one core what the network takes all of them, so this is most of what an image costs beyond the network.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count as counted
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib

from srgan_kit.images.density import to_metre
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import XMP_KEYWORD, as_raw_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEEP, REPLACE = 0, 0
"""What becomes of an animation's frame after it was shown, and how it is laid over the one before."""
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
    with path.open("wb") as file:
        _write_head(file, image)
        for part in _compressed(image):
            _chunk(file, b"IDAT", part)
        _chunk(file, b"IEND", b"")


def write_animated_png(frames: Iterable[LoadedImage], path: Path, count: int, plays: int) -> None:
    """Write an animation of images alike, as they come; of each, the rectangle that differs from the one before.

    Raises:
        OSError: the file cannot be written.
    """
    before: LoadedImage | None = None
    numbers = counted()
    with path.open("wb") as file:
        for frame in frames:
            if before is None:
                _write_head(file, frame)
                _chunk(file, b"acTL", struct.pack(">II", count, plays))
            rows, columns = _changed(before, frame)
            alpha = None if frame.alpha is None else frame.alpha[rows, columns]
            part = replace(frame, pixels=frame.pixels[rows, columns], alpha=alpha)
            size_and_place = (*part.size, columns.start, rows.start)
            timing = (*_delay(frame.seconds or Fraction(0)), KEEP, REPLACE)
            _chunk(file, b"fcTL", struct.pack(">IIIIIHHBB", next(numbers), *size_and_place, *timing))
            for compressed in filter(None, _compressed(part)):
                if before is None:
                    _chunk(file, b"IDAT", compressed)
                else:
                    _chunk(file, b"fdAT", struct.pack(">I", next(numbers)) + compressed)
            before = frame
        _chunk(file, b"IEND", b"")


def _delay(seconds: Fraction) -> tuple[int, int]:
    """Numerator and denominator, of 16 bits each, as near as they can be."""
    seconds = min(seconds, Fraction(65535))
    seconds = seconds.limit_denominator(65535 if seconds <= 1 else int(65535 / seconds))
    return seconds.numerator, seconds.denominator


def _changed(before: LoadedImage | None, frame: LoadedImage) -> tuple[slice, slice]:
    """The rows and columns outside which two frames are the same; all of the first one."""
    height, width = frame.pixels.shape[:2]
    if before is None:
        return slice(0, height), slice(0, width)
    different = (before.pixels != frame.pixels).any(axis=2)
    if before.alpha is not None and frame.alpha is not None:
        different |= (before.alpha != frame.alpha)[:, :, 0]
    rows, columns = (np.flatnonzero(different.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _write_head(file: BinaryIO, image: LoadedImage) -> None:
    """All chunks before the pixels."""
    height, width, channels = image.pixels.shape
    channels += image.alpha is not None
    depth = 8 * image.pixels.dtype.itemsize
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0))
    for kind, content in _described(image):
        _chunk(file, kind.encode(), content)


def _compressed(image: LoadedImage) -> Iterator[bytes]:
    """The pixels as one stream of zlib, piece by piece; some pieces are empty."""
    stream = isal_zlib.compressobj(level=1)
    for strip in _filtered_strips(image):
        yield stream.compress(strip)
    yield stream.flush()


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
