"""Super-resolver with parameter-free attention: what a block finds says itself how much of it counts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.enlarger import Enlarger, ImageSkip


class AttentionBlock(nn.Module):
    """Three 3x3 convolutions with SiLU between them, whose result h gates itself and the input.

    (N, C, H, W) -> (N, C, H, W)

    y = x + (x + h) (sigmoid(h) - 1/2)

    The gate is SPAN's (Wan et al. 2023, "Swift Parameter-free Attention Network", arXiv:2311.12770, sec. 3), a
    function of each position alone, so that tiles stay exact. SPAN has no `x +` but joins the maps of several blocks
    before its tail; with the skip a block starts near the identity instead.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.third = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        found = self.third(F.silu(self.second(F.silu(self.first(x)))))
        return x + (x + found) * (torch.sigmoid(found) - 0.5)


def attention_sr(scale: int = 4, channels: int = 64, blocks: int = 6, image_skip: ImageSkip = "bilinear") -> Enlarger:
    """An `Enlarger` of so many `AttentionBlock`s."""
    return Enlarger((AttentionBlock(channels) for _ in range(blocks)), scale, channels, image_skip)
