"""The picture formats that are read from folders and written; neither torch nor a decoder is imported here."""

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
"""Format by suffix."""
LARGEST_SIDE = {"JPEG": 65535, "WebP": 16383, "AVIF": 16384}
WITHOUT_ALPHA = ("JPEG", "BMP")
QUALITY = {"JPEG": 95, "WebP": 92, "AVIF": 80}
"""Quality where none is asked for; the other formats lose nothing."""
HOLDS = {
    "PNG": {"density", "EXIF", "XMP", "IPTC", "text"},
    "JPEG": {"density", "EXIF", "XMP", "IPTC", "comment"},
    "TIFF": {"density", "EXIF", "XMP", "IPTC"},
    "WebP": {"EXIF", "XMP"},
    "AVIF": {"EXIF", "XMP"},
    "BMP": {"density"},
}
"""What a format has a place for, beside pixels and their colours."""
DEEPEST = {"PNG": 16, "TIFF": 16, "AVIF": 12}
"""Bits a channel; the other formats have 8."""
WITHOUT_GREY = ("WebP", "AVIF")
