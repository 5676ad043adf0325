"""The image formats that are read from folders and written; neither torch nor a decoder is imported here."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from srgan_kit.images import writers
from srgan_kit.images.writers import FramesWriter, Writer

MAX_PIXELS = 2**29
"""Images of more pixels are taken for decompression bombs, where the user does not allow them."""


@dataclass(frozen=True)
class Format:
    """An output format: how it is written, and what it holds."""

    name: str
    suffixes: tuple[str, ...]
    """Endings of its files, in small letters, with the dot."""
    write: Writer
    """Writes an image that fits into a file."""
    quality: int | None = None
    """Quality where none is asked for, 1 to 100; None for a lossless format."""
    bits: int = 8
    """Most bits a channel."""
    largest_side: int | None = None
    """Most pixels a side; None for no limit that matters."""
    alpha: bool = True
    """Whether it has transparency."""
    grey: bool = True
    """Whether it has images of one channel; else grey is stored as RGB."""
    colours: Literal["tags", "code points", "profile", "sRGB"] = "profile"
    """How it says what its colours are: by PNG's tags, by code points or a profile, by a profile, or not at all."""
    why_srgb: str = ""
    """The reason why colours have to be sRGB."""
    holds: frozenset[str] = frozenset()
    """What it has a place for, beside pixels and their colours: density, shape (a density without a unit), EXIF, XMP,
    IPTC, text, comment."""
    by_rows: bool = False
    """Whether an image is written from the top to the bottom, so that it need not be whole in memory."""
    most_colours: int | None = None
    """Most colours of an image; None where there is no such limit. Then opacity is all or nothing too."""
    several: Literal["", "frames", "pages"] = ""
    """Whether a file holds the frames of an animation, or pages, which have no timing; "" for one image."""
    write_several: FramesWriter | None = None
    """Writes them."""
    extra: str = ""
    """The extra of this package that it needs; "" for none."""
    module: str = ""
    """The module that the extra brings."""


EXIF_AND_XMP = frozenset({"EXIF", "XMP"})
ALL_METADATA = EXIF_AND_XMP | {"density", "shape", "IPTC"}

PNG = Format(
    "PNG",
    (".png",),
    writers.write_png,
    bits=16,
    colours="tags",
    holds=ALL_METADATA | {"text"},
    by_rows=True,
    several="frames",
    write_several=writers.write_png_frames,
)
JPEG = Format(
    "JPEG",
    (".jpg", ".jpeg"),
    writers.write_jpeg,
    quality=95,
    largest_side=65500,  # libjpeg's own limit
    alpha=False,
    holds=ALL_METADATA | {"comment", "XMP extension"},
)
WEBP = Format(
    "WebP",
    (".webp",),
    writers.write_webp,
    quality=92,
    largest_side=16383,
    grey=False,
    holds=EXIF_AND_XMP,
    several="frames",
    write_several=writers.write_webp_frames,
)
GIF = Format(
    "GIF",
    (".gif",),
    writers.write_gif,
    largest_side=65535,
    grey=False,
    colours="sRGB",
    why_srgb="GIF has no place for a colour profile",
    holds=frozenset({"XMP", "comment"}),
    most_colours=256,
    several="frames",
    write_several=writers.write_gif_frames,
)
BMP = Format(
    "BMP",
    (".bmp",),
    writers.write_bmp,
    alpha=False,
    colours="sRGB",
    why_srgb="BMP has no place for a colour profile",
    holds=frozenset({"density"}),
)
TIFF = Format(
    "TIFF",
    (".tif", ".tiff"),
    writers.write_tiff,
    bits=16,
    holds=ALL_METADATA,
    by_rows=True,
    several="pages",
    write_several=writers.write_tiff_pages,
)
AVIF = Format(
    "AVIF",
    (".avif",),
    writers.write_avif,
    quality=80,
    bits=writers.LARGEST_AVIF_DEPTH,
    largest_side=16384,
    grey=False,
    colours="code points",
    holds=EXIF_AND_XMP,
    several="frames",
    write_several=writers.write_avif_frames,
)
HEIF = Format(
    "HEIF",
    (".heic", ".heif"),
    writers.write_heif,
    quality=90,
    largest_side=16384,
    colours="code points",
    holds=EXIF_AND_XMP,
    extra="heif",
    module="pillow_heif",
)
JPEG_XL = Format(
    "JPEG XL",
    (".jxl",),
    writers.write_jpeg_xl,
    quality=95,
    colours="sRGB",
    why_srgb="the JPEG XL plugin writes no colour profile",
    holds=EXIF_AND_XMP,
    extra="jxl",
    module="pillow_jxl",
)
ALL_FORMATS = (PNG, JPEG, WEBP, GIF, BMP, TIFF, AVIF, HEIF, JPEG_XL)
FORMATS = {suffix: format for format in ALL_FORMATS for suffix in format.suffixes}
"""Output formats by suffix."""
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
JXL_BEGINNINGS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a")

NO_IMAGES = ("BUFR", "GRIB", "HDF5", "MPEG", "PDF")
"""What Pillow counts among its formats, and neither it nor we can show."""
RAW = "a camera's raw file is not read here: develop it to TIFF or PNG first"
DRAWING = "a drawing without pixels is not read here: export it as PNG first"
PROJECT = "a project of an editor is not read here: export it as TIFF or PNG first"
UNREADABLE = {
    **dict.fromkeys((".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"), RAW),
    **dict.fromkeys((".3fr", ".crw", ".dcr", ".erf", ".iiq", ".kdc", ".mrw", ".raw", ".rwl", ".sr2", ".x3f"), RAW),
    **dict.fromkeys((".svg", ".svgz", ".ai", ".cdr"), DRAWING),
    **dict.fromkeys((".psb", ".xcf", ".kra", ".ora", ".clip", ".afphoto"), PROJECT),
    **dict.fromkeys((".exr", ".hdr", ".jxr", ".wdp", ".djvu", ".bpg", ".flif"), "this format is not read here"),
}
"""Endings of images that are not read, each with the reason."""


@cache
def register_plugins() -> None:
    """Let Pillow read and write what the installed extras bring."""
    # By name: what is not installed has no types to check.
    if find_spec("pillow_heif") is not None:
        import_module("pillow_heif").register_heif_opener()
    if find_spec("pillow_jxl") is not None:
        import_module("pillow_jxl")  # registers itself


@cache
def readable_endings() -> frozenset[str]:
    """The endings, in small letters, of all that can be decoded in this installation."""
    from PIL import Image

    register_plugins()
    endings = Image.registered_extensions().items()
    return frozenset(ending for ending, kind in endings if kind in {*Image.OPEN, "MPO"} and kind not in NO_IMAGES)


def why_unreadable(path: Path) -> str | None:
    """The reason why an image of that ending cannot be read; None where it can, or where it is no image's ending."""
    ending = path.suffix.lower()
    if ending in readable_endings():
        return None
    format = HEIF if ending in (".hif", ".heics", ".heifs") else FORMATS.get(ending)
    return UNREADABLE.get(ending) if format is None else missing_extra(format)


def missing_extra(format: Format) -> str | None:
    """What to install before a format can be read and written; None where nothing is missing."""
    if not format.extra or find_spec(format.module) is not None:
        return None
    return f"{format.name} needs the extra {format.extra}: pip install 'srgan-kit[{format.extra}]'"


def missing_extra_of_content(path: Path) -> str | None:
    """What to install before a file can be read, by its first bytes, whatever it is called."""
    with path.open("rb") as file:
        start = file.read(32)
    if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS:
        return missing_extra(HEIF)
    return missing_extra(JPEG_XL) if start.startswith(JXL_BEGINNINGS) else None
