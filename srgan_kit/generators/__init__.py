"""Networks that make images. `build_generator` and `build_decoder` are where one is chosen by name."""

from collections.abc import Callable

from torch import nn

from srgan_kit.config import Recipe
from srgan_kit.generators.attention import attention_sr
from srgan_kit.generators.dcgan import DCGANGenerator
from srgan_kit.generators.depthwise import depthwise_sr
from srgan_kit.generators.inversion import InversionGenerator
from srgan_kit.generators.large_kernel import large_kernel_sr
from srgan_kit.generators.mlp import MLPGenerator
from srgan_kit.generators.pixelcnn import PixelCNN
from srgan_kit.generators.pixelrnn import DiagonalBiLSTM, RowLSTM
from srgan_kit.generators.reparameterised import reparameterised_sr
from srgan_kit.generators.residual import ResidualSR
from srgan_kit.generators.resnet import ResNetGenerator
from srgan_kit.generators.rrdb import RRDBNet
from srgan_kit.generators.srresnet import SRResNet
from srgan_kit.network_config import (
    InversionConfig,
    PixelConfig,
    ReparameterisedConfig,
    ResidualSRConfig,
    SRConfig,
)

GENERATORS: dict[str, Callable[..., nn.Module]] = {
    "residual": ResidualSR,
    "reparameterised": reparameterised_sr,
    "large-kernel": large_kernel_sr,
    "depthwise": depthwise_sr,
    "attention": attention_sr,
    "srresnet": SRResNet,
    "rrdb": RRDBNet,
}
"""Generators that enlarge an image."""
LATENT_GENERATORS = {"dcgan": DCGANGenerator, "resnet": ResNetGenerator, "mlp": MLPGenerator}
"""Generators that make an image of a latent vector."""
PIXEL_GENERATORS = {"pixelcnn": PixelCNN, "row-lstm": RowLSTM, "diagonal-bilstm": DiagonalBiLSTM}
"""Autoregressive generators."""

__all__ = ["GENERATORS", "RRDBNet", "ResidualSR", "SRResNet", "build_decoder", "build_generator"]


def build_generator(config: SRConfig) -> nn.Module:
    """A new super-resolver with random weights."""
    return GENERATORS[config.name](**config.model_dump(exclude={"name"}))


def build_decoder(recipe: Recipe, condition: tuple[int, int] | None) -> nn.Module:
    """The recipe's generator with random weights; `condition` is the (channels, side) of what it is given.

    Raises:
        ValueError: sizes that the network cannot make.
    """
    config, latent = recipe.generator, recipe.latent.size
    settings = config.model_dump(exclude={"name"})
    channels, side = recipe.image_shape
    if isinstance(config, ResidualSRConfig | ReparameterisedConfig):
        return build_generator(config.model_copy(update={"latent": latent}))
    if isinstance(config, SRConfig):
        return build_generator(config)
    if isinstance(config, InversionConfig):
        if condition is None:
            raise ValueError("generator 'inversion': no features to invert; set reconstruction.source = 'features'")
        return InversionGenerator(*condition, size=side, image_channels=channels, latent=latent, **settings)
    if isinstance(config, PixelConfig):
        given = condition[0] if condition else 0
        del settings["scale"]
        kind = PIXEL_GENERATORS[config.name]
        return kind(image_channels=channels, latent=latent, condition_channels=given, **settings)
    return LATENT_GENERATORS[config.name](latent, size=side, image_channels=channels, **settings)
