"""Exponential moving average of a network's weights."""

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """average <- decay * average + (1 - decay) * weights, with a warm-up so that the start is forgotten.

    At step t the decay is min(decay, (1 + t) / (10 + t)). Buffers (batch-norm statistics) are copied.

    Args:
        network: whose weights; it keeps its tensors from here on.
        decay: the largest decay.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        # Lists, because to go through the modules of a small network takes as long as to average its weights.
        self._averages: list[Tensor] = list(self.network.parameters())
        self._values: list[Tensor] = list(network.parameters())
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after step `step` (counted from 1) into the average."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._values, 1 - decay)  # as swa_utils  # pyright: ignore[reportPrivateImportUsage]
        for average, value in self._buffers:
            average.copy_(value)
