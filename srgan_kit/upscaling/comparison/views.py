"""What a comparison page embeds of an image: all of it, or the parts with the most detail where it is too large."""

import base64
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images.encode import write_image
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import Metadata

Size = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the result."""

LARGEST_VIEW = 4_000_000
"""Pixels of a result up to which it is shown whole, where the page has room for it."""
PARTS = 4
"""How many parts are shown of a larger one."""
LOSSLESS = 500_000
"""Pixels up to which a view is embedded as PNG; transparent ones always are."""
QUALITY = 95
"""Of the JPEG of the others, whose colours are not subsampled at this quality."""
OVERVIEW_SIDE = 480


@dataclass(frozen=True)
class View:
    """The same part of the enlarged input and of the result."""

    box: Box
    before: str
    """Data URI of the input, enlarged by bicubic."""
    after: str
    """Data URI of the result."""

    @property
    def size(self) -> Size:
        """(width, height)."""
        left, top, right, bottom = self.box
        return right - left, bottom - top


@dataclass(frozen=True)
class Views:
    """What is shown of an image."""

    parts: list[View]
    overview: str = ""
    """Data URI of the reduced input, where not all is shown."""


def views(before: LoadedImage, after: LoadedImage, room: int) -> Views:
    """What to embed of an input and its result in a page that has room for so many pixels of the result.

    Raises:
        UserError: no temporary file can be written.
    """
    before, after = _in_8_bits(before), _in_8_bits(after)
    room = min(room, LARGEST_VIEW)
    width, height = after.size
    if width * height <= room:
        return Views([_view(before, after, (0, 0, width, height))])
    boxes = detailed_boxes(before.pixels, after.size, room)
    factor = min(1.0, OVERVIEW_SIDE / max(before.size))
    small = max(1, round(before.size[0] * factor)), max(1, round(before.size[1] * factor))
    whole = _embedded(_resized(before, small, (0, 0, *before.size)))
    return Views([_view(before, after, box) for box in boxes], whole)


def detailed_boxes(pixels: np.ndarray, size: Size, room: int) -> list[Box]:
    """The parts of a result of `size` in which its input, (H, W, C), has the most detail, in reading order.

    Detail is the mean absolute difference of neighbouring pixels. The parts lie on a grid, whose cells have a `PARTS`th
    of `room` pixels.
    """
    grey = pixels.mean(axis=2, dtype=np.float32)
    rough = np.abs(np.diff(grey, axis=1, append=grey[:, -1:])) + np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    across, down = size[0] / pixels.shape[1], size[1] / pixels.shape[0]

    def detail(box: Box) -> float:
        left, top, right, bottom = box
        rows = slice(int(top / down), max(int(top / down) + 1, math.ceil(bottom / down)))
        columns = slice(int(left / across), max(int(left / across) + 1, math.ceil(right / across)))
        return float(rough[rows, columns].mean())

    best = sorted(_cells(size, math.isqrt(room // PARTS)), key=detail, reverse=True)[:PARTS]
    return sorted(best, key=lambda box: (box[1], box[0]))


def _cells(size: Size, side: int) -> Iterator[Box]:
    """Squares of that side in the middle of `size`, narrower where it is."""
    (lefts, width), (tops, height) = (_starts(length, side) for length in size)
    for top in tops:
        yield from ((left, top, left + width, top + height) for left in lefts)


def _starts(length: int, side: int) -> tuple[list[int], int]:
    """Where the pieces of a line begin, and how long each is."""
    side = max(1, min(side, length))
    count = length // side
    first = (length - count * side) // 2
    return [first + number * side for number in range(count)], side


def _view(before: LoadedImage, after: LoadedImage, box: Box) -> View:
    left, top, right, bottom = box
    across, down = after.size[0] / before.size[0], after.size[1] / before.size[1]
    enlarged = _resized(
        before, (right - left, bottom - top), (left / across, top / down, right / across, bottom / down)
    )
    part = (slice(top, bottom), slice(left, right))
    cut = replace(after, pixels=after.pixels[part], alpha=None if after.alpha is None else after.alpha[part])
    return View(box, _embedded(enlarged), _embedded(cut))


def _resized(image: LoadedImage, size: Size, box: tuple[float, float, float, float]) -> LoadedImage:
    """A part of an image at a size, by Pillow's bicubic: what most programs do."""
    parts = [image.pixels] if image.alpha is None else [image.pixels, image.alpha]
    whole = Image.fromarray(np.concatenate(parts, axis=2).squeeze(2) if _is_grey(image) else np.concatenate(parts, 2))
    pixels = np.asarray(whole.resize(size, Image.Resampling.BICUBIC, box))
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    alpha = None if image.alpha is None else pixels[:, :, -1:]
    return replace(image, pixels=pixels if alpha is None else pixels[:, :, :-1], alpha=alpha)


def _is_grey(image: LoadedImage) -> bool:
    return image.pixels.shape[2] == 1 and image.alpha is None


def _in_8_bits(image: LoadedImage) -> LoadedImage:
    """Without what is not seen, and in 8 bits a channel."""
    pixels, alpha = (
        each if each is None or each.dtype == np.uint8 else ((each.astype(np.uint32) + 128) // 257).astype(np.uint8)
        for each in (image.pixels, image.alpha)
    )
    assert pixels is not None
    return replace(image, pixels=pixels, alpha=alpha, metadata=Metadata(), density=None, bits=0, notes=[])


def _embedded(image: LoadedImage) -> str:
    """An image in 8 bits as a data URI, in the colours that it has."""
    width, height = image.size
    is_png = width * height <= LOSSLESS or image.alpha is not None
    with tempfile.TemporaryDirectory(prefix="srgan-kit-") as folder:
        file = Path(folder, "view.png" if is_png else "view.jpg")
        contiguous = replace(image, pixels=np.ascontiguousarray(image.pixels), alpha=image.alpha)
        if image.alpha is not None:
            contiguous = replace(contiguous, alpha=np.ascontiguousarray(image.alpha))
        write_image(contiguous, file, QUALITY)
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UserError(f"{file}: {error.strerror}") from None
    return f"data:image/{'png' if is_png else 'jpeg'};base64,{base64.b64encode(data).decode()}"
