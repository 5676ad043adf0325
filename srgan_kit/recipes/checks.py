"""Whether the parts of a recipe fit each other: what a type cannot say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srgan_kit.contracts import REQUIREMENTS
from srgan_kit.critics import CRITICS
from srgan_kit.data.settings import DataConfig
from srgan_kit.generators import GENERATORS
from srgan_kit.generators.autoregressive.network import PixelSettings
from srgan_kit.generators.latent.inversion import InversionConfig
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.recipes.variant import variant_name

if TYPE_CHECKING:
    from srgan_kit.recipes.schema import Recipe


def check_recipe(recipe: Recipe) -> None:
    """Raise a ValueError that names the first key that does not fit the others."""
    for check in (_super_resolution_fits, _data_fit, _shares_fit, _parts_fit, _views_fit):
        check(recipe)


def _super_resolution_fits(recipe: Recipe) -> None:
    """The generator's channels and scale fit the images."""
    data, generator = recipe.data, recipe.generator
    if recipe.task != "super-resolution" or not isinstance(generator, SRSettings):
        return
    if generator.image_channels not in (3, data.channels):
        got = f"got generator.image_channels = {generator.image_channels}, data.channels = {data.channels}"
        raise ValueError(f"generator.image_channels: expected data.channels, which sets it; {got}")
    if data.channels == 2:
        raise ValueError("data.channels: images have 3 (RGB) or 1 (grey), got 2, which are points'")
    if data.channels == 1 and (data.shuffle_channels or data.grey):
        key = "shuffle_channels" if data.shuffle_channels else "grey"
        raise ValueError(f"data.{key}: for colour images, not for data.channels = 1")
    if generator.scale == 1 and data.random_degradation is None and not data.paired:
        raise ValueError(
            "generator.scale: 1 needs degraded images; the bicubic leaves them as they are: set data.degradation, "
            "or data.lr_folder"
        )


def _data_fit(recipe: Recipe) -> None:
    """The images' settings fit the task and each other."""
    data = recipe.data
    if not data.reductions:
        raise ValueError("data.reductions: expected at least one factor")
    if recipe.task != "super-resolution":
        for key in ("reductions", "shuffle_channels", "grey", "pipeline"):
            if getattr(data, key) != DataConfig.model_fields[key].default:
                raise ValueError(f"data.{key}: for the task super-resolution, not for {recipe.task}")
    elif data.binarise != "none":
        raise ValueError(f"data.binarise: for unconditional and reconstruction, not for {recipe.task}")
    if data.paired and (data.pipeline == "device" or data.reductions != (1.0,)):
        raise ValueError("data.lr_folder: its images need data.pipeline = 'loader' and no data.reductions")
    if recipe.validation.lr_folder is not None and recipe.validation.folder is None:
        raise ValueError("validation.lr_folder needs validation.folder")
    if data.random_degradation is None:
        return
    degradation = f"data.degradation.name = {data.degradation.name!r}"
    if recipe.task != "super-resolution":
        raise ValueError(f"{degradation}: for the task super-resolution, not for {recipe.task}")
    if data.paired:
        raise ValueError(f"{degradation}: data.lr_folder has low-resolution images already; remove one of the two")
    if data.pipeline == "device":
        raise ValueError(f"{degradation}: made on the CPU; set data.pipeline = 'loader', and data.workers to share")
    if recipe.generator_weights.get("consistency"):
        raise ValueError(f"{degradation}: weights.consistency compares with the bicubic; remove one of the two")


def _shares_fit(recipe: Recipe) -> None:
    """Shares of the gradient leave something for the other terms."""
    shares = recipe.shares
    if not shares:
        return
    total = sum(shares.values())
    if total > 1 - 1e-9:
        given = " + ".join(f"{share:g}" for share in shares.values())
        raise ValueError(f"weights: expected shares of less than 1 together, got {given} = {total:g}")


def _parts_fit(recipe: Recipe) -> None:
    """Generator, critic, variant and task fit each other."""
    upscales = isinstance(recipe.generator, SRSettings)
    pixel = isinstance(recipe.generator, PixelSettings)
    if recipe.task == "super-resolution" and not (upscales or pixel):
        expected = ", ".join(name for name, kind in GENERATORS.items() if issubclass(kind, SRSettings))
        raise ValueError(f"generator {recipe.generator.name!r} upscales no image; use one of {expected}")
    if recipe.task != "super-resolution" and upscales:
        expected = ", ".join(name for name, kind in GENERATORS.items() if not issubclass(kind, SRSettings))
        raise ValueError(f"generator {recipe.generator.name!r} is for super-resolution; {recipe.task} needs {expected}")
    features = recipe.task == "reconstruction" and recipe.reconstruction.source == "features"
    if features != isinstance(recipe.generator, InversionConfig) and not pixel:
        raise ValueError("generator 'inversion' and reconstruction.source = 'features' need each other")
    if recipe.critic_weights.get("mismatch") and not (recipe.critic is not None and recipe.critic.condition_hidden):
        raise ValueError("critic_weights.mismatch: needs critic.conditional = true and critic.condition_hidden")
    if recipe.critic_weights.get("mismatch") and recipe.data.batch < 2:
        raise ValueError("critic_weights.mismatch: takes another image's condition: expected data.batch >= 2, got 1")
    if recipe.techniques.spectral_norm and getattr(recipe.critic, "normalisation", None) == "weight":
        raise ValueError("techniques.spectral_norm: excludes critic.normalisation = 'weight'; remove one of the two")
    own = getattr(recipe.generator, "latent", 0)
    if own and own != recipe.latent.size:
        raise ValueError(f"generator.latent = {own}: its size is that of [latent], {recipe.latent.size}; remove it")
    if recipe.latent.size and not recipe.generator.takes_latent:
        raise ValueError(f"generator {recipe.generator.name!r} takes no latent vector: use 'residual'")
    needs_critic = "critic" in recipe.variant.requirements()
    if needs_critic and recipe.critic is None:
        raise ValueError(f"variant {variant_name(recipe.variant)!r} needs {REQUIREMENTS['critic']}")
    if not needs_critic and (recipe.critic is not None or recipe.critic_weights):
        raise ValueError(f"variant {variant_name(recipe.variant)!r} has no critic: remove critic and critic_weights")


def _views_fit(recipe: Recipe) -> None:
    """What networks are shown of an image lies within it, and they can look at a part."""
    side, critic = recipe.image_shape[1], recipe.critic
    views = {"techniques": recipe.techniques, "perceptual": recipe.perceptual, "lpips": recipe.lpips}
    for part, view in (views | {"dists": recipe.dists}).items():
        if view.translation >= side:
            got = view.translation
            raise ValueError(f"{part}.translation: expected less than the images' side of {side}, got {got}")
        if view.crop > side:
            raise ValueError(f"{part}.crop: expected at most the images' side of {side}, or 0, got {view.crop}")
    if not recipe.techniques.crop or critic is None:
        return
    if not critic.any_size:
        fitting = ", ".join(name for name, kind in CRITICS.items() if kind.any_size)
        raise ValueError(f"techniques.crop: critic {critic.name!r} sees whole images alone; use one of {fitting}")
    if critic.conditional:
        raise ValueError("techniques.crop: a critic that sees the condition sees all of it; remove one of the two")
    if recipe.techniques.virtual_batch_norm:
        raise ValueError("techniques.crop: virtual batch norm's reference is of whole images; remove one of the two")
