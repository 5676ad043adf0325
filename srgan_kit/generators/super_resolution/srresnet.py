"""SRResNet as the SRGAN paper draws it (Ledig et al. 2017, arXiv:1609.04802, sec. 2.1 and fig. 4)."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.settings import Depth


class SRResNetConfig(SRSettings):
    """The SRGAN paper's generator."""

    name: Literal["srresnet"] = "srresnet"
    """Which generator this is."""
    scale: Literal[1, 2, 3, 4, 8] = 4
    """Upscaling factor; 1 restores an image at its own size."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    blocks: Depth = 16
    """Residual blocks."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "SRResNet":
        """A new network with random weights."""
        return SRResNet(self.scale, self.channels, self.blocks, self.channels_for(spec))


class ResidualBlock(nn.Module):
    """Convolution, batch norm, PReLU, convolution, batch norm, skip. (N, C, H, W) -> (N, C, H, W)"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SRResNet(nn.Module):
    """The SRGAN generator: 9x9 head, residual blocks with batch norm, pixel-shuffle stages, 9x9 tail.

    (N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale), nominally [0, 1]. Inside, the output lives in [-1, 1] as in
    the paper (sec. 3.2). Scale 4 is two stages of 2, as drawn; 8 is three, 2 and 3 are one, 1 is none.

    Raises:
        UserError: scale is not 1, 2, 3, 4 or 8.
    """

    def __init__(self, scale: int = 4, channels: int = 64, blocks: int = 16, image_channels: int = 3) -> None:
        super().__init__()
        stages = {1: [], 2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}.get(scale)
        if stages is None:
            raise UserError(f"SRResNet: scale must be 1, 2, 3, 4 or 8, got {scale}")
        self.scale = scale
        self.head = nn.Sequential(nn.Conv2d(image_channels, channels, 9, padding=4), nn.PReLU())
        self.body = nn.Sequential(
            *(ResidualBlock(channels) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.upscale = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(channels, channels * r**2, 3, padding=1), nn.PixelShuffle(r), nn.PReLU())
                for r in stages
            )
        )
        self.tail = nn.Conv2d(channels, image_channels, 9, padding=4)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale)."""
        low = self.head(image)
        return (self.tail(self.upscale(low + self.body(low))) + 1) / 2
