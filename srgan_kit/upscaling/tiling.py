"""Tiles whose result equals the whole image's: as much is read around each as the network's receptive field reaches."""

import math
from dataclasses import dataclass

from srgan_kit.models.field import Field


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in input pixels: `core` is what it yields, `read` what the network sees."""

    core: tuple[int, int]
    read: tuple[int, int]

    def place(self, scale: int) -> slice:
        """Where the core lies in the result."""
        return slice(self.core[0] * scale, self.core[1] * scale)

    def within(self, scale: int) -> slice:
        """Where the core lies in the network's output for what was read."""
        return slice((self.core[0] - self.read[0]) * scale, (self.core[1] - self.read[0]) * scale)


def plan(length: int, tile: int, field: Field) -> list[Span]:
    """Tiles of at most `tile`, all about as long, along an axis of `length`; halos are clipped at the image's borders.

    What is beyond the border stays the network's own business there (its padding), exactly as for the whole image.
    """
    if length <= tile + 2 * field.halo:  # one tile with halos would see all of it
        return [Span((0, length), (0, length))]
    steps = math.ceil(length / field.step)
    count = math.ceil(steps / max(tile // field.step, 1))
    tile = math.ceil(steps / count) * field.step
    # All are read with equally many pixels, where there are as many, so that memory of one serves the next.
    read = min(max(tile + 2 * field.halo, field.minimum), length)
    spans = []
    for start in range(0, length, tile):
        end = min(start + tile, length)
        low = min(max(start - field.halo, 0), (length - read) // field.step * field.step)
        high = min(max(low + read, end + field.halo), length)
        spans.append(Span((start, end), (low, high)))
    return spans
