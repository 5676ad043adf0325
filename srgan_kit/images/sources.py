"""Metadata, density and colour tags, read from each kind of file."""

import struct
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image

from srgan_kit.images import avif, density, exif, jpeg2000, metadata
from srgan_kit.images.color import TAGS, valid
from srgan_kit.images.density import Density
from srgan_kit.images.depth import mapped, open_with_vips
from srgan_kit.images.exif import EXIF_DIRECTORY, GPS_DIRECTORY, ORIENTATION, RESOLUTION_TAGS, Directories
from srgan_kit.images.metadata import COMMENT, EXIF_PREFIX, XMP_KEYWORD, Metadata
from srgan_kit.images.png import read_chunks
from srgan_kit.images.segments import PROFILE_PREFIX
from srgan_kit.images.tiff import STORAGE_TAGS, TIFF_IPTC, TIFF_PHOTOSHOP, TIFF_PROFILE, TIFF_XMP

BMP_HEADER, LARGEST_PROFILE = 14, 2**26
XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
DAMAGED_PROFILE = "the colour profile is not kept: it is damaged"
EXIF_TAGS = frozenset(
    (269, 270, 271, 272, 274, 282, 283, 285, 296, 297, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432)
) | frozenset((*range(40091, 40096), 50341))
"""Tags of the main directory that say something of the image, and which EXIF may have there."""


@dataclass
class Told:
    """What a file says beside its pixels."""

    metadata: Metadata = field(default_factory=Metadata)
    density: Density | None = None
    tags: dict[str, bytes] = field(default_factory=dict)
    """PNG's colour tags, by name."""
    orientation: int | None = None
    """1 ... 8; None where the file does not say."""
    notes: list[str] = field(default_factory=list)


def tell(path: Path, image: Image.Image | None, page: int = 0) -> Told:
    """What the file of an image that Pillow has opened (None: a TIFF file that it does not know) says of it."""
    kind = "TIFF" if image is None else image.format
    told = Told()
    try:
        if kind == "TIFF":
            told = _tiff(path, page)
        elif image is not None:
            readers = {"PNG": _png, "JPEG": _jpeg, "MPO": _jpeg, "AVIF": _avif, "PSD": _psd, "JPEG2000": _jpeg_2000}
            readers["HEIF"] = _heif
            told = readers.get(kind or "", _other)(path, image)
    except (ValueError, struct.error, pyvips.Error) as error:
        told.notes.append(f"metadata is damaged and not kept: {error}")
    return _checked(told)


def profile(path: Path, image: Image.Image | None, page: int = 0) -> bytes | None:
    """The colour profile of a file, as it is stored; Pillow does not say those of BMP and JPEG 2000."""
    if image is not None and image.format == "BMP":
        return _bmp_profile(path)
    if image is not None and image.format == "JPEG2000":
        return jpeg2000.profile_of(path)
    if image is not None:
        return image.info.get("icc_profile")
    with mapped(path) as content:
        tiff = Directories(content)
        fields = tiff.directory(tiff.page(page))
        return tiff.value(fields[TIFF_PROFILE]) if TIFF_PROFILE in fields else None


def _bmp_profile(path: Path) -> bytes | None:
    """The profile of a BMP file whose header is of the fifth version and says that it has one."""
    with path.open("rb") as file:
        header = file.read(BMP_HEADER + 124)
        if len(header) < BMP_HEADER + 124 or header[BMP_HEADER + 56 : BMP_HEADER + 60] != b"DEBM":
            return None
        place, length = struct.unpack_from("<II", header, BMP_HEADER + 112)
        file.seek(BMP_HEADER + place)
        return file.read(min(length, LARGEST_PROFILE)) or None


def _checked(told: Told) -> Told:
    """The orientation looked up; damaged EXIF left out with a note."""
    block, xmp = told.metadata.exif, told.metadata.xmp
    if block is not None:
        try:
            told.orientation = told.orientation or exif.orientation(block)
            told.density = told.density or density.of_exif(block)
            exif.adapted(block, (1, 1))
        except ValueError as error:
            told.metadata = replace(told.metadata, exif=None)
            told.notes.append(f"EXIF is damaged and not kept: {error}")
    if xmp is not None and told.orientation is None:
        told.orientation = metadata.xmp_orientation(xmp)
    return told


def _plain_exif(block: Any) -> bytes | None:
    return (block.removeprefix(EXIF_PREFIX) or None) if isinstance(block, bytes) else None


def _other(path: Path, image: Image.Image) -> Told:
    """A format whose blocks Pillow gives as they are, such as WebP and HEIF."""
    info = image.info
    xmp, comment = info.get("xmp"), info.get("comment")
    texts = (metadata.comment(comment),) if isinstance(comment, bytes) and image.format == "GIF" else ()
    found = Metadata(_plain_exif(info.get("exif")), xmp if isinstance(xmp, bytes) else None, texts=texts)
    return Told(found, density.from_dpi(info.get("dpi")))


def _avif(path: Path, image: Image.Image) -> Told:
    """Pillow says in EXIF how the image is turned, which it rewrites for it; libvips gives it as it is."""
    told = _other(path, image)
    told.orientation = 1
    colours = avif.code_points(path)
    told.tags = {} if colours is None else {"cICP": colours}
    if told.metadata.exif is not None:
        told.orientation = exif.orientation(told.metadata.exif) or 1
        stored = open_with_vips(path)
        block = stored.get("exif-data") if "exif-data" in stored.get_fields() else None
        told.metadata = replace(told.metadata, exif=_plain_exif(block))
    return told


def _heif(path: Path, image: Image.Image) -> Told:
    told = _other(path, image)
    points = image.info.get("nclx_profile")
    if points is not None and image.info.get("icc_profile") is None:
        colours = avif.as_cicp(points["color_primaries"], points["transfer_characteristics"])
        told.tags = {} if colours is None else {"cICP": colours}
    return told


def _jpeg(path: Path, image: Image.Image) -> Told:
    segments: list[tuple[str, bytes]] = getattr(image, "applist", [])
    found = _other(path, image).metadata
    parts = [content[len(PHOTOSHOP) :] for name, content in segments if name == "APP13" and content[:14] == PHOTOSHOP]
    texts = tuple(metadata.comment(content) for name, content in segments if name == "COM")
    extension = tuple(content for name, content in segments if name == "APP1" and content.startswith(XMP_EXTENSION))
    photoshop = metadata.without_thumbnails(b"".join(parts))
    found = replace(found, xmp_extension=extension, photoshop=photoshop, texts=texts)
    unit, numbers = image.info.get("jfif_unit", 0), image.info.get("jfif_density", (1, 1))
    told = Told(found, density.from_jfif(unit, *numbers))
    if image.info.get("icc_profile") is None and any(content.startswith(PROFILE_PREFIX) for _, content in segments):
        told.notes.append(DAMAGED_PROFILE)  # a part of it is missing
    return told


def _jpeg_2000(path: Path, image: Image.Image) -> Told:
    found = jpeg2000.blocks_of(path)
    iptc = found.get(jpeg2000.IPTC)
    blocks = Metadata(_plain_exif(found.get(jpeg2000.EXIF)), found.get(jpeg2000.XMP))
    blocks = replace(blocks, photoshop=metadata.with_iptc(iptc) if iptc else None)
    return Told(blocks, density.from_dpi(image.info.get("dpi")))


def _psd(path: Path, image: Image.Image) -> Told:
    found = {number: content for number, _, content in getattr(image, "resources", [])}
    iptc, xmp, block = found.get(0x0404), found.get(0x0424), _plain_exif(found.get(0x0422))
    fixed = found.get(0x03ED, b"")
    x, y = (Fraction(int.from_bytes(fixed[start : start + 4], "big"), 65536) for start in (0, 8))
    blocks = Metadata(block, xmp, photoshop=metadata.with_iptc(iptc) if iptc else None)
    return Told(blocks, density.from_inch(x, y))


def _png(path: Path, image: Image.Image) -> Told:
    chunks = read_chunks(path)
    told = Told(tags=valid({kind: content for kind, content in chunks if kind in TAGS}))
    if image.info.get("icc_profile") is None and any(kind == "iCCP" for kind, _ in chunks):
        told.notes.append(DAMAGED_PROFILE)
    blocks: dict[str, bytes] = {kind: content for kind, content in chunks if kind == "eXIf"}
    texts = []
    for text in [chunk for chunk in chunks if chunk[0] in ("tEXt", "zTXt", "iTXt")]:
        name = metadata.keyword(text)
        profile = name.removeprefix("Raw profile type ")
        try:
            if name == XMP_KEYWORD:
                blocks["xmp"] = metadata.content(text)
            elif profile != name and profile.lower() in ("exif", "app1", "xmp", "iptc", "8bim"):
                blocks.setdefault(profile.lower(), metadata.raw_profile(text))
            else:
                if name == COMMENT:
                    metadata.content(text)  # JPEG needs it as it is
                texts.append(text)
        except ValueError as error:
            told.notes.append(f"{name} is damaged and not kept: {error}")
    packed = blocks.get("exif") or blocks.get("app1", b"")
    if "eXIf" not in blocks and packed.startswith((EXIF_PREFIX, b"II", b"MM")):
        blocks["eXIf"] = packed
    resources = blocks.get("8bim") or blocks.get("iptc") or b""
    if resources and not resources.startswith(b"8BIM"):
        resources = metadata.with_iptc(resources)
    found = metadata.without_thumbnails(resources)
    told.metadata = Metadata(_plain_exif(blocks.get("eXIf")), blocks.get("xmp"), (), found, tuple(texts))
    shape = next((content for kind, content in chunks if kind == "pHYs" and len(content) == 9), None)
    if shape is not None:
        x, y = int.from_bytes(shape[:4], "big"), int.from_bytes(shape[4:8], "big")
        told.density = density.from_metre(x, y, shape[8])
    return told


def _tiff(path: Path, page: int) -> Told:
    with mapped(path) as content:
        tiff = Directories(content)
        fields = tiff.directory(tiff.page(page))
        blocks = {tag: tiff.value(fields[tag]) for tag in (TIFF_XMP, TIFF_IPTC, TIFF_PHOTOSHOP) if tag in fields}
        photoshop = blocks.get(TIFF_PHOTOSHOP, b"")
        if TIFF_IPTC in blocks and metadata.iptc_of(photoshop) is None:
            photoshop += metadata.with_iptc(_iptc_bytes(tiff, blocks[TIFF_IPTC], fields[TIFF_IPTC].type))
        told = Told(Metadata(_exif_of_tiff(tiff, fields), blocks.get(TIFF_XMP)), density.from_tiff(tiff, fields))
        told.metadata = replace(told.metadata, photoshop=metadata.without_thumbnails(photoshop))
        turned = tiff.numbers(fields, ORIENTATION)
        told.orientation = turned[0] if turned else None
        carried = EXIF_TAGS | STORAGE_TAGS | blocks.keys() | {TIFF_PROFILE, EXIF_DIRECTORY, GPS_DIRECTORY}
        lost = sorted(fields.keys() - carried)
    if lost:
        told.notes.append(f"not kept: what TIFF tags {', '.join(map(str, lost))} hold")
    return told


def _iptc_bytes(tiff: Directories, stored: bytes, kind: int) -> bytes:
    """IPTC that a program stored as 32-bit numbers is in the order of the file, swapped; it begins with 0x1C."""
    if kind == exif.LONG and stored[:1] != b"\x1c" and stored[3:4] == b"\x1c":
        stored = b"".join(stored[start : start + 4][::-1] for start in range(0, len(stored), 4))
    return stored


def _exif_of_tiff(tiff: Directories, fields: dict[int, exif.Field]) -> bytes | None:
    """The tags of a TIFF file that say something of the image; None if they say its density at most."""
    main = exif.entries(tiff, fields, EXIF_TAGS)
    if not {entry[0] for entry in main} - {ORIENTATION, *RESOLUTION_TAGS}:
        return None
    return exif.pack(tiff.order, main)
