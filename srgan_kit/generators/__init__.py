"""Networks that make images. `GENERATORS` has the settings of each by the name that recipes choose it by."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from srgan_kit.generators.autoregressive.pixelcnn import PixelCNNConfig
from srgan_kit.generators.autoregressive.pixelrnn import DiagonalBiLSTMConfig, RowLSTMConfig
from srgan_kit.generators.latent.dcgan import DCGANConfig
from srgan_kit.generators.latent.inversion import InversionConfig
from srgan_kit.generators.latent.mlp import MLPConfig
from srgan_kit.generators.latent.resnet import ResNetConfig
from srgan_kit.generators.settings import GeneratorSettings
from srgan_kit.generators.super_resolution.community import CommunityConfig
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.rrdb import RRDBNetConfig
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.generators.super_resolution.srresnet import SRResNetConfig

__all__ = ["GENERATORS", "SUPER_RESOLVERS", "GeneratorConfig", "SRConfig"]

SUPER_RESOLVERS: dict[str, type[SRSettings]] = {
    "residual": ResidualSRConfig,
    "reparameterised": ReparameterisedConfig,
    "srresnet": SRResNetConfig,
    "rrdb": RRDBNetConfig,
}
"""Generators that upscale an image, of this kit."""
GENERATORS: dict[str, type[GeneratorSettings]] = {
    **SUPER_RESOLVERS,
    "community": CommunityConfig,
    "dcgan": DCGANConfig,
    "resnet": ResNetConfig,
    "mlp": MLPConfig,
    "inversion": InversionConfig,
    "pixelcnn": PixelCNNConfig,
    "row-lstm": RowLSTMConfig,
    "diagonal-bilstm": DiagonalBiLSTMConfig,
}
"""All of them."""

if TYPE_CHECKING:  # of values in a dictionary no union can be written
    SRConfig = SRSettings
    GeneratorConfig = GeneratorSettings
else:
    SRConfig = Annotated[Union[tuple(SUPER_RESOLVERS.values())], Field(discriminator="name")]  # noqa: UP007
    GeneratorConfig = Annotated[Union[tuple(GENERATORS.values())], Field(discriminator="name")]  # noqa: UP007
