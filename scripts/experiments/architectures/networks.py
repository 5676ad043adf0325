"""Super-resolvers that the search compared and that lost to plain convolutions at equal cost.

They are no choice of a recipe; `search.py` trains them to show it.
"""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.generators.super_resolution.pixel_shuffle import PixelShuffleSettings, PixelShuffleSR
from srgan_kit.settings import Depth


class LargeKernelConfig(PixelShuffleSettings):
    """Blocks with a large kernel on some of the channels."""

    name: Literal["large-kernel"] = "large-kernel"
    blocks: Depth = 4
    """Residual blocks."""
    kernel: int = Field(default=13, ge=3)
    """Side of the large kernel; odd."""
    partial: int = Field(default=16, ge=1)
    """Channels that it works on; at most `channels`."""

    @model_validator(mode="after")
    def _possible(self) -> "LargeKernelConfig":
        _check_odd(self.kernel)
        if self.partial > self.channels:
            raise ValueError(f"partial: expected at most channels = {self.channels}, got {self.partial}")
        return self

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> PixelShuffleSR:
        """A new network with random weights."""
        body = (LargeKernelBlock(self.channels, self.kernel, self.partial) for _ in range(self.blocks))
        return PixelShuffleSR(body, self.scale, self.channels, self.image_skip)


class DepthwiseConfig(PixelShuffleSettings):
    """Blocks of one depthwise and two 1x1 convolutions."""

    name: Literal["depthwise"] = "depthwise"
    blocks: Depth = 10
    """Residual blocks."""
    kernel: int = Field(default=5, ge=3)
    """Side of the depthwise kernel; odd."""
    expansion: int = Field(default=2, ge=1)
    """How many times wider a block is inside."""

    @model_validator(mode="after")
    def _possible(self) -> "DepthwiseConfig":
        _check_odd(self.kernel)
        return self

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> PixelShuffleSR:
        """A new network with random weights."""
        body = (DepthwiseBlock(self.channels, self.kernel, self.expansion) for _ in range(self.blocks))
        return PixelShuffleSR(body, self.scale, self.channels, self.image_skip)


class AttentionConfig(PixelShuffleSettings):
    """Blocks with parameter-free attention."""

    name: Literal["attention"] = "attention"
    blocks: Depth = 6
    """Residual blocks, of three convolutions each."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> PixelShuffleSR:
        """A new network with random weights."""
        body = (AttentionBlock(self.channels) for _ in range(self.blocks))
        return PixelShuffleSR(body, self.scale, self.channels, self.image_skip)


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


class DepthwiseBlock(nn.Module):
    """A depthwise convolution, 1x1 to a larger width, ReLU, 1x1 back, skip. (N, C, H, W) -> (N, C, H, W)

    Depthwise separable convolutions (Howard et al. 2017, "MobileNets", arXiv:1704.04861, sec. 3.1) in the order of
    ConvNeXt's block (Liu et al. 2022, arXiv:2201.03545, sec. 2.5), without its norm and with ReLU for GELU.

    Args:
        channels: width.
        kernel: odd side of the depthwise kernel.
        expansion: how many times wider it is inside.
    """

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.widen = nn.Conv2d(channels, expansion * channels, 1)
        self.narrow = nn.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return x + self.narrow(F.relu(self.widen(self.depthwise(x)), inplace=True))


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


def _check_odd(kernel: int) -> None:
    if kernel % 2 == 0:
        raise ValueError(f"kernel: expected an odd side, got {kernel}")
