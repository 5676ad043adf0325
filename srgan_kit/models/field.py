"""What tiles of a network must respect: its receptive field, and how large tiles may be. No torch is imported here."""

import math
from dataclasses import dataclass

SMALLEST_TILE, LARGEST_TILE = 64, 512
"""Automatic tiles: below, halos dominate; above, nothing is gained and memory grows."""
LAYER_BYTES = 200e6
"""Between those they are chosen so that the widest layer's input and output take about this in fp32."""


@dataclass(frozen=True)
class Field:
    """What tiles must respect for a network's result not to change, in input pixels."""

    halo: int
    """Input read around a tile: an output depends on nothing further away. A multiple of `step`."""
    step: int
    """Tiles and halos start at multiples of this."""
    minimum: int
    """Smallest side that the network accepts."""
    exact: bool
    """False: the network looks further than any halo (or everywhere), so tiles only approximate the whole image."""


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is at least `value`."""
    return math.ceil(value / multiple) * multiple


def round_down(value: int, multiple: int) -> int:
    """The largest multiple that is at most `value`."""
    return value // multiple * multiple
