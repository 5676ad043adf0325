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
WITH_16_BITS = ("PNG", "TIFF")
QUALITY = {"JPEG": 95, "WebP": 92, "AVIF": 80}
"""Quality where none is asked for; the other formats lose nothing."""
