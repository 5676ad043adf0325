"""Files whose rows are decoded when they are asked for, so that the image is never whole in memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images.depth import BLACK_IS_ZERO, RGB, UNSIGNED, check_tiff, last_line, open_with_vips, tiff_samples
from srgan_kit.images.rows import PassingRows

ROWS_AT_ONCE = 64
TYPES = {"uchar": np.dtype(np.uint8), "ushort": np.dtype(np.uint16)}


def rows_of(path: Path, image: Image.Image) -> PassingRows | None:
    """The rows of a file that Pillow has opened; None where its format does not permit it, and it is decoded whole.

    These are upright PNG, JPEG and TIFF files, grey or RGB, of 8 or 16 bits and without opacity; PNG not interlaced.
    Rows that cannot be read are a UserError when they are asked for.
    """
    if not _permits(path, image):
        return None
    opened = open_with_vips(path)
    if opened.bands not in (1, 3) or opened.format not in TYPES:
        return None
    shape = (opened.height, opened.width, opened.bands)
    return PassingRows(shape, TYPES[opened.format], lambda: _decoded(path))


def _permits(path: Path, image: Image.Image) -> bool:
    if getattr(image, "n_frames", 1) > 1 or "transparency" in image.info:
        return False
    if image.format == "TIFF":
        samples = tiff_samples(path)
        if samples is None or samples.form != UNSIGNED or samples.bits not in (8, 16) or samples.extra:
            return False
        check_tiff(path, samples)
        return (samples.photometric, samples.count) in ((BLACK_IS_ZERO, 1), (RGB, 3))
    if image.format == "PNG":
        return image.mode in ("L", "RGB", "I;16") and not image.info.get("interlace")
    return image.format == "JPEG" and image.mode in ("L", "RGB")


def _decoded(path: Path) -> Iterator[np.ndarray]:
    try:
        image = open_with_vips(path, fail_on="error")  # as Pillow's decoders
        region = pyvips.Region.new(image)  # one for all: each evaluation of a part would begin to read anew
        for start in range(0, image.height, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, image.height - start)
            content = region.fetch(0, start, image.width, count)
            yield np.frombuffer(content, TYPES[image.format]).reshape(count, image.width, image.bands)
    except (OSError, pyvips.Error) as error:
        raise UserError(f"{path}: cannot be read: {last_line(error)}") from None
