"""Tiles whose result equals the whole image's: as much is read around each as the network's receptive field reaches."""

import math
from dataclasses import dataclass
from itertools import pairwise

from srgan_kit.models.field import Field, round_down, round_up


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
    """Tiles along an axis of `length`, each read with at most `tile` pixels and two halos.

    All are read with equally many pixels, but for what a step rounds, so that memory of one serves the next. At the
    image's borders there is no halo to read, so the first and the last yield more of what they read; beyond the border
    is the network's own business (its padding), exactly as for the whole image.
    """
    if length <= tile + 2 * field.halo:
        return [Span((0, length), (0, length))]
    inner = length - 2 * field.halo  # what would be the cores, if the borders were halos
    count = math.ceil(inner / round_down(max(tile, field.step), field.step))
    tile = round_up(math.ceil(inner / count), field.step)
    count = math.ceil(inner / tile)
    read = min(max(tile + 2 * field.halo, field.minimum), length)
    edges = [0, *(number * tile + field.halo for number in range(1, count)), length]
    spans = []
    for start, end in pairwise(edges):
        low = min(max(start - field.halo, 0), round_down(length - read, field.step))
        high = min(max(low + read, end + field.halo), length)
        spans.append(Span((start, end), (low, high)))
    return spans
