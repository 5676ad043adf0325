"""PixelRNN: each value of an image predicted from those before it, by LSTMs along rows or along diagonals."""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.autoregressive.masked import Canvas, MaskedConv2d
from srgan_kit.generators.autoregressive.network import PixelNetwork, PixelSettings

LEFT, RIGHT = 0, 1
"""Directions of the Diagonal BiLSTM: where the neighbour in the row is."""


class RowLSTMLayer(nn.Module):
    """LSTM from the top row to the bottom row, convolutional along the row, with a residual connection.

    x (N, 2h, H, W), bias (N, 4h, H, W) or one that broadcasts -> (N, 2h, H, W); with a canvas, one pixel.

    gates_i = K_ss * h_(i-1) + K_is * x_i + bias_i,  row h_i from `lstm`,  x + up(h)

    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", sec. 3.1 and 3.3, arXiv:1601.06759
    """

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__()
        self.input_to_state = MaskedConv2d("B", 2 * channels, 4 * channels, image_channels, columns=3, parts=4)
        self.state_to_state = nn.Conv1d(channels, 4 * channels, 3, bias=False)
        self.up = MaskedConv2d("B", channels, 2 * channels, image_channels)

    def forward(self, x: Tensor, bias: Tensor, canvas: Canvas | None = None) -> Tensor:
        gates = self.input_to_state(x, canvas) + bias
        return x + self.up(self._rows(gates) if canvas is None else self._pixel(gates, canvas))

    def _rows(self, gates: Tensor) -> Tensor:
        samples, channels, _, width = gates.shape
        # As matrix products over (N, W, channels): a row is too small for a convolution's preparations.
        weight = self.state_to_state.weight.permute(2, 1, 0).flatten(0, 1)
        hidden = cell = gates.new_zeros(samples, width, channels // 4)
        rows: list[Tensor] = []
        for gate in gates.permute(2, 0, 3, 1).contiguous():
            beside = F.pad(hidden, (0, 0, 1, 1))
            near = torch.cat([beside[:, :-2], hidden, beside[:, 2:]], dim=-1)
            hidden, cell = lstm(torch.addmm(gate.flatten(0, 1), near.flatten(0, 1), weight).view_as(gate), cell, dim=-1)
            rows.append(hidden)
        return torch.stack(rows).permute(1, 3, 0, 2)

    def _pixel(self, gates: Tensor, canvas: Canvas) -> Tensor:
        state = canvas.window(self, gates[:, : gates.shape[1] // 2], 2, 3)
        hidden, cell = state[:, :, 0].chunk(2, 1)
        state[:, :, 1, 1:2] = torch.cat(lstm(gates[..., 0] + self.state_to_state(hidden), cell[..., 1:2]), 1)
        return state[:, : state.shape[1] // 2, 1:, 1:2]


class DiagonalBiLSTMLayer(nn.Module):
    """LSTMs from both upper corners along the diagonals, with a residual connection.

    x (N, 2h, H, W), bias (N, 8h, H, W) or one that broadcasts -> (N, 2h, H, W); with a canvas, one pixel.

    gates_ij = K_ss * (h_(i-1)j, h_i(j-1)) + K_is * x_ij + bias_ij,  h_ij from `lstm`, likewise mirrored,
    x + up(left_ij + right_(i-1)j)

    The mirrored map is shifted down by a row, so that no later pixel is seen. In the map skewed so that row i starts at
    column i, a column depends on the one before it only; both directions share its loop.
    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", sec. 3.2 and 3.3, arXiv:1601.06759
    """

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__()
        self.input_to_state = MaskedConv2d("B", 2 * channels, 8 * channels, image_channels, parts=8)
        # From the states above and beside; the left and the right direction.
        self.state_to_state = nn.ModuleList(nn.Linear(2 * channels, 4 * channels, bias=False) for _ in range(2))
        self.up = MaskedConv2d("B", channels, 2 * channels, image_channels)

    def forward(self, x: Tensor, bias: Tensor, canvas: Canvas | None = None) -> Tensor:
        gates = self.input_to_state(x) + bias
        return x + self.up(self._diagonals(gates) if canvas is None else self._pixel(gates, canvas))

    def _diagonals(self, gates: Tensor) -> Tensor:
        samples, channels, height, _ = gates.shape
        left, right = gates.movedim(1, -1).chunk(2, -1)
        # Outside the image all gates are closed: there, hidden state and cell stay 0.
        skewed = skew(torch.stack([left, right.flip(2)]), -math.inf)  # (2, N, H, H + W - 1, 4h)
        weight = torch.stack([linear.get_parameter("weight").mT for linear in self.state_to_state])
        hidden = cell = gates.new_zeros(2, samples, height, channels // 8)
        columns: list[Tensor] = []
        for gate in skewed.movedim(3, 0).contiguous():
            before = torch.cat([F.pad(hidden, (0, 0, 1, -1)), hidden], -1)
            gate = torch.baddbmm(gate.flatten(1, 2), before.flatten(1, 2), weight).view_as(gate)
            hidden, cell = lstm(gate, cell, dim=-1)
            columns.append(hidden)
        left, right = unskew(torch.stack(columns, 3))
        return (left + F.pad(right.flip(2), (0, 0, 0, 0, 1, -1))).movedim(-1, 1)

    def _pixel(self, gates: Tensor, canvas: Canvas) -> Tensor:
        left, right = gates.chunk(2, 1)
        state = self._advance(LEFT, left, canvas, canvas.column)
        canvas.window((self, "gates"), right, 1, 1).copy_(right)
        above = canvas.window((self, RIGHT), state, 2, 1)[:, :, :1]
        if canvas.column == canvas.width - 1:  # the row is complete: the other direction can pass over it
            for column in reversed(range(canvas.width)):
                gate = canvas.window((self, "gates"), right, 1, 1, column)
                self._advance(RIGHT, gate, canvas, column)
        return (state + above)[:, : state.shape[1] // 2]

    def _advance(self, side: int, gates: Tensor, canvas: Canvas, column: int) -> Tensor:
        """One direction's new state, hidden and cell, at one pixel: gates (N, 4h, 1, 1) -> (N, 2h, 1, 1)."""
        state = canvas.window((self, side), gates[:, : gates.shape[1] // 2], 2, 3, column)
        above, _ = state[:, :, 0, 1].chunk(2, 1)
        beside, cell = state[:, :, 1, 2 * side].chunk(2, 1)
        new = lstm(gates[..., 0, 0] + self.state_to_state[side](torch.cat([above, beside], 1)), cell)
        state[:, :, 1, 1] = torch.cat(new, 1)
        return state[:, :, 1:, 1:2]


class RowLSTM(PixelNetwork):
    """Sees a triangle above that widens by a pixel to each side with every row.

    Shapes, arguments, errors: `PixelNetwork`.  Van den Oord et al. 2016, sec. 3.1, arXiv:1601.06759
    """

    layer = RowLSTMLayer
    parts = 4


class DiagonalBiLSTM(PixelNetwork):
    """Sees every earlier pixel in every layer, but for the last value of the row above, unless the 7x7 window holds it.

    Mask A keeps a pixel's last value out of the maps at that pixel: those to its right hold it, and here are none.
    Shapes, arguments, errors: `PixelNetwork`.  Van den Oord et al. 2016, sec. 3.2, arXiv:1601.06759
    """

    layer = DiagonalBiLSTMLayer
    parts = 8


def lstm(gates: Tensor, cell: Tensor, dim: int = 1) -> tuple[Tensor, Tensor]:
    """New hidden state and cell: gates with 4h, cell with h channels along `dim` -> two tensors like the cell.

    c' = sigmoid(f) c + sigmoid(i) tanh(g),  h = sigmoid(o) tanh(c'),  gates = (o, f, i, g)

    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", eq. 3, arXiv:1601.06759
    """
    width = cell.shape[dim]
    output, forget, enter = torch.sigmoid(gates.narrow(dim, 0, 3 * width)).chunk(3, dim)
    cell = torch.addcmul(forget * cell, enter, torch.tanh(gates.narrow(dim, 3 * width, width)))
    return output * torch.tanh(cell), cell


def skew(x: Tensor, fill: float = 0.0) -> Tensor:
    """Moves row i by i columns to the right: (..., H, W, C) -> (..., H, H + W - 1, C).

    >>> skew(torch.tensor([[1.0, 2.0], [3.0, 4.0]])[..., None]).squeeze()
    tensor([[1., 2., 0.],
            [0., 3., 4.]])
    """
    height, width, _ = x.shape[-3:]
    padded = F.pad(x, (0, 0, 0, height), value=fill).flatten(-3, -2)
    return padded[..., :-height, :].unflatten(-2, (height, height + width - 1))


def unskew(x: Tensor) -> Tensor:
    """Undoes `skew`: (..., H, H + W - 1, C) -> (..., H, W, C)."""
    height, width = x.shape[-3], x.shape[-2] - x.shape[-3] + 1
    padded = F.pad(x.flatten(-3, -2), (0, 0, 0, height))
    return padded.unflatten(-2, (height, height + width))[..., :width, :]


class RowLSTMConfig(PixelSettings):
    """LSTMs along rows."""

    name: Literal["row-lstm"] = "row-lstm"
    """Which generator this is."""
    network: ClassVar[type[PixelNetwork]] = RowLSTM


class DiagonalBiLSTMConfig(PixelSettings):
    """LSTMs along diagonals."""

    name: Literal["diagonal-bilstm"] = "diagonal-bilstm"
    """Which generator this is."""
    network: ClassVar[type[PixelNetwork]] = DiagonalBiLSTM
