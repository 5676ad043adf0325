"""JPEG and WebP files of libvips, which holds no metadata here, with blocks put in as they are.

libvips itself takes EXIF apart and writes it again, with what it thinks missing.
"""

import struct
from collections.abc import Iterator

from srgan_kit.images.density import to_jfif
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import COMMENT, EXIF_PREFIX, Metadata, content, keyword

LARGEST_SEGMENT = 65533
APP0, APP1, APP2, APP13, COM = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
PROFILE_PREFIX = b"ICC_PROFILE\0"
PHOTOSHOP_PREFIX = b"Photoshop 3.0\0"


def too_large_for_jpeg(metadata: Metadata) -> set[str]:
    """EXIF or XMP that do not fit the one segment that they may have."""
    sizes = {"EXIF": len(metadata.exif or b"") + len(EXIF_PREFIX), "XMP": len(metadata.xmp or b"") + len(XMP_PREFIX)}
    return {name for name, size in sizes.items() if size > LARGEST_SEGMENT}


def jpeg_parts(data: bytes, image: LoadedImage) -> Iterator[bytes | memoryview]:
    """A JPEG file that has no header of JFIF yet, piece by piece: its header, what is said of the image, the rest."""
    yield data[:2]
    yield _segment(APP0, b"JFIF\0\1\1" + struct.pack(">BHH2x", *to_jfif(image.density)))
    said = image.metadata
    if said.exif is not None:
        yield _segment(APP1, EXIF_PREFIX + said.exif)
    if said.xmp is not None:
        yield _segment(APP1, XMP_PREFIX + said.xmp)
    yield from (_segment(APP1, extension) for extension in said.xmp_extension)
    if image.icc is not None:
        parts = _cut(image.icc, LARGEST_SEGMENT - len(PROFILE_PREFIX) - 2)
        for number, part in enumerate(parts, 1):
            yield _segment(APP2, PROFILE_PREFIX + bytes((number, len(parts))) + part)
    if said.photoshop is not None:
        for part in _cut(said.photoshop, LARGEST_SEGMENT - len(PHOTOSHOP_PREFIX)):
            yield _segment(APP13, PHOTOSHOP_PREFIX + part)
    for text in said.texts:
        if keyword(text) == COMMENT:
            yield from (_segment(COM, part) for part in _cut(content(text), LARGEST_SEGMENT))
    yield memoryview(data)[2:]


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _cut(block: bytes, length: int) -> list[bytes]:
    return [block[start : start + length] for start in range(0, len(block), length)]


def webp_parts(data: bytes, image: LoadedImage) -> Iterator[bytes]:
    """A WebP file, piece by piece, in the order of its specification."""
    said = image.metadata
    blocks = {b"ICCP": image.icc, b"EXIF": said.exif, b"XMP ": said.xmp}
    flags = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
    present = {name: block for name, block in blocks.items() if block is not None}
    if not present:
        yield data
        return
    extended = next((block[0] for name, block in _chunks(data) if name == b"VP8X"), 0)
    chunks = [(name, block) for name, block in _chunks(data) if name != b"VP8X"]
    width, height = image.size
    has_alpha = any(name == b"ALPH" for name, _ in chunks)
    flag = sum(flags[name] for name in present) | (0x10 if has_alpha else 0) | extended & 0x12  # alpha, animation
    head = bytes((flag, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    ordered = [(b"VP8X", head)]
    ordered += [(name, block) for name, block in present.items() if name == b"ICCP"]
    ordered += chunks
    ordered += [(name, block) for name, block in present.items() if name != b"ICCP"]
    yield b"RIFF" + struct.pack("<I", 4 + sum(8 + len(block) + len(block) % 2 for _, block in ordered)) + b"WEBP"
    for name, block in ordered:
        yield name + struct.pack("<I", len(block)) + block + bytes(len(block) % 2)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
