"""Several models for one image: results that are mixed, and models one after the other. They run as one model does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from srgan_kit.upscaling.engine import Image, Progress, Runner, TiledUpscaler, Upscaled
from srgan_kit.upscaling.image import resample

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

    first: Runner
    second: Runner
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
            own, other = first.pixels[rows].astype(np.float32), second.pixels[rows]
            first.pixels[rows] = np.rint(own + np.float32(self.fraction) * (other - own))
        return _together(first.pixels, (first, second))


@dataclass(frozen=True)
class Chain:
    """One model after the other; the second sees the result of the first."""

    first: Runner
    second: Runner

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


def _together(pixels: Image, parts: tuple[Upscaled, Upscaled]) -> Upscaled:
    """A result with what both of its parts had to say, each once."""
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Upscaled(pixels, notes, sum(part.redone_tiles for part in parts))


def part_of(progress: Progress | None, before: int, own: int, every: int) -> Progress | None:
    """Progress of work that is `own` parts of `every`, after `before` parts were done; counted in thousandths."""
    if progress is None or own == every:
        return progress
    return lambda done, total: progress(1000 * before + 1000 * own * done // total, 1000 * every)


def runs(runner: Runner, size: Size) -> Iterator[tuple[TiledUpscaler, Size]]:
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
