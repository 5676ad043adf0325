"""Community checkpoints as generators: the network that spandrel builds for a file's weights.

Nothing here executes code from a checkpoint: tensors only, from safetensors or `torch.load(weights_only=True)`.
"""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.limits import building_at_most, check_layer_numbers, check_tensors, check_zip


class CommunityConfig(SRSettings):
    """The network of a community checkpoint, to train it further: its file gives architecture and weights."""

    name: Literal["community"] = "community"
    """Which generator this is."""
    scale: int = Field(ge=1)
    """Upscaling factor; that of the file."""
    file: Path
    """The checkpoint: .pth, .pt, .ckpt or .safetensors of an architecture that spandrel knows."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "CommunityNetwork":
        """The file's network with its weights, ready to train.

        Raises:
            UserError: no such file, a checkpoint that cannot be used, another scale, other channels.
        """
        with torch.device("cpu"):  # also where another device is asked for that has no memory, to count parameters
            network, about = community_network(self.file, read_checkpoint(self.file))
        if about.scale != self.scale:
            raise UserError(f"generator.scale: expected {about.scale}, that of {self.file}, got {self.scale}")
        if about.channels != spec.image_channels:
            raise UserError(f"{self.file}: expected {spec.image_channels} colour channels, got {about.channels}")
        return network.float().train().requires_grad_(True)


@dataclass(frozen=True)
class CommunityModel:
    """What spandrel says of a checkpoint."""

    architecture: str
    """Name of the architecture."""
    scale: int
    """Upscaling factor."""
    channels: int
    """Colour channels in and out: 3 for RGB, 1 for grey."""
    tags: str
    """Its size and kind, such as "64nf 16nc"."""
    multiple_of: int
    """Input sides must be a multiple of this."""
    minimum: int
    """Input sides must be at least this."""
    supports_fp16: bool
    """False where it is known to fail in fp16."""
    supports_bf16: bool
    """False where it is known to fail in bf16."""


class CommunityNetwork(nn.Module):
    """A network that spandrel built, called the way its architecture wants to be called."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model = descriptor.model
        self.multiple_of, self.minimum = descriptor.size_requirements.multiple_of, descriptor.size_requirements.minimum
        self._call = descriptor._call_fn  # the public call pads and clamps, which is the engine's work here

    def forward(self, image: Tensor) -> Tensor:
        return self._call(self.model, image)


def community_network(path: Path, tensors: Mapping[str, Any]) -> tuple[CommunityNetwork, CommunityModel]:
    """The network whose weights these are, and what is known of it.

    Args:
        path: where they come from, for messages.
        tensors: what the checkpoint holds.

    Raises:
        UserError: an architecture that spandrel does not know, weights that do not fit it, a network that does not map
            images to images.
    """
    import spandrel  # a second to import, and only community checkpoints need it

    try:
        weights = spandrel.canonicalize_state_dict(dict(tensors))
        check_layer_numbers(weights)
        with building_at_most(weight for weight in weights.values() if isinstance(weight, Tensor)):
            descriptor = spandrel.ModelLoader().load_from_state_dict(weights)
    except spandrel.UnsupportedModelError:
        raise UserError(f"model {path}: a checkpoint of an architecture unknown to spandrel") from None
    except Exception as error:  # spandrel's detectors raise whatever they stumble over
        raise UserError(f"model {path}: its weights do not fit the architecture: {first_line(error)}") from None
    needs = descriptor.size_requirements
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or needs.square:
        raise UserError(f"model {path}: {descriptor.architecture.name} does not map any image to an image")
    if descriptor.input_channels != descriptor.output_channels or descriptor.input_channels not in (1, 3):
        channels = f"{descriptor.input_channels} -> {descriptor.output_channels}"
        raise UserError(f"model {path}: expected 1 or 3 colour channels in and out, got {channels}")
    about = CommunityModel(
        architecture=descriptor.architecture.name,
        scale=descriptor.scale,
        channels=descriptor.input_channels,
        tags=" ".join(descriptor.tags),
        multiple_of=needs.multiple_of,
        minimum=max(needs.minimum, 1),
        supports_fp16=descriptor.supports_half,
        supports_bf16=descriptor.supports_bfloat16,
    )
    return CommunityNetwork(descriptor), about


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a checkpoint holds, of either kind.

    Raises:
        UserError: it cannot be read.
    """
    if not path.is_file():
        raise UserError(f"model {path}: no such file")
    return read_safetensors(path)[0] if path.suffix.lower() == ".safetensors" else read_pickled(path)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), metadata
    except (OSError, SafetensorError) as error:
        raise UserError(f"model {path}: not a readable safetensors file: {first_line(error)}") from None


def read_pickled(path: Path) -> dict[str, Any]:
    """What a pickled checkpoint holds, without executing code from it.

    Raises:
        UserError: it cannot be read, or is no dictionary.
    """
    try:
        if zipfile.is_zipfile(path):
            check_zip(path)
        with warnings.catch_warnings(action="ignore"):  # about how a file that is refused was pickled
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        check_tensors(path, tensors)
    except UserError as error:
        raise UserError(f"model {error}") from None
    except pickle.UnpicklingError:
        raise UserError(f"model {path}: damaged, or more than weights (code is never run)") from None
    except (EOFError, KeyError):  # all that the reader says of a file of anything else
        raise UserError(f"model {path}: not a checkpoint") from None
    except Exception as error:  # a broken file makes torch.load raise RuntimeError, ValueError, OSError, ...
        raise UserError(f"model {path}: not a readable checkpoint: {first_line(error)}") from None
    if not isinstance(tensors, dict):
        raise UserError(f"model {path}: expected a dictionary of weights, got {type(tensors).__name__}")
    return tensors


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
