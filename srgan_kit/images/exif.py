"""EXIF: a little TIFF file of directories. What must change for another image is changed in place, all else stays.

Tags are numbers of the EXIF standard (CIPA DC-008) and of TIFF 6.0. A directory is a count, that many entries of tag,
type, count and value, and the place of the next directory; a value that does not fit its entry lies elsewhere, and the
entry says where. BigTIFF has the same with longer numbers.
"""

import struct
from dataclasses import dataclass
from mmap import mmap

Size = tuple[int, int]
Entry = tuple[int, int, int, "bytes | list[Entry]"]
"""tag, type, count, value, or the entries of the directory that the value points to."""

ORIENTATION, EXIF_DIRECTORY, GPS_DIRECTORY, RELATED_DIRECTORY = 0x0112, 0x8769, 0x8825, 0xA005
BELOW = (EXIF_DIRECTORY, GPS_DIRECTORY, RELATED_DIRECTORY)
"""Tags that point to a directory below: the first two from the main one, the third from that of EXIF."""
WIDTHS, HEIGHTS = (0x0100, 0xA002, 0x1001), (0x0101, 0xA003, 0x1002)
THUMBNAIL_PLACE, THUMBNAIL_LENGTH = 0x0201, 0x0202
RESOLUTION_TAGS = (0x011A, 0x011B, 0x0128)
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
BIG_TYPE_BYTES = {16: 8, 17: 8, 18: 8}
SHORT, LONG = 3, 4
MOST_ENTRIES = 4096
"""Entries of a directory; more is damage."""


@dataclass(frozen=True)
class Field:
    """An entry of a directory, and where its parts lie in the file."""

    tag: int
    type: int
    count: int
    place: int
    """Where the entry starts."""
    value_place: int
    size: int
    """Length of the value, in bytes."""


class Directories:
    """The directories of a TIFF or BigTIFF file, or of EXIF.

    Raises:
        ValueError: it is not one, or damaged.
    """

    def __init__(self, data: bytes | bytearray | mmap) -> None:
        if bytes(data[:2]) not in (b"II", b"MM"):
            raise ValueError("no byte order at its start")
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        magic = self._unpack("H", 2)[0]
        if magic not in (42, 43):
            raise ValueError(f"starts with {magic} instead of 42")
        self.is_big = magic == 43
        self.first: int = self._unpack("Q", 8)[0] if self.is_big else self._unpack("I", 4)[0]

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self.order + form, self.data, place)
        except struct.error:
            raise ValueError("it ends too early") from None

    def directory(self, place: int) -> dict[int, Field]:
        """The fields of the directory at a place, by tag."""
        count_form, entry_form, head = ("Q", "HHQ", 8) if self.is_big else ("H", "HHI", 2)
        count = self._unpack(count_form, place)[0]
        if count > MOST_ENTRIES:
            raise ValueError(f"a directory of {count} entries")
        fields, length = {}, 20 if self.is_big else 12
        for start in range(place + head, place + head + count * length, length):
            tag, kind, number = self._unpack(entry_form, start)
            inside = start + struct.calcsize("=" + entry_form)
            room = 8 if self.is_big else 4
            size = number * (TYPE_BYTES | BIG_TYPE_BYTES).get(kind, 1)
            value = inside if size <= room else self._unpack("Q" if self.is_big else "I", inside)[0]
            fields.setdefault(tag, Field(tag, kind, number, start, value, size))
        return fields

    def next_place(self, place: int) -> int:
        """Where in the file it is said where the directory after the one at `place` lies."""
        count = self._unpack("Q" if self.is_big else "H", place)[0]
        return place + (8 + 20 * count if self.is_big else 2 + 12 * count)

    def page(self, number: int) -> int:
        """Where the directory lies that comes `number` places after the first."""
        place = self.first
        for _ in range(number):
            place = self._following(place)
        return place

    def pages(self) -> list[int]:
        """Where all directories of the chain lie; a chain that bites its tail, or is damaged, ends there."""
        found: dict[int, None] = {}
        place = self.first
        while place and place not in found:
            found[place] = None
            try:
                place = self._following(place)
            except ValueError:
                break
        return list(found)

    def _following(self, place: int) -> int:
        return self._unpack("Q" if self.is_big else "I", self.next_place(place))[0]

    def value(self, field: Field) -> bytes:
        """The bytes of a value, in the file's byte order; fewer than promised where the file ends."""
        return bytes(self.data[field.value_place : field.value_place + field.size])

    def numbers(self, fields: dict[int, Field], tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag; none if it is not there or of another type."""
        field = fields.get(tag)
        form = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(field.type) if field else None
        if field is None or form is None or field.count > MOST_ENTRIES:
            return ()
        return self._unpack(f"{field.count}{form}", field.value_place)

    def below(self, fields: dict[int, Field], tag: int) -> dict[int, Field]:
        """The directory that a tag points to; empty if there is none."""
        place = self.numbers(fields, tag)
        return self.directory(place[0]) if place else {}


def orientation(exif: bytes) -> int | None:
    """1 ... 8, and None where the EXIF does not say.

    Raises:
        ValueError: damaged.
    """
    tiff = Directories(exif)
    numbers = tiff.numbers(tiff.directory(tiff.first), ORIENTATION)
    return numbers[0] if numbers and 1 <= numbers[0] <= 8 else None


def adapted(exif: bytes, size: Size) -> bytes:
    """EXIF of an upright image of (width, height): orientation, dimensions and thumbnail changed, nothing else.

    Raises:
        ValueError: damaged.
    """
    tiff = Directories(data := bytearray(exif))
    main = tiff.directory(tiff.first)
    inner = tiff.below(main, EXIF_DIRECTORY)
    _set_number(tiff, main.get(ORIENTATION), 1)
    directories = (main, inner, tiff.below(inner, RELATED_DIRECTORY), tiff.below(main, GPS_DIRECTORY))
    for fields in directories[:3]:
        for tags, value in ((WIDTHS, size[0]), (HEIGHTS, size[1])):
            for tag in tags:
                _set_number(tiff, fields.get(tag), value)
    ends = [max(entry.place + 16, entry.value_place + entry.size) for part in directories for entry in part.values()]
    _drop_thumbnail(tiff, data, max(ends, default=8))
    return bytes(data)


def _set_number(tiff: Directories, field: Field | None, value: int) -> None:
    """Replace a single SHORT or LONG, which becomes LONG where the number needs it: its entry has room for both."""
    if field is None or field.type not in (SHORT, LONG) or field.count != 1 or tiff.is_big:
        return
    assert isinstance(tiff.data, bytearray)
    kind = LONG if value > 0xFFFF else field.type
    packed = struct.pack(tiff.order + ("H" if kind == SHORT else "I"), value).ljust(4, b"\0")
    tiff.data[field.place + 2 : field.place + 12] = struct.pack(tiff.order + "HI", kind, 1) + packed


def _drop_thumbnail(tiff: Directories, data: bytearray, end_of_others: int) -> None:
    """Unhook the second directory, and blank its image, or cut it off where it ends the file."""
    place = tiff.next_place(tiff.first)
    following = int.from_bytes(data[place : place + 4], "little" if tiff.order == "<" else "big")
    if following == 0:
        return
    data[place : place + 4] = bytes(4)
    try:
        second = tiff.directory(following)
        start, length = (tiff.numbers(second, tag) for tag in (THUMBNAIL_PLACE, THUMBNAIL_LENGTH))
    except ValueError:
        return
    if start and length and 8 <= start[0] < len(data):
        end = min(start[0] + length[0], len(data))
        if end >= len(data) - 1 and start[0] >= end_of_others:
            del data[start[0] :]
        elif data[start[0] : start[0] + 2] == b"\xff\xd8":  # a JPEG file, not what damage points to
            data[start[0] : end] = bytes(end - start[0])


def entries(tiff: Directories, fields: dict[int, Field], tags: frozenset[int] | None = None) -> list[Entry]:
    """The entries of a directory (only those of `tags`), with all that is in the directories below it.

    Values of BigTIFF's own types, and those that the file is too short for, are left out.
    """
    found: list[Entry] = []
    for field in fields.values():
        if field.tag in BELOW:
            found.append((field.tag, LONG, 1, entries(tiff, _leaves(tiff, fields, field.tag))))
        elif (tags is None or field.tag in tags) and field.type in TYPE_BYTES:
            value = tiff.value(field)
            if len(value) == field.size:
                found.append((field.tag, field.type, field.count, value))
    return [entry for entry in found if entry[3]]


def _leaves(tiff: Directories, fields: dict[int, Field], tag: int) -> dict[int, Field]:
    """The directory that a tag points to, without those that would lead back up."""
    upper = (EXIF_DIRECTORY, GPS_DIRECTORY) if tag != RELATED_DIRECTORY else BELOW
    return {below: field for below, field in tiff.below(fields, tag).items() if below not in upper}


def pack_directory(
    order: str, content: list[Entry], place: int, ready: dict[int, bytes] | None = None, *, is_big: bool = False
) -> bytes:
    """A directory for `place`, the last of its file, followed by the values that do not fit, and those below it.

    `ready` are whole entries by tag, whose values lie elsewhere in the file already; `content` replaces them.
    """
    number, room, count_form = ("Q", 8, "Q") if is_big else ("I", 4, "H")
    packed, tail = dict(ready or {}), []
    count = len(packed.keys() | {entry[0] for entry in content})
    outside = place + struct.calcsize("=" + count_form) + count * (12 if not is_big else 20) + room
    for tag, kind, length, value in content:
        if not isinstance(value, bytes):
            value = pack_directory(order, value, outside)
        inside = value.ljust(room, b"\0")
        if len(value) > room:
            inside = struct.pack(order + number, outside)
            tail.append(value + b"\0" * (len(value) % 2))
            outside += len(tail[-1])
        packed[tag] = struct.pack(order + "HH" + number, tag, kind, length) + inside
    in_order = [packed[tag] for tag in sorted(packed)]
    return b"".join([struct.pack(order + count_form, count), *in_order, bytes(room), *tail])


def pack(order: str, content: list[Entry]) -> bytes:
    """EXIF of a main directory."""
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + pack_directory(order, content, 8)
