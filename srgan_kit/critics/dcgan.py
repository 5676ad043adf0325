"""DCGAN's discriminator (Radford et al. 2015, arXiv:1511.06434, sec. 3)."""

from typing import Literal, Unpack

from pydantic import Field
from torch import Tensor, nn

from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import halving_layers, initialise, pyramid, widths


class DCGANCriticConfig(CriticSettings):
    """Strided convolutions."""

    name: Literal["dcgan"] = "dcgan"
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer."""

    def build(self, spec: CriticSpec) -> "DCGANCritic":
        """A new network with random weights."""
        return DCGANCritic(spec.size, spec.image_channels, self.channels, **self.heads(spec))


class DCGANCritic(nn.Module):
    """Strided 4x4 convolutions with LeakyReLU(0.2), batch norm on all but the first, no hidden dense layer; `Heads`.

    (N, image_channels, size, size) in [0, 1] -> Critique with score (N, 1) and the map after each halving.

    Args:
        size: side of the images: 4, 5, 6 or 7 times a power of two.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the first layer; each one after is twice as wide, up to 8 times.
        heads: what else it says or sees: the keyword arguments of `Heads`.

    Raises:
        UserError: a size that is not of that form; from forward, images or a condition of another shape.
    """

    def __init__(self, size: int, image_channels: int = 3, channels: int = 64, **heads: Unpack[HeadSettings]) -> None:
        super().__init__()
        base, halvings = pyramid("DCGANCritic", size)
        self.image_shape = (image_channels, size, size)
        self.convolutions: nn.ModuleList = halving_layers(image_channels, channels, halvings)
        self.heads = Heads(widths(channels, halvings)[-1] * base**2, **heads)
        self.provides = self.heads.provides
        self.apply(initialise)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, size, size) in [0, 1], and a condition if it was built for one -> Critique."""
        hidden = expect("DCGANCritic", "images", image, *self.image_shape) * 2 - 1
        features: list[Tensor] = []
        for convolution in self.convolutions:
            hidden = convolution(hidden)
            features.append(hidden)
        return self.heads(hidden.flatten(1), features, condition)
