"""Networks that judge images. `CRITICS` has the settings of each by the name that recipes choose it by."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from srgan_kit.critics.autoencoder import AutoencoderCriticConfig
from srgan_kit.critics.dcgan import DCGANCriticConfig
from srgan_kit.critics.mlp import MLPCriticConfig
from srgan_kit.critics.patchgan import PatchGANCriticConfig
from srgan_kit.critics.settings import CriticSettings
from srgan_kit.critics.srgan import SRGANCriticConfig
from srgan_kit.critics.unet import UNetCriticConfig

__all__ = ["CRITICS", "CriticConfig"]

CRITICS: dict[str, type[CriticSettings]] = {
    "srgan": SRGANCriticConfig,
    "unet": UNetCriticConfig,
    "patchgan": PatchGANCriticConfig,
    "dcgan": DCGANCriticConfig,
    "mlp": MLPCriticConfig,
    "autoencoder": AutoencoderCriticConfig,
}
"""All of them."""

if TYPE_CHECKING:  # of values in a dictionary no union can be written
    CriticConfig = CriticSettings
else:
    CriticConfig = Annotated[Union[tuple(CRITICS.values())], Field(discriminator="name")]  # noqa: UP007
