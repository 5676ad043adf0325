"""DCGAN's generator (Radford et al. 2015, arXiv:1511.06434, sec. 3 and fig. 1)."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from srgan_kit.generators.settings import GeneratorSettings, GeneratorSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import Dense, dense_layers, initialise, pyramid, widths


class DCGANConfig(GeneratorSettings):
    """Transposed convolutions from a latent vector."""

    name: Literal["dcgan"] = "dcgan"
    """Which generator this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the last hidden layer; each earlier one is twice as wide."""
    dense: Dense = ()
    """Widths of dense layers before the first map; InfoGAN's for MNIST is [1024]."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "DCGANGenerator":
        """A new network with random weights."""
        return DCGANGenerator(spec.latent, spec.size, spec.image_channels, self.channels, self.dense)


class DCGANGenerator(nn.Module):
    """Dense layers, if any, a projection to the smallest map, 4x4 transposed convolutions that double it.

    Batch norm and ReLU stand between them.

    (N, latent) -> logits (N, image_channels, size, size); image = sigmoid(logits), which is the paper's tanh of half
    the argument, moved from [-1, 1] to [0, 1].

    Args:
        latent: size of the latent code.
        size: side of the images: 4, 5, 6 or 7 times a power of two.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the last hidden layer; each one before is twice as wide, up to 8 times.
        dense: widths of dense layers between latent code and projection, each with batch norm and ReLU.

    Raises:
        UserError: a size that is not of that form; from forward, a latent code of another size.
    """

    squashed = True

    def __init__(
        self, latent: int, size: int, image_channels: int = 3, channels: int = 64, dense: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.latent = latent
        base, doublings = pyramid("DCGANGenerator", size)
        *inner, deepest = widths(channels, doublings)
        self.dense = nn.Sequential(*dense_layers(latent, dense, nn.ReLU))
        layers: list[nn.Module] = [nn.ConvTranspose2d([latent, *dense][-1], deepest, base, bias=False)]
        before = deepest
        for after in reversed(inner):
            layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True), _doubling(before, after, bias=False)]
            before = after
        layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True), _doubling(before, image_channels, bias=True)]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) -> logits (N, image_channels, size, size)."""
        expect("DCGANGenerator", "a latent code", latent, self.latent)
        return self.layers(self.dense(latent)[..., None, None])


def _doubling(before: int, after: int, bias: bool) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=bias)
