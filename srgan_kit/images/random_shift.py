"""Images shifted by a few pixels at random: a strided network cannot lock onto the phase of a pixel shuffle."""

import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.losses import drawn_for_batch


def draw_shifts(count: int, largest: int, generator: torch.Generator | None = None) -> Tensor:
    """Rows and columns (count, 2) int64 to shift images by, uniform in -largest ... largest."""
    like = torch.empty(count, 2, dtype=torch.int64)
    return drawn_for_batch(like, lambda batch: torch.randint(-largest, largest + 1, batch.shape, generator=generator))


def shifted(image: Tensor, shifts: Tensor, largest: int) -> Tensor:
    """Each (N, C, H, W) image moved by its own shift, what comes in at an edge mirrored; gradients pass.

    Moved by (dy, dx), pixel (y, x) of the result is pixel (y + dy, x + dx) of the image. H and W > largest.
    """
    height, width = image.shape[-2:]
    padded = F.pad(image, (largest,) * 4, mode="reflect")
    corners = (shifts + largest).tolist()
    parts = [each[:, y : y + height, x : x + width] for each, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(parts)
