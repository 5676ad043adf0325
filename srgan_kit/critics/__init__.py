"""Networks that judge images. `build_critic` is the one place where a critic is chosen by name."""

from torch import nn

from srgan_kit.config import SRGANCriticConfig, UNetCriticConfig
from srgan_kit.critics.srgan import SRGANCritic
from srgan_kit.critics.unet import UNetCritic

CRITICS = {"srgan": SRGANCritic, "unet": UNetCritic}

__all__ = ["CRITICS", "SRGANCritic", "UNetCritic", "build_critic"]


def build_critic(config: SRGANCriticConfig | UNetCriticConfig) -> nn.Module:
    """A new critic with random weights."""
    return CRITICS[config.name](**config.model_dump(exclude={"name"}))
