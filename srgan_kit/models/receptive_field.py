"""A network's receptive field, measured once per network.

A block of NaN in a probe marks every output that can depend on it, whatever the weights are (0 * NaN is NaN). The probe
grows until the marks end inside it. Then a shifted random probe shows in which steps the network may be moved without
changing its result; tiles start at multiples of that step.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.models.field import LARGEST_TILE, LAYER_BYTES, SMALLEST_TILE, Field, round_up

if TYPE_CHECKING:
    from srgan_kit.models.super_resolution import UpscalingModel

LARGEST_FIELD = 256
"""Input pixels: where the receptive field reaches further, exact tiles would cost more than they save."""
LIMITED_HALO = 64
"""Halo of networks without exact tiles: far beyond where their outputs differ visibly."""
STRIP = 16
"""Least width of a probe; its length is what is measured, so it can be narrow and the measurement cheap."""
SMALLEST_SIDES = (1, 2, 4, 8, 16, 32, 64, 128)
TOLERANCE = 1e-5
PROBE = 64
"""Least side of the image by which layers are measured."""


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
                return Field(round_up(reach, step), step, least, exact=True)
    return Field(round_up(LIMITED_HALO, multiple_of), multiple_of, least, exact=False)


def smallest_side(network: nn.Module, scale: int, channels: int, multiple_of: int, minimum: int) -> int:
    """The smallest power of two, or multiple of `multiple_of`, that the network accepts as both sides.

    Raises:
        UserError: the network refuses all small inputs, or its outputs are not `scale` times its inputs.
    """
    refusal: Exception | None = None
    for side in SMALLEST_SIDES:
        side = round_up(max(side, minimum), multiple_of)
        try:
            shape = _run(network, torch.zeros(1, channels, side, side)).shape
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:  # such as reflection beyond the image
            refusal = error
            continue
        if shape != (1, channels, side * scale, side * scale):
            raise UserError(f"the network maps {channels}x{side}x{side} to {tuple(shape[1:])}, expected scale {scale}")
        return side
    raise UserError(f"the network accepts no input up to {SMALLEST_SIDES[-1]} pixels a side: {refusal}")


def automatic_tile(model: "UpscalingModel") -> int:
    """The largest tile whose widest layer stays within LAYER_BYTES, from the layers' sizes in a small probe."""
    side = round_up(max(PROBE, model.minimum), model.multiple_of)
    widest = 0

    def look(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal widest
        widest = max(widest, sum(t.numel() for t in (*inputs, output) if isinstance(t, Tensor)))

    hooks = [layer.register_forward_hook(look) for layer in model.network.modules()]
    try:
        _run(model.network, torch.zeros(1, model.channels, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    fitting = math.isqrt(int(LAYER_BYTES / (4 * max(widest, 1) / side**2)))
    return min(max(fitting, SMALLEST_TILE), LARGEST_TILE)


def _reach(network: nn.Module, channels: int, block: int, minimum: int) -> int | None:
    """How far the influence of an aligned block of input pixels extends beyond it, or None beyond LARGEST_FIELD."""
    gap = block * max((max(layer.dilation) for layer in network.modules() if isinstance(layer, nn.Conv2d)), default=1)
    length = max(64, 4 * gap)
    while length <= 2 * LARGEST_FIELD:
        blocks = 2 * math.ceil(max(length, minimum) / (2 * block)) + 1
        down = _reach_along(network, channels, block, blocks, minimum, gap, axis=2)
        right = _reach_along(network, channels, block, blocks, minimum, gap, axis=3) if down is not None else None
        if down is not None and right is not None:
            return max(down, right)
        length *= 2
    return None


def _reach_along(
    network: nn.Module, channels: int, block: int, blocks: int, minimum: int, gap: int, axis: int
) -> int | None:
    """The reach along an axis, from a strip with NaN in its middle block; None where it reaches an end.

    Dilated kernels see points so far apart, `gap`, that marks may jump beyond an end.
    """
    across = round_up(max(STRIP, minimum), block)
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
    if first < gap * scale or last >= output.shape[axis] - gap * scale:
        return None
    before = math.ceil((middle * scale - first) / (scale * block))
    after = math.ceil((last + 1 - (middle + block) * scale) / (scale * block))
    return max(before, after, 0) * block


def _may_move_by(network: nn.Module, channels: int, step: int, reach: int, minimum: int) -> bool:
    """True where dropping the first `step` rows and columns of a random image changes no output beyond the reach."""
    inside = round_up(reach, step)
    strip = round_up(max(STRIP, minimum), step)
    length = round_up(max(2 * inside + 2 * step, minimum), step) + step
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
