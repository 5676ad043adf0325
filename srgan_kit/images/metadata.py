"""What a file says beside its pixels: EXIF, XMP, IPTC and text, carried as whole blocks from format to format."""

import re
import struct
import zlib
from dataclasses import dataclass, replace

from srgan_kit.images import exif as exif_blocks

Size = tuple[int, int]
Text = tuple[str, bytes]
"""A chunk of PNG: its kind (tEXt, zTXt or iTXt) and its content, which begins with a keyword."""

EXIF_PREFIX = b"Exif\0\0"
XMP_KEYWORD = "XML:com.adobe.xmp"
"""PNG's keyword for XMP."""
COMMENT = "Comment"
"""PNG's keyword for what JPEG and GIF call a comment."""
IPTC_RESOURCE = 0x0404
THUMBNAIL_RESOURCES = (0x0409, 0x040C)
LARGEST_TEXT = 2**26
XMP_NUMBERS = {
    "tiff:Orientation": lambda size: 1,
    "tiff:ImageWidth": lambda size: size[0],
    "tiff:ImageLength": lambda size: size[1],
    "exif:PixelXDimension": lambda size: size[0],
    "exif:PixelYDimension": lambda size: size[1],
}
XMP_THUMBNAILS = re.compile(rb"<(xmp|xap):Thumbnails>.*?</\1:Thumbnails>", re.DOTALL)


@dataclass(frozen=True)
class Metadata:
    """Blocks as a file had them; None or empty where it had none."""

    exif: bytes | None = None
    """From the byte order on, without the prefix that JPEG has."""
    xmp: bytes | None = None
    xmp_extension: tuple[bytes, ...] = ()
    """The segments of a JPEG file that hold what its XMP had no room for."""
    photoshop: bytes | None = None
    """Photoshop's image resources, in one of which IPTC lies."""
    texts: tuple[Text, ...] = ()

    def adapted(self, size: Size) -> "Metadata":
        """The same of an upright image of (width, height): orientation, dimensions and thumbnails changed.

        Raises:
            ValueError: the EXIF is damaged.
        """
        exif = None if self.exif is None else exif_blocks.adapted(self.exif, size)
        return replace(self, exif=exif, xmp=None if self.xmp is None else _adapted_xmp(self.xmp, size))

    def __bool__(self) -> bool:
        return self != Metadata()


def _adapted_xmp(xmp: bytes, size: Size) -> bytes:
    for name, value in XMP_NUMBERS.items():
        pattern = rb"(<%b>|\b%b\s*=\s*[\"'])\s*\d+" % (name.encode(), name.encode())
        xmp = re.sub(pattern, lambda match, number=value(size): match[1] + str(number).encode(), xmp)
    return XMP_THUMBNAILS.sub(b"", xmp)


def xmp_orientation(xmp: bytes) -> int | None:
    """1 ... 8, and None where the XMP does not say."""
    match = re.search(rb"<tiff:Orientation>\s*([1-8])\b|\btiff:Orientation\s*=\s*[\"']([1-8])\b", xmp)
    return int(match[1] or match[2]) if match else None


# --- text -----------------------------------------------------------------------------------------------------------


def comment(text: bytes) -> Text:
    """A comment of JPEG or GIF as PNG has it: UTF-8 in an iTXt, else the bytes in a tEXt."""
    try:
        text.decode("ascii")
    except UnicodeDecodeError:
        try:
            text.decode()
        except UnicodeDecodeError:
            return "tEXt", COMMENT.encode() + b"\0" + text.replace(b"\0", b" ")
        return "iTXt", COMMENT.encode() + bytes(5) + text
    return "tEXt", COMMENT.encode() + b"\0" + text.replace(b"\0", b" ")


def keyword(text: Text) -> str:
    """What a text is about, in characters that can be shown."""
    word = text[1].split(b"\0")[0].decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in word)


def content(text: Text) -> bytes:
    """The text itself, in UTF-8 (iTXt) or Latin-1.

    Raises:
        ValueError: damaged, or unreasonably long.
    """
    kind, (_, _, rest) = text[0], text[1].partition(b"\0")
    if kind == "tEXt":
        return rest
    is_packed, rest = (rest[:1] == b"\1", rest[2:]) if kind == "iTXt" else (True, rest[1:])
    if kind == "iTXt":
        rest = rest.split(b"\0", 2)[-1]
    if not is_packed:
        return rest
    try:
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(rest, LARGEST_TEXT)
    except zlib.error as error:
        raise ValueError(f"its text {keyword(text)} is damaged: {error}") from None
    if unpacker.unconsumed_tail:
        raise ValueError(f"its text {keyword(text)} is longer than {LARGEST_TEXT:,} bytes")
    return unpacked


def raw_profile(text: Text) -> bytes:
    """A block that a program without a better place wrote as hexadecimal text ("Raw profile type exif").

    Raises:
        ValueError: damaged.
    """
    return bytes.fromhex("".join(content(text).decode("latin-1").split("\n")[3:]))


def as_raw_profile(kind: str, block: bytes) -> Text:
    """A block as such a text, as ImageMagick and ExifTool read it."""
    digits = block.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    text = f"\n{kind}\n{len(block):8}\n" + "\n".join(lines) + "\n"
    return "zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text.encode())


# --- Photoshop's resources and IPTC ---------------------------------------------------------------------------------


def resources(photoshop: bytes) -> list[tuple[int, bytes, bytes]]:
    """(number, the whole resource, its content) of each, as far as they are sound."""
    found, place = [], 0
    while photoshop[place : place + 4] == b"8BIM" and place + 12 <= len(photoshop):
        number, name_length = struct.unpack_from(">HB", photoshop, place + 4)
        start = place + 6 + (name_length + 2) // 2 * 2
        (length,) = struct.unpack(">I", photoshop[start : start + 4].rjust(4, b"\0"))
        end = start + 4 + length
        if end > len(photoshop):
            break
        found.append((number, photoshop[place : end + length % 2], photoshop[start + 4 : end]))
        place = end + length % 2
    return found


def without_thumbnails(photoshop: bytes) -> bytes | None:
    """Image resources without the small images in them; None if nothing is left."""
    return b"".join(whole for number, whole, _ in resources(photoshop) if number not in THUMBNAIL_RESOURCES) or None


def iptc_of(photoshop: bytes) -> bytes | None:
    """The IPTC records among image resources."""
    return next((content for number, _, content in resources(photoshop) if number == IPTC_RESOURCE), None)


def with_iptc(iptc: bytes) -> bytes:
    """IPTC records as image resources."""
    return b"8BIM" + struct.pack(">H2xI", IPTC_RESOURCE, len(iptc)) + iptc + bytes(len(iptc) % 2)
