"""All images of one file: one, the frames of an animation, or the pages of a document."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from srgan_kit.images.decode import Decoded, decode, png_depth
from srgan_kit.images.depth import mapped
from srgan_kit.images.exif import Directories
from srgan_kit.images.formats import FORMATS, register_plugins
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.read import as_user_error, loaded, read_image
from srgan_kit.images.sources import profile, tell

Kind = Literal["image", "animation", "pages"]
ANIMATED = {"GIF": ".gif", "WEBP": ".webp", "PNG": ".png", "AVIF": ".avif"}
"""Formats of animations, in Pillow's words, each with the ending of its files."""
PAGED = ".tif"
SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101
"""TIFF's tag of a directory that says what it is, and the bits of those that are no pages of their own."""


@dataclass
class Frames:
    """The images of a file, in order."""

    kind: Kind
    count: int
    images: Iterator[LoadedImage]
    """To be gone through once; frames of an animation are alike in size, channels and depth."""
    plays: int = 0
    """How often an animation is shown; 0 without end."""

    @staticmethod
    def of(image: LoadedImage) -> "Frames":
        """One image as all that a file holds."""
        return Frames("image", 1, iter([image]))


def frames_format(path: Path) -> str | None:
    """The ending of a file that holds the same frames or pages as this one does; None for a single image.

    A file that cannot be looked at counts as one, because reading it will say why; so does what is read only once, such
    as a pipe.
    """
    try:
        kind, _, ending = _layout(path) if path.is_file() else ("image", [], "")
    except Exception:  # decoders raise nearly anything on damaged files
        return None
    named = path.suffix.lower()
    return None if kind == "image" else named if FORMATS.get(named) is FORMATS[ending] else ending


@contextmanager
def open_frames(path: Path | str) -> Iterator[Frames]:
    """The images of a file, each decoded when it is asked for, as long as the block lasts.

    Frames of an animation are whole: laid over what earlier ones left, as their file says, with 8 bits a channel. Pages
    are those of TIFF; reduced copies and masks among them are left out. Of other files with several images the
    first is read, and a note says so.

    Raises:
        UserError: as `read_image`, here and by each image.
    """
    path = Path(path)
    register_plugins()
    try:
        kind, pages, _ = _layout(path)
    except Exception:
        kind, pages = "image", []
    if kind == "image":
        yield Frames.of(read_image(path))
    elif kind == "pages":
        yield Frames("pages", len(pages), _pages(path, pages))
    else:
        with _opened(path) as image:
            plays = _plays(image)
            yield Frames("animation", len(pages), _frames(path, image, pages), plays)


def _layout(path: Path) -> tuple[Kind, list[int], str]:
    """What a file holds, the numbers of its frames or pages, and the usual ending of files that hold such."""
    with _opened(path) as image:
        if image.format == "TIFF":
            numbers = _page_numbers(path)
            return ("pages" if len(numbers) > 1 else "image"), numbers, PAGED
        if image.format not in ANIMATED or not getattr(image, "is_animated", False):
            return "image", [0], ""
        first = 1 if image.info.get("default_image") else 0  # PNG's still, for programs that know no animation
        numbers = list(range(first, int(getattr(image, "n_frames", 1))))
        return ("animation" if len(numbers) > 1 else "image"), numbers, ANIMATED[image.format]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with path.open("rb") as file, Image.open(file) as image:
        yield image


# --- pages ----------------------------------------------------------------------------------------------------------


def _page_numbers(path: Path) -> list[int]:
    with mapped(path) as content:
        tiff = Directories(content)
        kinds = [tiff.numbers(tiff.directory(place), SUBFILE_TYPE) for place in tiff.pages()]
    return [number for number, kind in enumerate(kinds) if not (kind and kind[0] & REDUCED_OR_MASK)]


def _pages(path: Path, numbers: list[int]) -> Iterator[LoadedImage]:
    for place, number in enumerate(numbers, 1):
        with as_user_error(path, f"page {place} of {len(numbers)}: "), _opened(path) as image:
            image.seek(number)
            told = tell(path, image, number)
            decoded = decode(path, image, profile(path, image, number), number)
        yield replace(loaded(decoded, told, "TIFF", []), path=path)


# --- animations -----------------------------------------------------------------------------------------------------


def _plays(image: Image.Image) -> int:
    """How often it is shown: GIF says how often it is repeated, and nothing where it is not."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    return 1 if loop is None else 0 if loop == 0 else loop + 1


def _frames(path: Path, image: Image.Image, numbers: list[int]) -> Iterator[LoadedImage]:
    """The frames as they are seen; what the file says of itself is with each of them."""
    told, icc, kind = tell(path, image), profile(path, image), image.format or ""
    bits = 16 if image.mode.startswith("I;16") else png_depth(path) if kind == "PNG" else image.info.get("bit_depth", 8)
    notes = [f"{bits} bits a channel are read as 8, as in every animation"] if bits > 8 else []
    mode = "LA" if kind != "GIF" and image.mode in ("1", "L", "LA", "I;16") else "RGBA"
    is_opaque = all(pixels[:, :, -1].min() == 255 for pixels, _ in _composited(path, numbers, mode))
    for pixels, seconds in _composited(path, numbers, mode):
        frame = loaded(Decoded(pixels, icc), told, kind, notes)
        if not is_opaque and frame.alpha is None:  # alike in all frames
            frame.alpha = np.full_like(frame.pixels[:, :, :1], 255)
        yield replace(frame, seconds=seconds, path=path)


def _composited(path: Path, numbers: list[int], mode: str) -> Iterator[tuple[np.ndarray, Fraction]]:
    """(H, W, 2 or 4) uint8 of each frame, as large as the first one, and how long it is shown."""
    with _opened(path) as image:
        size = image.size
        for place, number in enumerate(numbers, 1):
            with as_user_error(path, f"frame {place} of {len(numbers)}: "):
                image.seek(number)
                seen = _convert(image, mode)
                if seen.size != size:  # GIF's may reach beyond the canvas, which Pillow then enlarges
                    seen = seen.crop((0, 0, *size))
                shown = Fraction(image.info.get("duration", 0) / 1000).limit_denominator(65535)
                pixels = np.asarray(seen)
            yield pixels, shown


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """`image.convert`, after which the next frame is still laid over the right one.

    Pillow 13.0, not 12, blends a frame of PNG into its copy of the one before, which it should go back to afterwards.
    """
    before = getattr(image, "_prev_im", None) if image.format == "PNG" else None
    kept = None if before is None else before.copy()
    seen = image.convert(mode)
    if kept is not None:
        image._prev_im = kept  # pyright: ignore[reportAttributeAccessIssue]
    return seen
