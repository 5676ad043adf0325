"""Exponential moving average of a network's weights."""

import copy

import torch
from torch import nn


class MovingAverage:
    """average <- decay * average + (1 - decay) * weights, with a warm-up so that the start is forgotten.

    At step t the decay is min(decay, (1 + t) / (10 + t)). Buffers (batch-norm statistics) are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take the weights after step `step` (counted from 1) into the average."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for average, value in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(value, 1 - decay)
        for average, value in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(value)
