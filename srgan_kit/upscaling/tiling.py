"""Tiles whose result equals the whole image's: the network's receptive field is measured, and read around each tile.

Measured once per network: a block of NaN in a probe marks every output that can depend on it, whatever the weights are
(0 * NaN is NaN). The probe grows until the marks end inside it. Then a shifted random probe shows in which steps the
network may be moved without changing its result; tiles start at multiples of that step.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.errors import UserError

LARGEST_FIELD = 256
"""Input pixels: where the receptive field reaches further, exact tiles would cost more than they save."""
LIMITED_HALO = 64
"""Halo of networks without exact tiles: far beyond where their outputs differ visibly."""
STRIP = 16
"""Least width of a probe; its length is what is measured, so it can be narrow and the measurement cheap."""
SMALLEST_SIDES = (1, 2, 4, 8, 16, 32, 64, 128)
TOLERANCE = 1e-5


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


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in input pixels: `core` is what it yields, `read` what the network sees."""

    core: tuple[int, int]
    read: tuple[int, int]


def measure_field(network: nn.Module, scale: int, channels: int, multiple_of: int = 1, minimum: int = 1) -> Field:
    """The receptive field of `network`, (1, C, h, w) -> (1, C, h * scale, w * scale), measured in fp32.

    Raises:
        UserError: the network refuses all small inputs, or its outputs are not `scale` times its inputs.
    """
    least = smallest_side(network, scale, channels, multiple_of, minimum)
    reach = _reach(network, channels, multiple_of, least)
    if reach is not None:
        for step in (multiple_of * 2**power for power in range(7)):
            if _may_move_by(network, channels, step, reach, least):
                return Field(_round_up(reach, step), step, least, exact=True)
    return Field(_round_up(LIMITED_HALO, multiple_of), multiple_of, least, exact=False)


def smallest_side(network: nn.Module, scale: int, channels: int, multiple_of: int, minimum: int) -> int:
    """The smallest power of two, or multiple of `multiple_of`, that the network accepts as both sides.

    Raises:
        UserError: the network refuses all small inputs, or its outputs are not `scale` times its inputs.
    """
    refusal: Exception | None = None
    for side in SMALLEST_SIDES:
        side = _round_up(max(side, minimum), multiple_of)
        try:
            shape = _run(network, torch.zeros(1, channels, side, side)).shape
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:  # such as reflection beyond the image
            refusal = error
            continue
        if shape != (1, channels, side * scale, side * scale):
            raise UserError(f"the network maps {channels}x{side}x{side} to {tuple(shape[1:])}, expected scale {scale}")
        return side
    raise UserError(f"the network accepts no input up to {SMALLEST_SIDES[-1]} pixels a side: {refusal}")


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


def tiles(height: int, width: int, tile: int, field: Field) -> Iterator[tuple[Span, Span]]:
    """All (rows, columns) tiles of an image, from the top left."""
    columns = plan(width, tile, field)
    for rows in plan(height, tile, field):
        for column in columns:
            yield rows, column


def pad_to_fit(image: Tensor, multiple_of: int, minimum: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of `multiple_of` and at least `minimum`."""
    height, width = image.shape[-2:]
    below = _round_up(max(height, minimum), multiple_of) - height
    right = _round_up(max(width, minimum), multiple_of) - width
    if below == right == 0:
        return image
    return F.pad(image, (0, right, 0, below), mode="replicate")


def _reach(network: nn.Module, channels: int, block: int, minimum: int) -> int | None:
    """How far the influence of an aligned block of input pixels extends beyond it, or None beyond LARGEST_FIELD."""
    length = 64
    while length <= 2 * LARGEST_FIELD:
        blocks = 2 * math.ceil(max(length, minimum) / (2 * block)) + 1
        down = _reach_along(network, channels, block, blocks, minimum, axis=2)
        right = _reach_along(network, channels, block, blocks, minimum, axis=3) if down is not None else None
        if down is not None and right is not None:
            return max(down, right)
        length *= 2
    return None


def _reach_along(network: nn.Module, channels: int, block: int, blocks: int, minimum: int, axis: int) -> int | None:
    """The reach along an axis, from a strip with NaN in its middle block; None where it reaches an end."""
    across = _round_up(max(STRIP, minimum), block)
    shape = (1, channels, blocks * block, across) if axis == 2 else (1, channels, across, blocks * block)
    probe = torch.full(shape, 0.5)
    middle = blocks // 2 * block
    probe.narrow(axis, middle, block).fill_(math.nan)
    output = _run(network, probe)
    scale = output.shape[axis] // shape[axis]
    marked = output.isnan().any(dim=1)[0].any(dim=3 - axis).nonzero().flatten()
    if len(marked) == 0:
        return 0
    first, last = int(marked[0]), int(marked[-1])
    if first == 0 or last == output.shape[axis] - 1:
        return None
    before = math.ceil((middle * scale - first) / (scale * block))
    after = math.ceil((last + 1 - (middle + block) * scale) / (scale * block))
    return max(before, after, 0) * block


def _may_move_by(network: nn.Module, channels: int, step: int, reach: int, minimum: int) -> bool:
    """True where dropping the first `step` rows and columns of a random image changes no output beyond the reach."""
    inside = _round_up(reach, step)
    strip = _round_up(max(STRIP, minimum), step)
    length = _round_up(max(2 * inside + 2 * step, minimum), step) + step
    for axis in (2, 3):
        shape = (1, channels, length, strip) if axis == 2 else (1, channels, strip, length)
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        whole = _run(network, image)
        moved = _run(network, image.narrow(axis, step, length - step))
        scale = whole.shape[axis] // length
        kept = (length - step - inside) * scale
        start = whole.shape[axis] - kept
        difference = whole.narrow(axis, start, kept) - moved.narrow(axis, inside * scale, kept)
        if not float(difference.abs().max()) <= TOLERANCE * max(1.0, float(whole.abs().max())):
            return False
    return True


@torch.inference_mode()
def _run(network: nn.Module, image: Tensor) -> Tensor:
    return network(image).float()


def _round_up(value: int, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple
