"""Dropout that leaves out the same activations however many parts a batch has."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.losses import drawn_for_batch


class BatchDropout(nn.Dropout):
    """`nn.Dropout`, drawn for the whole batch of which the input may be a part: (N, ...) -> the same shape."""

    def forward(self, input: Tensor) -> Tensor:
        """In training each value is left out with probability p, the others are divided by 1 - p."""
        if not self.training or not self.p:
            return input
        return input * drawn_for_batch(input, lambda batch: F.dropout(torch.ones_like(batch), self.p))
