"""Images in files, decoded to arrays with their transparency, colours, density and metadata."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyvips
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from srgan_kit.errors import UserError
from srgan_kit.images.color import problem_of
from srgan_kit.images.decode import Decoded, decode, decode_tiff
from srgan_kit.images.depth import last_line, tiff_samples, why_not_decoded
from srgan_kit.images.formats import MAX_PIXELS, missing_extra_of_content, register_plugins
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import LARGEST_TEXT
from srgan_kit.images.regions import rows_of
from srgan_kit.images.rows import PassingRows
from srgan_kit.images.sources import Told, profile, tell

pyvips.cache_set_max(0)  # the cache would keep whole images alive after they are written


@contextmanager
def pixels_limited(most: int = MAX_PIXELS) -> Iterator[None]:
    """Inside, Pillow and `read_image` refuse images of more pixels, and take all others; of the whole process.

    So long Pillow takes PNG's texts and profiles of up to `LARGEST_TEXT` bytes too, where its own limit is 1 MiB.
    """
    before, longest = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    PngImagePlugin.MAX_TEXT_CHUNK = max(longest, LARGEST_TEXT)
    Image.MAX_IMAGE_PIXELS = most / 2  # Pillow refuses from twice as many
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = before, longest


def read_image(path: Path | str, rows_from: int | None = None) -> LoadedImage:
    """The image in a file: first frame, orientation applied, 16 bits kept where there are more than 8.

    Palettes become RGB, CMYK is converted to sRGB through its profile where it has one, 1 bit becomes 8. Pillow's
    warnings are the caller's to silence: that is not safe in threads, and this function is.

    Args:
        path: of the file.
        rows_from: from how many pixels on `pixels` are not an array but `Rows`, decoded when they are asked for, where
            the file's format permits it; None for never.

    Raises:
        UserError: unreadable, empty, not an image, truncated, pixels of a kind that is not read, more of them than
            Pillow thinks safe.
    """
    path = Path(path)
    register_plugins()
    with as_user_error(path):
        if path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty")
        try:
            with Image.open(path) as image:
                return replace(_read(path, image, rows_from), path=path)
        except UnidentifiedImageError:
            return replace(_read_unknown(path), path=path)


@contextmanager
def as_user_error(path: Path, place: str = "") -> Iterator[None]:
    """Whatever a decoder raises in the block about a file becomes a UserError that names it, and the place in it."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: refused, it may be a decompression bomb: {_size_in(error)}") from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # on a damaged file the decoders raise nearly anything, RuntimeError and TypeError too
        reason = error.strerror if isinstance(error, OSError) and error.strerror else last_line(error)
        raise UserError(f"{path}: {place}cannot be read: {_why(path) or reason}") from None


def _size_in(error: Image.DecompressionBombError) -> str:
    pixels, most = str(error).split("(")[-1].split(" ")[0], int(2 * (Image.MAX_IMAGE_PIXELS or 0))
    return f"{pixels} pixels, more than {most}; --max-pixels allows more"


def _why(path: Path) -> str:
    try:
        return why_not_decoded(path)
    except OSError:
        return ""


def _read(path: Path, image: Image.Image, rows_from: int | None) -> LoadedImage:
    frames = getattr(image, "n_frames", 1)
    notes = [f"only the first of {frames} frames is read"] if frames > 1 else []
    told = tell(path, image)
    rows = None
    if rows_from is not None and image.width * image.height >= rows_from and told.orientation in (None, 1):
        rows = rows_of(path, image)
    if rows is not None:
        decoded = Decoded(cast(np.ndarray, rows), profile(path, image), is_upright=True)
    else:
        decoded = decode(path, image, profile(path, image))
    return loaded(decoded, told, image.format or "", notes)


def _read_unknown(path: Path) -> LoadedImage:
    """What Pillow does not know at all: some kinds of TIFF, such as grey of 16 bits with opacity."""
    if missing := missing_extra_of_content(path):
        raise UserError(f"{path}: {missing}")
    samples = tiff_samples(path)
    if samples is None:
        raise UserError(f"{path}: {_why(path) or 'not an image in a format known here'}")
    decoded = decode_tiff(path, samples, profile(path, None))
    return loaded(decoded, tell(path, None), "TIFF", [])


def loaded(decoded: Decoded, told: Told, kind: str, notes: list[str]) -> LoadedImage:
    """An upright image of what was decoded and what was said of it, with a profile that fits."""
    pixels = decoded.pixels if decoded.is_upright else _upright(decoded.pixels, told.orientation or 1)
    colour, alpha = _split(pixels)
    notes = [*notes, *decoded.notes, *told.notes]
    icc, tags = (None, {}) if decoded.is_converted else (decoded.icc, told.tags)
    if icc is not None and (problem := problem_of(icc, colour.shape[2])):
        icc = None
        notes.append(f"the colour profile is not kept: {problem}")
    if icc is not None:
        tags = {name: content for name, content in tags.items() if name != "sRGB"}  # the profile says more
    density = told.density
    if density is not None and told.orientation in (5, 6, 7, 8):
        density = density.turned()
    return LoadedImage(colour, alpha, icc, told.metadata, kind, notes, density, tags, decoded.bits)


def _split(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 1 ... 4) -> colour and opacity, None where all is opaque."""
    if pixels.shape[2] in (1, 3):
        return pixels if isinstance(pixels, PassingRows) else np.ascontiguousarray(pixels), None
    colour, alpha = np.ascontiguousarray(pixels[:, :, :-1]), np.ascontiguousarray(pixels[:, :, -1:])
    return colour, None if alpha.min() == np.iinfo(alpha.dtype).max else alpha


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) turned as the EXIF orientation 1 ... 8 says; a view."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
