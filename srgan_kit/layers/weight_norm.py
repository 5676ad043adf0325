"""Dense layers with weight normalisation, and its initialisation from data (Salimans and Kingma 2016)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RAW_STD = 0.1
"""Standard deviation of the weights before they are normalised; it says how fast an optimiser turns them."""
SMALLEST = 1e-6
"""Below this standard deviation a unit counts as constant, and its scale stays."""


class WeightNormLinear(nn.Module):
    """A dense layer whose units have weights of a length of their own: (N, inputs) -> (N, outputs).

    y = scale * (direction x) / |direction| + bias, with |direction| by row. Directions start as N(0, 0.1^2), scales
    as 1. Within `initialising_from_data`, a forward sets scale and bias so that each unit's outputs for that batch have
    mean 0 and variance 1, and returns these. Salimans and Kingma 2016, arXiv:1602.07868, sec. 2 and 3.

    Args:
        inputs: length of what comes in.
        outputs: number of units.
        scale: "trained", or "fixed" as it is at the start.
    """

    scale: Tensor

    def __init__(self, inputs: int, outputs: int, scale: Literal["trained", "fixed"]) -> None:
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        self.direction = nn.Parameter(torch.empty(outputs, inputs).normal_(0, RAW_STD))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if scale == "trained":
            self.scale = nn.Parameter(torch.ones(outputs))
        else:
            self.register_buffer("scale", torch.ones(outputs))
        self.initialising = False
        self._kept: dict[bool, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) -> (N, outputs)."""
        if self.initialising:
            self._initialise(x)
        # the few outputs are scaled instead of the many weights
        return F.linear(x, self.direction) * (self.scale / self._lengths()) + self.bias

    def _lengths(self) -> Tensor:
        """Those of the directions, computed anew or kept, see `lengths_kept`; with gradients where they are wanted."""
        if self._kept is None:
            return row_lengths(self.direction)
        learns = torch.is_grad_enabled() and self.direction.requires_grad
        if learns not in self._kept:
            self._kept[learns] = row_lengths(self.direction)
        return self._kept[learns]

    def extra_repr(self) -> str:
        """Its sizes."""
        return f"{self.in_features}, {self.out_features}"

    @torch.no_grad()
    def _initialise(self, x: Tensor) -> None:
        outputs = F.linear(x, self.direction / self.direction.norm(dim=1, keepdim=True)).float()
        std, mean = torch.std_mean(outputs, dim=0, correction=0)
        scale = torch.where(std > SMALLEST, 1 / std, self.scale)
        self.scale.copy_(scale)
        self.bias.copy_(-mean * scale)


class _RowLengths(torch.autograd.Function):
    """`norm(dim=1)` of a matrix without rows of zeros, whose gradient passes over the matrix once instead of thrice."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        lengths = matrix.norm(dim=1)
        ctx.save_for_backward(matrix, lengths)
        return lengths

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        matrix, lengths = ctx.saved_tensors
        return matrix * (gradients[0] / lengths)[:, None]


def row_lengths(matrix: Tensor) -> Tensor:
    """The Euclidean length of each row: (rows, columns), no row all zeros -> (rows,)."""
    return cast(Tensor, _RowLengths.apply(matrix))


def weight_normed(network: nn.Module) -> list[WeightNormLinear]:
    """Its layers with weight normalisation, which are initialised from data."""
    return [module for module in network.modules() if isinstance(module, WeightNormLinear)]


@contextmanager
def lengths_kept(layers: Sequence[WeightNormLinear]) -> Iterator[None]:
    """Within it, in which their weights must not change, layers normalise them once for all forwards."""
    for layer in layers:
        layer._kept = {}
    try:
        yield
    finally:
        for layer in layers:
            layer._kept = None


@contextmanager
def initialising_from_data(network: nn.Module) -> Iterator[None]:
    """Within it, a forward of the network sets scale and bias of every `WeightNormLinear` from what comes in."""
    layers = weight_normed(network)
    for layer in layers:
        layer.initialising = True
    try:
        yield
    finally:
        for layer in layers:
            layer.initialising = False
