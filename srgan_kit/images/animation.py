"""Animations whose encoders want all frames at once: they read them from a file on the disk, which is written first.

So no more than a frame is in memory, and what an encoder has compressed. That file is TIFF of pages, and lies unseen
in the folder of the result.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pyvips
from PIL import Image

from srgan_kit.images.frames import Frames
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import COMMENT, content, keyword
from srgan_kit.images.segments import webp_parts
from srgan_kit.images.tiff import write_pages

XMP_APPLICATION = b"\x21\xff\x0bXMP DataXMP"
XMP_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
"""What follows XMP in a GIF file: wherever a program that reads it as blocks comes out, it finds the end."""
GIF_UNIT = 10
"""Milliseconds that GIF counts in."""
COMMENT_LABEL = b"\x21\xfe"
HEADER = 13


@dataclass
class Spooled:
    """Frames on the disk."""

    file: BinaryIO
    """TIFF of pages, at its start."""
    first: LoadedImage
    """What is said of all is in it."""
    milliseconds: list[int]
    plays: int


@contextmanager
def spooled(frames: Frames, folder: Path, unit: int = 1) -> Iterator[Spooled]:
    """The frames in a file without a name, which lasts as long as the block; times are in whole `unit` milliseconds.

    Raises:
        OSError: the disk is full.
    """
    first: LoadedImage | None = None
    shown: list[Fraction] = []

    def plain() -> Iterator[LoadedImage]:
        nonlocal first
        for frame in frames.images:
            first = first or frame
            shown.append(frame.seconds or Fraction(0))
            yield LoadedImage(frame.pixels, frame.alpha)

    with tempfile.TemporaryFile(dir=folder) as file:
        write_pages(plain(), file, frames.count)
        file.seek(0)
        assert first is not None, "no frame"
        yield Spooled(file, first, _milliseconds(shown, unit), frames.plays)


def _milliseconds(shown: list[Fraction], unit: int) -> list[int]:
    """Each time rounded so that no frame begins more than half a unit early or late."""
    ends, total = [0], Fraction(0)
    for seconds in shown:
        total += seconds
        ends.append(unit * round(1000 * total / unit))
    return [after - before for before, after in pairwise(ends)]


def write_animated_gif(frames: Frames, path: Path, quality: int) -> None:
    """Up to 256 colours a frame, chosen and mixed by libvips (cgif and quantizr)."""
    with spooled(frames, path.parent, GIF_UNIT) as spool:
        data: bytes = _to_vips(spool).gifsave_buffer(effort=7, dither=1.0, interframe_maxerror=0, keep="none")
        path.write_bytes(b"".join(gif_parts(data, spool.first)))


def gif_parts(data: bytes, image: LoadedImage) -> Iterator[bytes | memoryview]:
    """A GIF file, piece by piece, with comments and XMP before the first image."""
    start = HEADER + (3 * 2 ** (data[10] % 8 + 1) if data[10] & 0x80 else 0)  # after the colours of all images
    yield data[:start]
    for text in image.metadata.texts:
        if keyword(text) == COMMENT:
            said = content(text)
            blocks = (said[start : start + 255] for start in range(0, len(said), 255))
            yield COMMENT_LABEL + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    if image.metadata.xmp is not None:
        yield XMP_APPLICATION + image.metadata.xmp + XMP_TRAILER
    yield memoryview(data)[start:]


def write_animated_webp(frames: Frames, path: Path, quality: int) -> None:
    """Lossy, by libvips."""
    with spooled(frames, path.parent) as spool:
        data: bytes = _to_vips(spool).webpsave_buffer(Q=quality, keep="none")
        path.write_bytes(b"".join(webp_parts(data, spool.first)))


def write_animated_avif(frames: Frames, path: Path, quality: int) -> None:
    """Lossy, by Pillow (libavif)."""
    with spooled(frames, path.parent) as spool, Image.open(spool.file) as pages:
        said = spool.first.metadata
        blocks = {"icc_profile": spool.first.icc, "exif": said.exif, "xmp": said.xmp}
        kept = {name: block for name, block in blocks.items() if block is not None}
        pages.save(path, "AVIF", save_all=True, quality=quality, duration=spool.milliseconds, **kept)


def _to_vips(spool: Spooled) -> Any:
    """All frames one below the other, as libvips has animations, read from the disk when they are needed."""
    source = pyvips.Source.new_from_descriptor(spool.file.fileno())
    image: Any = pyvips.Image.new_from_source(source, "", n=-1, access="sequential").copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", spool.first.size[1])
    image.set_type(pyvips.GValue.array_int_type, "delay", spool.milliseconds)
    image.set_type(pyvips.GValue.gint_type, "loop", spool.plays)
    return image
