"""TIFF files, written in strips (TIFF 6.0; deflate and the horizontal predictor of its supplements).

EXIF is a TIFF file itself. It is written first, as it is, and the image's directory last: so nothing that EXIF says
of places in itself, makers' notes included, is wrong, and its entries are those of the directory.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib

from srgan_kit.images.density import to_tiff
from srgan_kit.images.exif import RESOLUTION_TAGS, Directories, Entry, entries, pack_directory
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import iptc_of

BYTE, UNDEFINED, SHORT, LONG, LONG8 = 1, 7, 3, 4, 16
DEFLATE, HORIZONTAL, OPACITY = 8, 2, 2
"""Values of Compression, Predictor and ExtraSamples."""
TIFF_XMP, TIFF_IPTC, TIFF_PHOTOSHOP, TIFF_PROFILE = 700, 33723, 34377, 34675
STORAGE_TAGS = frozenset(
    (*range(254, 269), 273, *range(277, 282), 284, *range(288, 294), 301, 317, *range(320, 348), *range(512, 533))
)
"""Tags that say how a file stores its pixels, or how they were meant to be printed."""
STRIP_BYTES = 1_000_000
LARGEST_CLASSIC = 2**32 - 2**24
"""Bytes of pixels from which a file might not fit 32-bit places: then it is a BigTIFF."""


def write_tiff(image: LoadedImage, path: Path) -> None:
    """Write an image of 8 or 16 bits a channel, with all that is said of it; EXIF only if the file is no BigTIFF.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("wb") as file:
        write_pages([image], file, 1)


def write_pages(images: Iterable[LoadedImage], file: BinaryIO, count: int) -> None:
    """Write a TIFF file of several pages, of any sizes, as they come: none is kept.

    Args:
        images: the pages, about `count` of them.
        file: empty.
        count: by it and the first page it is decided whether the file is a BigTIFF.

    Raises:
        OSError: the file cannot be written.
        struct.error: the pages are more than a file that is no BigTIFF holds.
    """
    order, big, link = "<", False, 0
    for number, image in enumerate(images):
        exif = image.metadata.exif
        if number == 0:
            big = is_big(image, count)
            order = ">" if not big and exif is not None and exif[:2] == b"MM" else "<"
            mark = b"MM" if order == ">" else b"II"
            file.write(mark + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
            link = 8 if big else 4
        said: list[Entry] = []
        ready: dict[int, bytes] = {}
        if exif is not None and not big and number == 0:
            file.write(exif[8:])
            ready = _entries_of(exif)
        elif exif is not None and not big:
            said = _entries_to_copy(exif, order)
        link = _write_page(file, image, (order, big), (said, ready), link)


def _write_page(
    file: BinaryIO,
    image: LoadedImage,
    kind: tuple[str, bool],
    exif: tuple[list[Entry], dict[int, bytes]],
    link: int,
) -> int:
    """Append a page, say at `link` where its directory lies, and return where the next one's is to be said."""
    order, big = kind
    places, lengths = [], []
    for strip in _strips(image, order):
        file.write(b"\0" * (file.tell() % 2))
        places.append(file.tell())
        lengths.append(file.write(isal_zlib.compress(strip, 1)))
    file.write(b"\0" * (file.tell() % 2))
    place = file.tell()
    content = exif[0] + _storage(image, kind, places, lengths) + _described(image, order)
    directory = pack_directory(order, content, place, exif[1], is_big=big)
    file.write(directory)
    end = file.tell()
    file.seek(link)
    file.write(struct.pack(order + ("Q" if big else "I"), place))
    file.seek(end)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), directory)
    return place + (8 + 20 * count if big else 2 + 12 * count)


def is_big(image: LoadedImage, count: int = 1) -> bool:
    """Whether the file of an image, or of `count` pages that begin with it, is a BigTIFF: its places are longer than
    those of EXIF. Of several pages the others may be larger than the first, up to four times."""
    size = image.row_bytes * len(image.pixels)
    return size > LARGEST_CLASSIC or (count > 1 and 4 * count * size > LARGEST_CLASSIC)


def _entries_to_copy(exif: bytes, order: str) -> list[Entry]:
    """All that EXIF says, to be packed at another place; nothing where its byte order is another one."""
    tiff = Directories(exif)
    if tiff.order != order:
        return []
    found = entries(tiff, tiff.directory(tiff.first))
    return [entry for entry in found if entry[0] not in STORAGE_TAGS and entry[0] not in RESOLUTION_TAGS]


def _entries_of(exif: bytes) -> dict[int, bytes]:
    """The entries of EXIF's main directory, as they stand there, without those of how pixels are stored."""
    tiff = Directories(exif)
    fields = tiff.directory(tiff.first).values()
    return {field.tag: exif[field.place : field.place + 12] for field in fields if field.tag not in STORAGE_TAGS}


def _rows(image: LoadedImage) -> int:
    """Rows of a strip."""
    return min(max(1, STRIP_BYTES // image.row_bytes), len(image.pixels))


def _strips(image: LoadedImage, order: str) -> Iterator[np.ndarray]:
    """Some rows at a time: each value its difference from the one to its left, in the file's byte order."""
    rows = _rows(image)
    for start in range(0, len(image.pixels), rows):
        strip = image.pixels[start : start + rows]
        if image.alpha is not None:
            strip = np.concatenate([strip, image.alpha[start : start + rows]], axis=2)
        differences = np.array(strip, order="C")
        np.subtract(strip[:, 1:], strip[:, :-1], out=differences[:, 1:])
        yield differences.astype(order + differences.dtype.str[1:], copy=False)


def _storage(image: LoadedImage, kind: tuple[str, bool], places: list[int], lengths: list[int]) -> list[Entry]:
    """How the pixels are stored."""
    order, big = kind
    width, height = image.size
    colours, depth = image.pixels.shape[2], 8 * image.pixels.dtype.itemsize
    channels = colours + (image.alpha is not None)
    number = (LONG8, "Q") if big else (LONG, "I")

    def entry(tag: int, values: list[int], kind: tuple[int, str] = (SHORT, "H")) -> Entry:
        return tag, kind[0], len(values), struct.pack(f"{order}{len(values)}{kind[1]}", *values)

    stored = [
        entry(256, [width], (LONG, "I")),
        entry(257, [height], (LONG, "I")),
        entry(258, [depth] * channels),
        entry(259, [DEFLATE]),
        entry(262, [1 if colours == 1 else 2]),
        entry(273, places, number),
        entry(277, [channels]),
        entry(278, [_rows(image)], (LONG, "I")),
        entry(279, lengths, number),
        entry(284, [1]),
        entry(317, [HORIZONTAL]),
    ]
    return stored if image.alpha is None else [*stored, entry(338, [OPACITY])]


def _described(image: LoadedImage, order: str) -> list[Entry]:
    """What is said of the image, beside EXIF."""
    said, density = image.metadata, [] if image.density is None else to_tiff(image.density, order)
    iptc = None if said.photoshop is None else iptc_of(said.photoshop)
    # XMP last: so the mark in it is near the file's end.
    blocks = {TIFF_IPTC: iptc, TIFF_PHOTOSHOP: said.photoshop, TIFF_PROFILE: image.icc, TIFF_XMP: said.xmp}
    kinds = {TIFF_XMP: BYTE, TIFF_PHOTOSHOP: BYTE}
    return density + [
        (tag, kinds.get(tag, UNDEFINED), len(block), block) for tag, block in blocks.items() if block is not None
    ]
