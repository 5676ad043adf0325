"""A recipe's networks with random weights."""

from torch import nn

from srgan_kit.critics.settings import CriticSpec
from srgan_kit.generators.autoregressive.network import PixelSettings
from srgan_kit.generators.model import Model, Source
from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.recipes.schema import Recipe


def latent_source(recipe: Recipe) -> Source:
    """Where the run's latent vectors come from: what the variant requires, then what the task is."""
    required = recipe.variant.requirements()
    if "posterior" in required or ("paired" in required and recipe.task == "unconditional"):
        return "posterior"
    if recipe.task == "reconstruction" and recipe.reconstruction.source == "image":
        return "code"
    return "prior"


def build_model(recipe: Recipe, condition: tuple[int, int] | None) -> Model:
    """A run's generator with random weights; `condition` is the (channels, side) of what it is given.

    Raises:
        ValueError: an encoder is needed, but latent.noise is 0; sizes that the networks cannot make.
    """
    source = latent_source(recipe)
    channels, side = recipe.image_shape
    encoder = None
    if source != "prior":
        if not recipe.latent.noise:
            raise ValueError("latent.noise: expected the size of the encoder's code, got 0")
        encoder = recipe.encoder.build(recipe.latent.noise, side, channels, condition[0] if condition else 0)
    elif recipe.task == "unconditional" and not recipe.latent.size and not isinstance(recipe.generator, PixelSettings):
        raise ValueError("latent.noise: expected the size of the generator's input, got 0")
    decoder = recipe.generator.build(GeneratorSpec(channels, side, recipe.latent.size, condition))
    draws = recipe.variant.posterior_draws()
    return Model(decoder, encoder, recipe.latent, source, (channels, side, side), draws)


def build_critic(recipe: Recipe, condition: tuple[int, int] | None) -> nn.Module | None:
    """The recipe's critic with random weights, None where it has none; `condition` is as for `build_model`.

    Raises:
        ValueError: a conditional critic where there is no condition, heads that this critic cannot have.
    """
    if recipe.critic is None:
        return None
    latent = recipe.latent
    return recipe.critic.build(CriticSpec(*recipe.image_shape, latent.categorical, latent.continuous, condition))
