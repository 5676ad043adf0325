"""Super-resolver of depthwise and 1x1 convolutions: few multiplications, much memory traffic."""

from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.enlarger import Enlarger, ImageSkip


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


def depthwise_sr(
    scale: int = 4,
    channels: int = 64,
    blocks: int = 10,
    kernel: int = 5,
    expansion: int = 2,
    image_skip: ImageSkip = "bilinear",
) -> Enlarger:
    """An `Enlarger` of so many `DepthwiseBlock`s."""
    body = (DepthwiseBlock(channels, kernel, expansion) for _ in range(blocks))
    return Enlarger(body, scale, channels, image_skip)
