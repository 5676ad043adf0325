"""The eight symmetries of the square, as turns and reflections of images."""

import torch
from torch import Tensor

SYMMETRIES = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""Quarter turns, and whether a reflection comes before them."""


def turned(image: Tensor, turns: int, mirrored: bool) -> Tensor:
    """(N, C, h, w), of quarter turns (N, C, w, h), by one of `SYMMETRIES`; channels last."""
    seen = torch.rot90(image.flip(3) if mirrored else image, turns, (2, 3))
    return seen.contiguous(memory_format=torch.channels_last)


def turned_back(image: Tensor, turns: int, mirrored: bool) -> Tensor:
    """What undoes `turned`, of any size of image."""
    image = torch.rot90(image, -turns, (2, 3))
    return image.flip(3) if mirrored else image
