"""A run's generator in a file: of super-resolution what `upscale` takes, of the other tasks what `generate` takes."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.model import Model
from srgan_kit.generators.super_resolution.community import CommunityNetwork
from srgan_kit.generators.super_resolution.reparameterised import folded
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.layers.virtual_batch_norm import VirtualBatchNetwork
from srgan_kit.limits import building_at_most
from srgan_kit.models.build import build_model
from srgan_kit.models.pretrained import GENERATIVE_FORMAT, pretrained_generators, pretrained_models, read_summary
from srgan_kit.models.super_resolution import save_community_model, save_model, write_tensors
from srgan_kit.recipes.schema import Recipe


@dataclass(frozen=True)
class SavedModel:
    """A trained generator with what it was trained by."""

    name: str
    """The pretrained model's name, or the run folder's or the file's."""
    model: Model
    """In evaluation mode, frozen, on the CPU."""
    recipe: Recipe
    """The run's recipe, without folders."""
    classes: tuple[str, ...]
    """Names of the classes of its training images; empty where there were none."""
    metadata: dict[str, str]
    """Everything the file says about itself."""


def save_run(
    network: nn.Module,
    recipe: Recipe,
    condition: tuple[int, int] | None,
    classes: tuple[str, ...],
    path: Path,
    metadata: dict[str, str],
) -> None:
    """Write a run's generator, branches folded; the file appears whole or not at all.

    Args:
        network: the trained `Model`.
        recipe: what it was trained by.
        condition: (channels, side) of what it is given; None for nothing.
        classes: names of its training images' classes.
        path: the file.
        metadata: what else the file shall say.

    Raises:
        UserError: the file cannot be written.
    """
    if isinstance(recipe.generator, SRSettings):
        recipe, network = recipe.model_copy(update={"generator": recipe.generator.exported()}), folded(network)
    assert isinstance(network, Model)
    if isinstance(network.decoder, CommunityNetwork):
        save_community_model(network.decoder.model, path, metadata)
        return
    if isinstance(recipe.generator, SRSettings):
        of_run = {"image_channels": recipe.data.channels}
        if isinstance(recipe.generator, ResidualSRConfig):
            of_run["latent"] = recipe.latent.size
        save_model(network.decoder, recipe.generator.model_copy(update=of_run), path, metadata)
        if not recipe.latent.size:
            return
        # the encoder and the meaning of the latent vector too
        path = path.with_name(
            "generative.safetensors" if path.stem == "model" else f"{path.stem}-generative.safetensors"
        )
    own = {
        "format": GENERATIVE_FORMAT,
        "recipe": recipe.without_paths().model_dump_json(),
        "condition": json.dumps(condition),
        "classes": json.dumps(classes),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_tensors(tensors, path, metadata | own)


def load_saved(name_or_path: str | Path) -> SavedModel:
    """The generator of a run folder, a file, or a pretrained model's name.

    Raises:
        UserError: there is none, or it is no generative model of this version.
    """
    path = _find(name_or_path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"model {path}: not a readable safetensors file: {error}") from None
    if metadata.get("format") != GENERATIVE_FORMAT:
        raise UserError(f"model {path}: not a generative model; `srgan-kit upscale -m` takes super-resolvers")
    try:
        recipe = Recipe.model_validate_json(metadata["recipe"])
        condition = json.loads(metadata["condition"])
        with building_at_most(tensors.values()):
            model = build_model(recipe, None if condition is None else tuple(condition))
        references = [tensors[name] for name in sorted(tensors) if name.startswith("decoder.reference_")]
        if references:
            model.decoder = VirtualBatchNetwork(model.decoder, *references)
        model.load_state_dict(tensors)
        classes = tuple(map(str, json.loads(metadata["classes"])))
    except UserError as error:
        raise UserError(f"model {path}: does not fit this version: {error}") from None
    except KeyError as error:
        raise UserError(f"model {path}: does not fit this version (it says nothing of its {error})") from None
    except Exception as error:
        raise UserError(f"model {path}: does not fit this version ({type(error).__name__})") from None
    name = path.stem if path.stem not in ("model", "generative") else path.resolve().parent.name
    return SavedModel(name, model.eval().requires_grad_(False), recipe, classes, metadata)


def _find(name_or_path: str | Path) -> Path:
    pretrained = pretrained_models().get(str(name_or_path))
    if pretrained is not None:
        if not read_summary(pretrained).makes:
            raise UserError(f"model {name_or_path}: upscales images: see `srgan-kit upscale`")
        return pretrained
    path = Path(name_or_path)
    if path.is_dir():
        files = [path / name for name in ("generative.safetensors", "model.safetensors")]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            raise UserError(f"{path}: no model in it; a run writes model.safetensors at its first validation")
        return found
    if not path.is_file():
        names = ", ".join(pretrained_generators()) or "none"
        raise UserError(f"model {str(name_or_path)!r}: neither a run folder, a file nor a pretrained model ({names})")
    return path
