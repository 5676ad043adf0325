"""Networks that judge images. `build_critic` is the one place where a critic is chosen by name."""

from typing import Any

from torch import nn

from srgan_kit.config import Recipe
from srgan_kit.critics.autoencoder import AutoencoderCritic
from srgan_kit.critics.dcgan import DCGANCritic
from srgan_kit.critics.mlp import MLPCritic
from srgan_kit.critics.srgan import SRGANCritic
from srgan_kit.critics.unet import UNetCritic
from srgan_kit.network_config import AutoencoderCriticConfig, MLPCriticConfig, SRGANCriticConfig, UNetCriticConfig

CRITICS: dict[str, type[nn.Module]] = {
    "srgan": SRGANCritic,
    "unet": UNetCritic,
    "dcgan": DCGANCritic,
    "mlp": MLPCritic,
    "autoencoder": AutoencoderCritic,
}

__all__ = ["CRITICS", "SRGANCritic", "UNetCritic", "build_critic"]


def build_critic(recipe: Recipe, condition: tuple[int, int] | None) -> nn.Module:
    """The recipe's critic with random weights; `condition` is the (channels, side) of what the generator is given.

    Raises:
        ValueError: a conditional critic where there is no condition, heads that this critic cannot have.
    """
    config = recipe.critic
    assert config is not None
    channels, side = recipe.image_shape
    settings: dict[str, Any] = config.model_dump(exclude={"name", "conditional"})
    settings |= {"categorical": recipe.latent.categorical, "continuous": recipe.latent.continuous}
    settings["image_channels"] = channels
    if config.conditional:
        if condition is None:
            raise ValueError("critic.conditional: this task gives the generator no condition")
        settings["condition"] = condition
    if isinstance(config, AutoencoderCriticConfig) and (settings.pop("minibatch_kernels") or config.conditional):
        raise ValueError("critic 'autoencoder' sees an image alone: no critic.conditional, no critic.minibatch_kernels")
    if not isinstance(config, UNetCriticConfig):
        settings["patch" if isinstance(config, SRGANCriticConfig) else "size"] = side
    if isinstance(config, MLPCriticConfig):
        settings["hidden"] = tuple(config.hidden)
    return CRITICS[config.name](**settings)
