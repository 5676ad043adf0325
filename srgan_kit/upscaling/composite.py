"""Several models for one image: results that are mixed, and models one after the other. They run as one model does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.rows import PassingRows, Rows
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.image_runner import Image, ImageRunner, Progress, Tally, Upscaled
from srgan_kit.upscaling.resampling import resample

ROWS_AT_ONCE = 64
Size = tuple[int, int]


def input_itself(image: Image, first: Image) -> Image:
    """What the second of two models sees beside the first: the same."""
    return image


def first_reduced(image: Image, first: Image) -> Image:
    """What the second of two models sees after the first: its result at the input's size, by antialiased bicubic."""
    return resample(first, (image.shape[1], image.shape[0]))


@dataclass(frozen=True)
class Mixed:
    """(1 - fraction) first + fraction second of the results of two models of one scale; the time of both."""

    first: ImageRunner
    second: ImageRunner
    fraction: float
    """In (0, 1]."""
    seen: Callable[[Image, Image], Image] = input_itself
    """(input, result of the first) -> what the second sees."""

    @property
    def scale(self) -> int:
        """The scale of both."""
        return self.first.scale

    def run(self, image: Image, progress: Progress | None = None) -> Upscaled:
        """(H, W, C) uint8 or uint16 -> (H * scale, W * scale, C) of the same type."""
        first = self.first.run(image, part_of(progress, 0, 1, 2))
        second = self.second.run(self.seen(image, first.pixels), part_of(progress, 1, 1, 2))
        for start in range(0, len(first.pixels), ROWS_AT_ONCE):  # no float copy of the image
            rows = slice(start, start + ROWS_AT_ONCE)
            first.pixels[rows] = self._between(first.pixels[rows], second.pixels[rows])
        return _together(first.pixels, (first, second))

    def bands(self, image: Rows, tally: Tally, progress: Progress | None = None) -> Iterator[Image]:
        """The result of `run` in parts, from the top to the bottom.

        Raises:
            UserError: the second model sees the result of the first, all of which is needed then.
        """
        if self.seen is not input_itself:
            raise UserError("detail on what was denoised is not computed in parts; expected a smaller result")
        whole = image[0 : len(image)]  # both read it, each at its own pace
        (height, width, channels), scale = whole.shape, self.scale
        shape = (height * scale, width * scale, channels)
        second = PassingRows(shape, whole.dtype, lambda: self.second.bands(whole, tally, progress))
        start = 0
        for band in self.first.bands(whole, tally):
            yield self._between(band, second[start : start + len(band)])
            start += len(band)

    def _between(self, own: Image, other: Image) -> Image:
        values = own.astype(np.float32)
        return np.rint(values + np.float32(self.fraction) * (other - values)).astype(own.dtype)


@dataclass(frozen=True)
class Chain:
    """One model after the other; the second sees the result of the first."""

    first: ImageRunner
    second: ImageRunner

    @property
    def scale(self) -> int:
        """The product of the scales of both."""
        return self.first.scale * self.second.scale

    def run(self, image: Image, progress: Progress | None = None) -> Upscaled:
        """(H, W, C) uint8 or uint16 -> (H * scale, W * scale, C) of the same type."""
        more = self.first.scale**2  # pixels that the second sees for one that the first does
        first = self.first.run(image, part_of(progress, 0, 1, 1 + more))
        second = self.second.run(first.pixels, part_of(progress, 1, more, 1 + more))
        return _together(second.pixels, (first, second))

    def bands(self, image: Rows, tally: Tally, progress: Progress | None = None) -> Iterator[Image]:
        """The result of `run` in parts, from the top to the bottom; progress is that of the second model."""
        (height, width, channels), scale = image.shape, self.first.scale
        shape = (height * scale, width * scale, channels)
        return self.second.bands(
            PassingRows(shape, image.dtype, lambda: self.first.bands(image, tally)), tally, progress
        )


def _together(pixels: Image, parts: tuple[Upscaled, Upscaled]) -> Upscaled:
    """A result with what both of its parts had to say, each once."""
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Upscaled(pixels, notes, sum(part.redone_tiles for part in parts))


def part_of(progress: Progress | None, before: int, own: int, every: int) -> Progress | None:
    """Progress of work that is `own` parts of `every`, after `before` parts were done; counted in thousandths."""
    if progress is None or own == every:
        return progress
    return lambda done, total: progress(1000 * before + 1000 * own * done // total, 1000 * every)


def runs(runner: ImageRunner, size: Size) -> Iterator[tuple[TiledUpscaler, Size]]:
    """Each model that runs for an input of `size` (width, height), and the size of what it sees."""
    if isinstance(runner, Mixed):
        yield from runs(runner.first, size)
        yield from runs(runner.second, size)
    elif isinstance(runner, Chain):
        yield from runs(runner.first, size)
        yield from runs(runner.second, (size[0] * runner.first.scale, size[1] * runner.first.scale))
    else:
        assert isinstance(runner, TiledUpscaler)
        yield runner, size
