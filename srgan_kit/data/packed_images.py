"""Images of any shape in one block of memory."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor


class PackedImages(Sequence[Tensor]):
    """Images (C, h, w) uint8 of any shape in one block of memory: thousands of tensors as cheap to share as one."""

    def __init__(self, images: Iterable[Tensor]) -> None:
        images = list(images)
        self.shapes = [tuple(image.shape) for image in images]
        self.pixels = torch.cat([image.reshape(-1) for image in images])
        self._starts = np.cumsum([0] + [image.numel() for image in images])

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> Tensor:
        """(C, h, w) uint8, a view; indices from 0 on."""
        return self.pixels[self._starts[index] : self._starts[index + 1]].view(self.shapes[index])
