"""An image with transparency to any size: the network, then antialiased resampling."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.rows import PassingRows
from srgan_kit.upscaling.back_projection import back_project
from srgan_kit.upscaling.image_runner import ImageRunner, Progress, Tally
from srgan_kit.upscaling.resampling import resample, resampled_rows
from srgan_kit.upscaling.transparency import fill_hidden

LARGEST_IMAGE = 2**32
"""Output pixels; more is taken for a mistake."""


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(width, height) times `scale`, rounded, at least one pixel each."""
    width, height = size
    return _checked((max(1, round(width * scale)), max(1, round(height * scale))))


def fitted_size(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) of the same shape as `size` inside `box`."""
    factor = min(box[0] / size[0], box[1] / size[1])
    width, height = scaled_size(size, factor)
    return min(width, box[0]), min(height, box[1])


@dataclass(frozen=True)
class UpscaledImage:
    """An upscaled image with all that belongs to it."""

    image: LoadedImage
    """Its notes are those of the input, and then what was not done as asked. If it is made in parts, its pixels are
    `Rows`, computed when they are asked for, from the top to the bottom, and its notes those of the input."""
    tally: Tally
    """What happened; of an image in parts complete once all its rows were asked for."""
    in_parts: bool = False

    @property
    def notes(self) -> list[str]:
        """Of the input, and what was not done as asked."""
        return [*self.image.notes, *_said(self.tally)] if self.in_parts else self.image.notes

    @property
    def redone_tiles(self) -> int:
        """Tiles that gave NaN or infinity in reduced precision and were computed again in fp32."""
        return self.tally.redone_tiles


def upscale_image(
    upscaler: ImageRunner,
    image: LoadedImage,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
    *,
    consistent: bool = False,
) -> UpscaledImage:
    """The image at `size` (width, height), by default the network's scale.

    Colour and opacity are upscaled apart. Opacity is resampled by antialiased bicubic. Colour that nobody sees is first
    replaced by the visible colours around it, so that it never bleeds into a visible edge; all other colour goes to
    the network untouched, half transparent or not. With `consistent`, both are corrected until MATLAB's bicubic reduces
    them to what they came from, to half a level where their range allows it; a note says where it does not.

    Raises:
        UserError: the size is too large, no memory, or NaN (see `TiledUpscaler.run`).
    """
    size = _checked(size or scaled_size(image.size, upscaler.scale))
    try:
        colour = image.pixels if image.alpha is None else fill_hidden(image.pixels, image.alpha)
        upscaled = upscaler.run(colour, progress)
        pixels = resample(upscaled.pixels, size)
        alpha = None if image.alpha is None else resample(image.alpha, size)
        left = _make_consistent(((pixels, colour), (alpha, image.alpha))) if consistent else []
    except MemoryError:
        raise UserError(f"not enough memory for an image of {size[0]}x{size[1]} pixels") from None
    tally = Tally([*upscaled.notes], upscaled.redone_tiles)
    notes = [*image.notes, *left, *_said(tally)]
    return UpscaledImage(replace(image, pixels=pixels, alpha=alpha, notes=notes, path=None), tally)


def upscale_in_parts(
    upscaler: ImageRunner, image: LoadedImage, size: tuple[int, int], progress: Progress | None = None
) -> UpscaledImage:
    """The same pixels as `upscale_image` gives without `consistent`, but computed when a writer asks for them.

    The input may be `Rows` itself where it has no opacity.

    Raises:
        UserError: the size is too large; what `upscale_image` raises comes while it is written.
    """
    colour = image.pixels if image.alpha is None else fill_hidden(image.pixels, image.alpha)
    (height, width, channels), scale, tally = colour.shape, upscaler.scale, Tally()
    whole = (height * scale, width * scale, channels)
    made = PassingRows(whole, colour.dtype, lambda: upscaler.bands(colour, tally, progress))
    pixels = cast(np.ndarray, resampled_rows(made, _checked(size)))
    alpha = None if image.alpha is None else cast(np.ndarray, resampled_rows(image.alpha, size))
    return UpscaledImage(replace(image, pixels=pixels, alpha=alpha, path=None), tally, in_parts=True)


def _said(tally: Tally) -> list[str]:
    redone = f"{tally.redone_tiles} tiles gave NaN in reduced precision and were computed again in fp32"
    return [*tally.notes, redone] if tally.redone_tiles else tally.notes


def _make_consistent(pairs: tuple[tuple[np.ndarray | None, np.ndarray | None], ...]) -> list[str]:
    """Back-project each (large, small) in place; a note where large is the smaller one, or a deviation is left."""
    left = 0.0
    for large, small in pairs:
        if large is None or small is None:
            continue
        if large.shape[0] < small.shape[0] or large.shape[1] < small.shape[1]:
            return ["a result smaller than its input cannot be made consistent with it"]
        left = max(left, back_project(large, small))
    return [f"consistent, but for up to {left:.1f} levels where black or white limits it"] if left > 0.5 else []


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > LARGEST_IMAGE:
        raise UserError(f"{size[0]}x{size[1]} pixels are too many: expected at most {LARGEST_IMAGE:,}")
    return size
