"""DCGAN's discriminator (Radford et al. 2015, arXiv:1511.06434, sec. 3)."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, Unpack

from pydantic import Field
from torch import Tensor, nn

from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import Dense, dense_layers, halving_layers, initialise, pyramid, widths


class DCGANCriticConfig(CriticSettings):
    """Strided convolutions."""

    name: Literal["dcgan"] = "dcgan"
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer."""
    dense: Dense = ()
    """Widths of dense layers after the last map; InfoGAN's for MNIST is [1024]."""

    def build(self, spec: CriticSpec) -> "DCGANCritic":
        """A new network with random weights."""
        return DCGANCritic(spec.size, spec.image_channels, self.channels, self.dense, **self.heads(spec))


class DCGANCritic(nn.Module):
    """Strided 4x4 convolutions with LeakyReLU(0.2), batch norm on all but the first; dense layers, if any; `Heads`.

    (N, image_channels, size, size) in [0, 1] -> Critique with score (N, 1) and the map after each halving, then
    the dense layers as maps (N, width, 1, 1).

    Args:
        size: side of the images: 4, 5, 6 or 7 times a power of two.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the first layer; each one after is twice as wide, up to 8 times.
        dense: widths of dense layers between the last map and the heads, each with batch norm and LeakyReLU(0.2).
        heads: what else it says or sees: the keyword arguments of `Heads`.

    Raises:
        UserError: a size that is not of that form; from forward, images or a condition of another shape.
    """

    def __init__(
        self,
        size: int,
        image_channels: int = 3,
        channels: int = 64,
        dense: Sequence[int] = (),
        **heads: Unpack[HeadSettings],
    ) -> None:
        super().__init__()
        base, halvings = pyramid("DCGANCritic", size)
        self.image_shape = (image_channels, size, size)
        self.convolutions: nn.ModuleList = halving_layers(image_channels, channels, halvings)
        flat = widths(channels, halvings)[-1] * base**2
        self.dense: nn.ModuleList = dense_layers(flat, dense, partial(nn.LeakyReLU, 0.2))
        self.heads = Heads([flat, *dense][-1], **heads)
        self.provides = self.heads.provides
        self.apply(initialise)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, size, size) in [0, 1], and a condition if it was built for one -> Critique."""
        hidden = expect("DCGANCritic", "images", image, *self.image_shape) * 2 - 1
        features: list[Tensor] = []
        for convolution in self.convolutions:
            hidden = convolution(hidden)
            features.append(hidden)
        hidden = hidden.flatten(1)
        for layer in self.dense:
            hidden = layer(hidden)
            features.append(hidden[..., None, None])
        return self.heads(hidden, features, condition)
