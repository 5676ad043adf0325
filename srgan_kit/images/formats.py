"""The image formats that are read from folders and written; neither torch nor a decoder is imported here."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".jxl": "JPEG XL",
}
"""Format by suffix."""
MAX_PIXELS = 2**29
"""Images of more pixels are taken for decompression bombs, where the user does not allow them."""
LARGEST_SIDE = {"JPEG": 65535, "WebP": 16383, "AVIF": 16384, "HEIF": 16384}
WITHOUT_ALPHA = ("JPEG", "BMP")
QUALITY = {"JPEG": 95, "WebP": 92, "AVIF": 80, "HEIF": 90, "JPEG XL": 95}
"""Quality where none is asked for; the other formats lose nothing."""
HOLDS = {
    "PNG": {"density", "shape", "EXIF", "XMP", "IPTC", "text"},
    "JPEG": {"density", "shape", "EXIF", "XMP", "IPTC", "comment"},
    "TIFF": {"density", "shape", "EXIF", "XMP", "IPTC"},
    "WebP": {"EXIF", "XMP"},
    "AVIF": {"EXIF", "XMP"},
    "HEIF": {"EXIF", "XMP"},
    "JPEG XL": {"EXIF", "XMP"},
    "BMP": {"density"},
}
"""What a format has a place for, beside pixels and their colours; "shape" is a density without a unit."""
DEEPEST = {"PNG": 16, "TIFF": 16, "AVIF": 12}
"""Bits a channel; the other formats have 8."""
WITHOUT_GREY = ("WebP", "AVIF")
WITHOUT_PROFILE = {
    "BMP": "BMP has no place for a colour profile",
    "JPEG XL": "the JPEG XL plugin writes no colour profile",
}
"""Formats whose pixels have to be sRGB, each with the reason."""
EXTRAS = {"HEIF": ("heif", "pillow_heif"), "JPEG XL": ("jxl", "pillow_jxl")}
"""Formats that need an extra of this package: its name, and the module that it brings."""
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
    kind = "HEIF" if ending in (".hif", ".heics", ".heifs") else FORMATS.get(ending)
    return UNREADABLE.get(ending) if kind is None else missing_extra(kind)


def missing_extra(kind: str) -> str | None:
    """What to install before a format can be read and written; None where nothing is missing."""
    if kind not in EXTRAS or find_spec(EXTRAS[kind][1]) is not None:
        return None
    extra = EXTRAS[kind][0]
    return f"{kind} needs the extra {extra}: pip install 'srgan-kit[{extra}]'"


def missing_extra_of_content(path: Path) -> str | None:
    """What to install before a file can be read, by its first bytes, whatever it is called."""
    with path.open("rb") as file:
        start = file.read(32)
    if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS:
        return missing_extra("HEIF")
    return missing_extra("JPEG XL") if start.startswith(JXL_BEGINNINGS) else None
