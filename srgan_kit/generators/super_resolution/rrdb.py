"""ESRGAN's generator (Wang et al. 2018, arXiv:1809.00219, sec. 3.1 and fig. 4), with ESRGAN's state-dict keys."""

import re
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.errors import UserError
from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.settings import Depth

NETWORK_SCALE = 4
"""What the network itself always upscales by: for a smaller scale pixels are folded into channels first."""


SPANDREL_NAMES = {
    r"model\.0\.": "conv_first.",
    r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.": r"body.\1.rdb\2.conv\3.",
    r"model\.1\.sub\.\d+\.(?=weight|bias)": "conv_body.",
    r"model\.3\.": "conv_up1.",
    r"model\.6\.": "conv_up2.",
    r"model\.8\.": "conv_hr.",
    r"model\.10\.": "conv_last.",
}
"""How spandrel names the layers of ESRGAN's generator, whatever the file called them, and how `RRDBNet` does."""


class RRDBNetConfig(SRSettings):
    """ESRGAN's generator."""

    name: Literal["rrdb"] = "rrdb"
    """Which generator this is."""
    scale: Literal[1, 2, 4] = 4
    """Upscaling factor; 1 restores an image at its own size."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    blocks: Depth = 23
    """Residual-in-residual dense blocks."""
    growth: int = Field(default=32, ge=1)
    """Channels each dense convolution adds."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "RRDBNet":
        """A new network with random weights."""
        return RRDBNet(self.scale, self.channels, self.blocks, self.growth, self.channels_for(spec))


class DenseBlock(nn.Module):
    """Five convolutions, each seeing all maps before it, then a scaled skip. (N, C, H, W) -> (N, C, H, W)"""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(channels + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(channels + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(channels + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(channels + 4 * growth, channels, 3, padding=1)
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            _initialise(convolution)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            maps.append(F.leaky_relu(convolution(torch.cat(maps, 1)), 0.2, inplace=True))
        return x + 0.2 * self.conv5(torch.cat(maps, 1))


class ResidualInResidual(nn.Module):
    """Three dense blocks and a scaled skip over them. (N, C, H, W) -> (N, C, H, W)"""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(channels, growth)
        self.rdb2 = DenseBlock(channels, growth)
        self.rdb3 = DenseBlock(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """The ESRGAN generator: residual-in-residual dense blocks, then nearest-neighbour upscaling with convolutions.

    (N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale), nominally [0, 1].

    Scales 2 and 1 are Real-ESRGAN's (Wang et al. 2021, arXiv:2107.10833, sec. 3.4): 2x2 or 4x4 pixels are folded into
    channels first. An image whose sides are no multiples of these is continued by reflection first, and the result cut
    back.

    Args:
        scale: 1, 2 or 4.
        channels: width of the trunk.
        blocks: number of residual-in-residual blocks.
        growth: channels each dense convolution adds.
        image_channels: C, of the images.

    Raises:
        UserError: scale is not 1, 2 or 4.
    """

    def __init__(
        self, scale: int = 4, channels: int = 64, blocks: int = 23, growth: int = 32, image_channels: int = 3
    ) -> None:
        super().__init__()
        if scale not in (1, 2, 4):
            raise UserError(f"RRDBNet: scale must be 1, 2 or 4, got {scale}")
        self.scale, self.fold = scale, NETWORK_SCALE // scale
        self.conv_first = nn.Conv2d(image_channels * self.fold**2, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualInResidual(channels, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, image_channels, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale)."""
        height, width = image.shape[-2:]
        low = self.conv_first(self._folded(image))
        maps = low + self.conv_body(self.body(low))
        for convolution in (self.conv_up1, self.conv_up2):
            maps = F.leaky_relu(convolution(F.interpolate(maps, scale_factor=2, mode="nearest")), 0.2, inplace=True)
        result = self.conv_last(F.leaky_relu(self.conv_hr(maps), 0.2, inplace=True))
        return result[..., : height * self.scale, : width * self.scale]

    def _folded(self, image: Tensor) -> Tensor:
        if self.fold == 1:
            return image
        height, width = image.shape[-2:]
        mode = "reflect" if min(height, width) >= self.fold else "replicate"  # so few pixels cannot be reflected
        padded = F.pad(image, (0, -width % self.fold, 0, -height % self.fold), mode=mode)
        return F.pixel_unshuffle(padded, self.fold)


def _initialise(convolution: nn.Conv2d) -> None:
    """Small weights (sec. 3.1: "smaller initialization"), so that a new block is close to the identity."""
    nn.init.kaiming_normal_(convolution.weight)
    with torch.no_grad():
        convolution.weight.mul_(0.1)
        convolution.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]


def own_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that spandrel read, under the names of `RRDBNet`; names that are not spandrel's stay."""

    def renamed(name: str) -> str:
        for theirs, ours in SPANDREL_NAMES.items():
            changed, times = re.subn(rf"^{theirs}", ours, name)
            if times:
                return changed
        return name

    return {renamed(name): value for name, value in weights.items()}


def own_rrdb(weights: Mapping[str, Tensor]) -> RRDBNet:
    """The network of weights that spandrel read.

    Raises:
        UserError: ESRGAN's network of another scale than 1, 2 and 4, or with more than its usual layers.
    """
    own = own_names(weights)
    try:
        channels, colours = own["conv_first.weight"].shape[:2]
        scale = {3: 4, 12: 2, 48: 1}[colours]
        blocks = 1 + max(int(name.split(".")[1]) for name in own if name.startswith("body."))
        network = RRDBNet(scale, channels, blocks, own["body.0.rdb1.conv1.weight"].shape[0])
        network.load_state_dict(own)
    except (KeyError, RuntimeError):
        raise UserError("ESRGAN's network: expected scale 1, 2 or 4 and its usual layers, got others") from None
    return network.eval()
