"""Super-resolver with partial large kernels: a dense large convolution on a few of the channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.enlarger import Enlarger, ImageSkip


class LargeKernelBlock(nn.Module):
    """3x3 to twice the width, ReLU, 3x3 back; a large kernel on the first channels; 1x1; skip.

    (N, C, H, W) -> (N, C, H, W)

    PLKSR's block (Lee et al. 2024, "Partial Large Kernel CNNs for Efficient Super-Resolution", arXiv:2404.11848,
    sec. 3) with ReLU for GELU and without its element-wise attention.

    Args:
        channels: width.
        kernel: odd side of the large kernel.
        partial: channels that it works on.
    """

    def __init__(self, channels: int, kernel: int, partial: int) -> None:
        super().__init__()
        self.sizes = [partial, channels - partial]
        self.widen = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.narrow = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.large = nn.Conv2d(partial, partial, kernel, padding=kernel // 2)
        self.refine = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        hidden = self.narrow(F.relu(self.widen(x), inplace=True))
        first, rest = hidden.split(self.sizes, dim=1)
        return x + self.refine(torch.cat([self.large(first), rest], dim=1))


def large_kernel_sr(
    scale: int = 4,
    channels: int = 64,
    blocks: int = 4,
    kernel: int = 13,
    partial: int = 16,
    image_skip: ImageSkip = "bilinear",
) -> Enlarger:
    """An `Enlarger` of so many `LargeKernelBlock`s."""
    body = (LargeKernelBlock(channels, kernel, partial) for _ in range(blocks))
    return Enlarger(body, scale, channels, image_skip)
