"""The residual generator of spectral normalisation GANs (Miyato et al. 2018, arXiv:1802.05957, appendix B)."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.settings import GeneratorSettings, GeneratorSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import pyramid, widths


class ResNetConfig(GeneratorSettings):
    """Residual upsampling blocks from a latent vector."""

    name: Literal["resnet"] = "resnet"
    """Which generator this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the last block."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "ResNetGenerator":
        """A new network with random weights."""
        return ResNetGenerator(spec.latent, spec.size, spec.image_channels, self.channels)


class UpsamplingBlock(nn.Module):
    """Nearest-neighbour doubling between two normalised 3x3 convolutions, beside a 1x1 convolution that is doubled too.

    (N, before, H, W) -> (N, after, 2H, 2W)
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(_doubled(F.relu(self.norm1(x))))
        hidden = self.conv2(F.relu(self.norm2(hidden)))
        return hidden + _doubled(self.shortcut(x))  # a 1x1 convolution and doubling commute; this order costs less


class ResNetGenerator(nn.Module):
    """A dense layer to the smallest map, residual blocks that double it, then batch norm, ReLU and a 3x3 convolution.

    (N, latent) -> logits (N, image_channels, size, size); image = sigmoid(logits). Weights start as Glorot's uniform
    ones, those of the blocks' 3x3 convolutions sqrt(2) times as large.

    Args:
        latent: size of the latent code.
        size: side of the images: 4, 5, 6 or 7 times a power of two.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the last block; each one before is twice as wide, up to 8 times.

    Raises:
        UserError: a size that is not of that form; from forward, a latent code of another size.
    """

    squashed = True

    def __init__(self, latent: int, size: int, image_channels: int = 3, channels: int = 64) -> None:
        super().__init__()
        self.latent = latent
        base, doublings = pyramid("ResNetGenerator", size)
        outputs = widths(channels, doublings)[::-1]
        inputs = [outputs[0], *outputs[:-1]]
        self.head = nn.Sequential(nn.Linear(latent, inputs[0] * base**2), nn.Unflatten(1, (inputs[0], base, base)))
        self.blocks = nn.Sequential(*map(UpsamplingBlock, inputs, outputs))
        self.tail = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, image_channels, 3, padding=1)
        )
        self.apply(_initialise)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) -> logits (N, image_channels, size, size)."""
        expect("ResNetGenerator", "a latent code", latent, self.latent)
        return self.tail(self.blocks(self.head(latent)))


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode="nearest")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, UpsamplingBlock):  # comes after its convolutions
        for convolution in (module.conv1, module.conv2):
            nn.init.xavier_uniform_(convolution.weight, gain=2**0.5)
