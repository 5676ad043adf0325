"""Masked convolution, which sees earlier pixels only, and the memory that lets it go pixel by pixel."""

import itertools
from collections.abc import Iterator
from types import EllipsisType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Canvas:
    """The maps of images that are being sampled, each computed up to the pixel whose turn it is.

    A value never changes once it is known, nor does what a causal network computes from it: so every map is computed
    once, pixel by pixel, and sampling an image costs about as much as one forward pass.
    """

    MARGIN = 3

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.row = self.column = 0
        self._maps: dict[object, Tensor] = {}

    def pixels(self) -> Iterator[tuple[EllipsisType, slice, slice]]:
        """Gives each pixel its turn, in raster order; its index into (N, C, H, W), which keeps H = W = 1."""
        for row, column in itertools.product(range(self.height), range(self.width)):
            self.row, self.column = row, column
            yield ..., slice(row, row + 1), slice(column, column + 1)

    def window(self, owner: object, like: Tensor, rows: int, columns: int, column: int | None = None) -> Tensor:
        """What `owner` knows: a view (N, K, rows, columns) that ends with the row and is centred on the column.

        Zero where nothing was written, and in a margin around the image. `like` (N, K, ...) makes the map when new.
        """
        if owner not in self._maps:
            size = self.height + self.MARGIN, self.width + 2 * self.MARGIN
            self._maps[owner] = like.new_zeros(*like.shape[:2], *size)
        last = self.row + self.MARGIN
        centre = (self.column if column is None else column) + self.MARGIN
        reach = columns // 2
        return self._maps[owner][:, :, last + 1 - rows : last + 1, centre - reach : centre + reach + 1]


class MaskedConv2d(nn.Conv2d):
    """Convolution that sees earlier pixels in raster order, and of its own pixel the channels that are known.

    (N, inputs, H, W) -> (N, outputs, H, W); with a canvas H = W = 1, the pixel whose turn it is.

    Maps fall into groups for the image's channels R, G, B. Group c sees, of its own pixel, the groups before c (mask A,
    for the image itself) or up to c (mask B, for maps that have passed mask A). Rows below are not stored.
    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", sec. 3.4, arXiv:1601.06759

    Args:
        mask: what it sees of its own pixel.
        inputs, outputs: numbers of maps.
        groups: channels of the image.
        rows: height of the kernel, which ends in its own row.
        columns: width of the kernel, odd.
        parts: equal parts of the outputs, each with all groups, such as the gates of an LSTM.
    """

    mask: Tensor

    def __init__(
        self,
        mask: Literal["A", "B"],
        inputs: int,
        outputs: int,
        groups: int,
        rows: int = 1,
        columns: int = 1,
        parts: int = 1,
    ) -> None:
        super().__init__(inputs, outputs, (rows, columns))
        source = torch.arange(inputs) * groups // inputs
        target = (torch.arange(outputs // parts) * groups // (outputs // parts)).repeat(parts)[:, None]
        seen = torch.ones_like(self.weight)
        seen[:, :, -1, columns // 2] = (source < target if mask == "A" else source <= target).to(seen)
        seen[:, :, -1, columns // 2 + 1 :] = 0
        self.register_buffer("mask", seen, persistent=False)

    def forward(self, x: Tensor, canvas: Canvas | None = None) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        rows, columns = self.kernel_size
        weight = self.weight * self.mask
        if canvas is not None:
            canvas.window(self, x, 1, 1).copy_(x)
            x = canvas.window(self, x, rows, columns)
        elif rows == 1:  # nothing to the right is seen
            x, weight = F.pad(x, (columns // 2, 0)), weight[..., : columns // 2 + 1]
        else:
            x = F.pad(x, (columns // 2, columns // 2, rows - 1, 0))
        return F.conv2d(x, weight, self.bias)
