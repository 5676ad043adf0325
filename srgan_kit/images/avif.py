"""Boxes of AVIF files (ISO/IEC 14496-12 and 23008-12), for what libvips does not read or write.

It rewrites EXIF, and it passes over the code points that say what the colours are (`colr` of kind `nclx`).
"""

import struct
from collections.abc import Iterator
from pathlib import Path

LARGEST_META = 2**24
ITEM_INFORMATION = 6
"""Bytes between the head of the box `iinf` and its entries."""
MATRIX_BT601 = 6
"""From the colours to those that are stored: what libheif does where it says nothing."""
PLACEHOLDER = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
"""For libvips, which then makes room for EXIF or XMP."""


def code_points(path: Path) -> bytes | None:
    """The colours of an AVIF file as the content of PNG's cICP, for RGB of full range; None if it does not say."""
    meta = _meta(path)
    place = meta.find(b"colrnclx")
    if place < 0 or place + 12 > len(meta):
        return None
    return as_cicp(*struct.unpack_from(">HH", meta, place + 8))


def as_cicp(primaries: int, transfer: int) -> bytes | None:
    """Code points as the content of PNG's cICP, for RGB of full range; None for sRGB and what is not specified."""
    if 2 in (primaries, transfer) or max(primaries, transfer) > 255 or (primaries, transfer) == (1, 13):
        return None  # unspecified, or sRGB
    return bytes((primaries, transfer, 0, 1))


def depth(path: Path) -> int:
    """8, 10 or 12 bits a channel."""
    meta = _meta(path)
    place = meta.find(b"av1C")
    flags = meta[place + 6] if 0 <= place < len(meta) - 6 else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def _meta(path: Path) -> bytes:
    """The box with all that is said of the images; empty if there is none."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"meta":
                return file.read(min(max(size - 8, 0), LARGEST_META))
            if size < 8:  # to the end of the file, or longer than 32 bits say: after that nothing of use comes
                return b""
            file.seek(size - 8, 1)
    return b""


def finished(data: bytes, exif: bytes | None, xmp: bytes | None, colours: bytes | None) -> bytes:
    """A file of libvips, which has room for EXIF and XMP if there is any, with them and code points (cICP) in it.

    XMP comes last: so the mark in it is near the file's end.
    """
    parts = _Parts(data)
    if colours is not None:
        parts.say_colours(colours)
    if exif is not None:
        parts.put(b"Exif", bytes(4) + exif)  # no bytes before the byte order
    if xmp is not None:
        parts.put(b"mime", xmp)
    return bytes(parts.data)


class _Parts:
    """The boxes of a file, as libheif writes it: `meta` before the data, 32-bit places, one extent an item."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def _box(self, *path: bytes) -> tuple[int, int]:
        """(start, end) of a box in a box, from the outermost."""
        start, end = 0, len(self.data)
        for kind in path:
            start, end = next((a, b) for a, b, name in self._inside(start, end) if name == kind)
            start += 12 if kind == b"meta" and kind != path[-1] else 8 if kind != path[-1] else 0
        return start, end

    def _inside(self, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
        while start + 8 <= end:
            size, kind = struct.unpack_from(">I4s", self.data, start)
            yield start, start + size, kind
            start += size

    def say_colours(self, colours: bytes) -> None:
        start, end = self._box(b"meta", b"iprp", b"ipco")
        number = 1 + len(list(self._inside(start + 8, end)))
        points = struct.pack(">HHHB", colours[0], colours[1], MATRIX_BT601, 0x80)
        self._insert(end, struct.pack(">I4s4s", 12 + len(points), b"colr", b"nclx") + points, b"iprp", b"ipco")
        start, _ = self._box(b"meta", b"pitm")
        first = self.data[start + 12 : start + 14]
        place, _ = self._box(b"meta", b"iprp", b"ipma")
        entry = place + 16
        while self.data[entry : entry + 2] != first:
            entry += 3 + self.data[entry + 2]
        self.data[entry + 2] += 1
        self._insert(entry + 2 + self.data[entry + 2], bytes([number]), b"iprp", b"ipma")

    def _insert(self, place: int, content: bytes, *boxes: bytes) -> None:
        """Insert bytes into the innermost of boxes below `meta`; all items lie so much later."""
        for depth in range(len(boxes) + 1):
            start, end = self._box(b"meta", *boxes[:depth])
            self.data[start : start + 4] = struct.pack(">I", end - start + len(content))
        self.data[place:place] = content
        for _, extent in self._items():
            (offset,) = struct.unpack_from(">I", self.data, extent)
            self.data[extent : extent + 4] = struct.pack(">I", offset + len(content))

    def _items(self) -> Iterator[tuple[int, int]]:
        """(number, where the place of its data is said, from a base) of each item."""
        start, _ = self._box(b"meta", b"iloc")
        version, sizes, count = self.data[start + 8], *struct.unpack_from(">HH", self.data, start + 12)
        assert (version, sizes) == (0, 0x4440)
        for entry in range(start + 16, start + 16 + 18 * count, 18):  # number, source, base, count, place, length
            yield struct.unpack_from(">H", self.data, entry)[0], entry + 10

    def put(self, kind: bytes, content: bytes) -> None:
        """Append a block, and say that the item of that kind which libvips made for it lies there."""
        start, end = self._box(b"meta", b"iinf")
        entries = self._inside(start + 8 + ITEM_INFORMATION, end)
        entry = next(place for place, _, _ in entries if self.data[place + 16 : place + 20] == kind)
        (number,) = struct.unpack_from(">H", self.data, entry + 12)
        extent = next(place for item, place in self._items() if item == number)
        self.data[extent - 6 : extent + 8] = struct.pack(">IHII", 0, 1, len(self.data) + 8, len(content))
        self.data += struct.pack(">I4s", 8 + len(content), b"mdat") + content
