"""Images that go through a JPEG file."""

import io

from PIL import Image


def jpeg_file(image: Image.Image, quality: int, subsampling: str = "4:2:0") -> bytes:
    """The image as a JPEG file of that quality and chroma subsampling."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def through_jpeg(image: Image.Image, quality: int, subsampling: str = "4:2:0") -> Image.Image:
    """The image as it comes out of such a file, RGB."""
    return Image.open(io.BytesIO(jpeg_file(image, quality, subsampling))).convert("RGB")
