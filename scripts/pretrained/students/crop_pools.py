"""Training images that lie on the device with what is to be made of them, and random crops of them without a loader."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pool:
    """Images of one size with their targets, which may be the originals or what a teacher made."""

    low: Tensor
    """(N, h, w, 3) uint8."""
    targets: tuple[Tensor, ...]
    """Each (N, h * scale, w * scale, 3) uint8."""
    crops: int
    """How many crops of it are in a batch."""
    rim: int = 0
    """Low-resolution pixels at the images' borders that no crop shows."""


def sample(pools: Sequence[Pool], flat: int, patch: int, scale: int, grey: float) -> tuple[Tensor, list[Tensor]]:
    """A batch of crops in any of the eight symmetries, and its targets, floats in [0, 1], channels last.

    -> (N, 3, patch, patch) and, for each of the pools' targets, (N, 3, patch * scale, patch * scale). The operations
    are the same every time, so that a graph of them can be captured.

    Args:
        pools: with as many targets each.
        flat: how many crops show a single colour, half of them with channels that are 0, 1/2 or 1.
        patch: side of the low-resolution crop.
        scale: upscaling factor.
        grey: probability that a crop is grey: one of its channels thrice.
    """
    lows: list[Tensor] = []
    targets: list[list[Tensor]] = []
    for pool in pools:
        place = _places(pool, patch)
        device = pool.low.device
        grey_channel = torch.where(
            torch.rand(pool.crops, device=device) < grey, torch.randint(3, (pool.crops,), device=device), -1
        )
        lows.append(_crops(pool.low, place, patch, 1, grey_channel))
        targets.append([_crops(target, place, patch, scale, grey_channel) for target in pool.targets])
    if flat:
        color = _colors(flat, pools[0].low.device)
        lows.append(color.expand(-1, patch, patch, -1))
        targets.append([color.expand(-1, patch * scale, patch * scale, -1)] * len(pools[0].targets))
    return _planes(lows), [_planes(parts) for parts in zip(*targets, strict=True)]


@dataclass(frozen=True)
class _Places:
    """Which images, where, and turned how: each (N,)."""

    image: Tensor
    top: Tensor
    left: Tensor
    symmetry: Tensor
    """Three bits: transposed, upside down, mirrored."""


def _places(pool: Pool, patch: int) -> _Places:
    count, height, width = pool.low.shape[:3]
    device, crops, rim = pool.low.device, pool.crops, pool.rim
    top, left = (torch.randint(rim, side - patch - rim + 1, (crops,), device=device) for side in (height, width))
    image = torch.randint(count, (crops,), device=device)
    return _Places(image, top, left, torch.randint(8, (crops,), device=device))


def _crops(images: Tensor, place: _Places, patch: int, scale: int, grey_channel: Tensor) -> Tensor:
    """(N, patch * scale, patch * scale, 3) float in [0, 255]."""
    side = patch * scale
    steps = torch.arange(side, device=images.device)
    row, column = steps[None, :, None], steps[None, None, :]
    transposed, upside, mirrored = ((place.symmetry >> bit & 1).bool()[:, None, None] for bit in range(3))
    own_row, own_column = torch.where(transposed, column, row), torch.where(transposed, row, column)
    own_row = torch.where(upside, side - 1 - own_row, own_row)
    own_column = torch.where(mirrored, side - 1 - own_column, own_column)
    top, left = (start[:, None, None] * scale for start in (place.top, place.left))
    crops = images[place.image[:, None, None], top + own_row, left + own_column].float()
    channel = grey_channel.clamp(min=0)[:, None, None, None].expand(-1, side, side, 1)
    return torch.where((grey_channel >= 0)[:, None, None, None], crops.gather(3, channel), crops)


def _colors(count: int, device: torch.device) -> Tensor:
    """(count, 1, 1, 3) in [0, 255], every second one pure."""
    color = torch.rand(count, 3, device=device) * 255
    pure = torch.randint(3, (count, 3), device=device) * 127.5
    picked = (torch.arange(count, device=device) % 2 == 0) if count > 1 else torch.rand(1, device=device) < 0.5
    return torch.where(picked[:, None], pure, color).round()[:, None, None, :]


def _planes(parts: Sequence[Tensor]) -> Tensor:
    return (torch.cat(list(parts)) / 255).permute(0, 3, 1, 2)
