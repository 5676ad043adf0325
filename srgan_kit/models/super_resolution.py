"""Finding, reading and writing upscaling models: the pretrained ones, our own files, community checkpoints.

Nothing here executes code from a checkpoint: tensors only, from safetensors or `torch.load(weights_only=True)`.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.generators import SRConfig
from srgan_kit.generators.super_resolution.community import (
    CommunityNetwork,
    community_network,
    first_line,
    read_pickled,
    read_safetensors,
)
from srgan_kit.generators.super_resolution.settings import SRSettings
from srgan_kit.limits import building_at_most
from srgan_kit.models import added, realesrgan
from srgan_kit.models.ncnn_network import NcnnNetwork, read_ncnn
from srgan_kit.models.pretrained import (
    AUTO,
    DEFAULT_MODEL,
    FORMAT,
    GENERATIVE_FORMAT,
    pretrained_models,
    pretrained_upscalers,
    read_summary,
)
from srgan_kit.problems import first_problem

__all__ = ["DEFAULT_MODEL", "UpscalingModel", "load_model", "pretrained_upscalers", "read_pickled", "save_model"]
LARGEST_BORDER = 64
"""Pixels by which a model's file may have images continued."""
RUN_MODEL = "model.safetensors"
"""The model in the folder of a run."""
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".param")


@dataclass(frozen=True)
class UpscalingModel:
    """A network ready to upscale: in eval mode, frozen, fp32 weights on the CPU."""

    name: str
    """The pretrained model's name, that of the extra's, or the file's without its suffix."""
    network: nn.Module
    """(N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale), nominally [0, 1]."""
    scale: int
    """Upscaling factor."""
    channels: int
    """Colour channels in and out: 3 for RGB, 1 for grey."""
    architecture: str
    """What kind of network it is."""
    licence: str
    """Terms of the weights; "unknown" where the file does not say."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Everything else the file says about itself."""
    multiple_of: int = 1
    """Input sides must be a multiple of this."""
    minimum: int = 1
    """Input sides must be at least this."""
    border: int = 0
    """Pixels by which images are continued, mirrored, before the network sees them: it takes the zeros beyond a border
    for an edge."""
    supports_fp16: bool = True
    """False where the architecture is known to fail in fp16."""
    supports_bf16: bool = True
    """False where the architecture is known to fail in bf16."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(weight.numel() for weight in self.network.parameters())

    def supports(self, dtype: torch.dtype) -> bool:
        """Whether the architecture is not known to fail in that precision."""
        return {torch.float16: self.supports_fp16, torch.bfloat16: self.supports_bf16}.get(dtype, True)


def load_model(name_or_path: str | Path) -> UpscalingModel:
    """The pretrained model of that name, or of the extra `realesrgan`, or one that was added, or that in a file or run.

    A .safetensors file of ours carries its generator's settings; any other .safetensors, .pth, .pt or .ckpt file is
    taken for a community checkpoint, whose architecture spandrel recognises from its tensors. A .param file is ncnn's,
    with its weights in the .bin file beside it.

    Raises:
        UserError: no such model or file, not a checkpoint, an architecture nobody here knows, an extra that is missing.
    """
    if str(name_or_path) == AUTO:
        raise UserError("model auto: chooses for each image, as only `upscale` and `Upscaler` do; name a model here")
    pretrained = pretrained_models().get(str(name_or_path))
    if pretrained is not None:
        if read_summary(pretrained).makes:
            raise UserError(f"model {name_or_path}: makes images and upscales none: see `srgan-kit generate`")
        return _load_file(pretrained)
    extra = realesrgan.find(str(name_or_path))
    if extra is not None:
        file, about = extra
        metadata = {"licence": about.licence, "training_data": about.training_data}
        return replace(_ncnn_model(file), name=about.name, licence=about.licence, metadata=metadata)
    kept = added.find(str(name_or_path))
    if kept is not None:
        file, record = kept
        loaded = _load_file(file)
        said = loaded.metadata | {"licence": record.licence}
        return replace(loaded, name=record.name, licence=record.licence, metadata=said)
    path = Path(name_or_path)
    if path.is_dir():
        path /= RUN_MODEL
        if not path.is_file():
            raise UserError(f"model {name_or_path}: no {RUN_MODEL} in it; a run writes it at its first validation")
    if not path.is_file():
        names = ", ".join(pretrained_upscalers()) or "none"
        own = ", ".join(model.name for model in added.added_models())
        names += f"; added: {own}" if own else ""
        raise UserError(f"model {str(name_or_path)!r}: neither a file nor a pretrained model (pretrained: {names})")
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"model {path}: expected a file ending in {', '.join(SUFFIXES)}")
    return _load_file(path)


def save_model(network: nn.Module, config: SRSettings, path: Path, metadata: dict[str, str]) -> None:
    """Write a generator as a safetensors file that `load_model` reads; the file appears whole or not at all.

    The file's metadata is format, generator (the settings as JSON), scale, range and what is given, which wins.

    Raises:
        UserError: the file cannot be written.
    """
    own = {"format": FORMAT, "generator": config.model_dump_json(), "scale": str(config.scale), "range": "[0, 1]"}
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_tensors(tensors, path, own | metadata)


def save_community_model(network: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write a community network's weights under its architecture's own names, for every program that knows it.

    Raises:
        UserError: the file cannot be written.
    """
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}
    write_tensors(tensors, path, metadata)


def write_copy(model: UpscalingModel, path: Path, half: bool = False) -> None:
    """Write a model's weights and what its file said of them; of a community model under its architecture's names.

    Raises:
        UserError: a network of ncnn's, or a file that cannot be written.
    """
    if isinstance(model.network, NcnnNetwork):
        raise UserError(f"model {model.name}: an ncnn graph has no names for its weights; it can be written as .param")
    network = model.network.model if isinstance(model.network, CommunityNetwork) else model.network
    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: (value.to(dtype) if value.is_floating_point() else value).clone().contiguous()
        for name, value in network.state_dict().items()
    }
    write_tensors(tensors, path, model.metadata)


def write_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write a safetensors file, which appears whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise UserError(f"model {path}: cannot be written: {error}") from None


def generator_config(text: str) -> SRSettings:
    """A super-resolver's settings from the JSON that a weight file carries.

    Raises:
        UserError: the text does not describe a generator of this version.
    """
    try:
        return TypeAdapter[SRSettings](SRConfig).validate_json(text)
    except ValidationError as error:
        raise UserError(f"generator settings: {first_problem(error)}") from None


def _load_file(path: Path) -> UpscalingModel:
    if path.suffix.lower() == ".param":
        return _ncnn_model(path)
    if path.suffix.lower() == ".safetensors":
        tensors, metadata = read_safetensors(path)
        if metadata.get("format") == FORMAT:
            return _own_model(path, tensors, metadata)
        if metadata.get("format") == GENERATIVE_FORMAT:
            raise UserError(f"model {path}: makes images and upscales none: see `srgan-kit generate`")
        return _community_model(path, tensors, metadata)
    return _community_model(path, read_pickled(path), {})


def _own_model(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> UpscalingModel:
    try:
        config = generator_config(metadata.get("generator", ""))
        with building_at_most(tensors.values()):
            network = config.build()
        network.load_state_dict(tensors)
    except (UserError, RuntimeError) as error:
        reason = first_line(error)
        raise UserError(f"model {path}: its weights and settings do not fit this version: {reason}") from None
    return UpscalingModel(
        name=path.stem,
        network=_frozen(network),
        scale=config.scale,
        channels=config.image_channels,
        architecture=config.name,
        licence=metadata.get("licence", metadata.get("license", "unknown")),
        metadata=metadata,
        border=_border(path, metadata.get("border", "0")),
    )


def _border(path: Path, text: str) -> int:
    if text.isdecimal() and int(text) <= LARGEST_BORDER:
        return int(text)
    raise UserError(f"model {path}: border: expected a number of pixels up to {LARGEST_BORDER}, got {text[:20]!r}")


def _ncnn_model(path: Path) -> UpscalingModel:
    network, graph = read_ncnn(path)
    return UpscalingModel(
        name=path.stem,
        network=_frozen(network),
        scale=graph.scale,
        channels=graph.channels,
        architecture=graph.architecture,
        licence="unknown",
        multiple_of=graph.multiple_of,
    )


def _community_model(path: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> UpscalingModel:
    network, about = community_network(path, tensors)
    return UpscalingModel(
        name=path.stem,
        network=_frozen(network),
        scale=about.scale,
        channels=about.channels,
        architecture=about.architecture,
        licence=metadata.get("licence", metadata.get("license", "unknown")),
        metadata=metadata | {"tags": about.tags},
        multiple_of=about.multiple_of,
        minimum=about.minimum,
        supports_fp16=about.supports_fp16,
        supports_bf16=about.supports_bf16,
    )


def _frozen(network: nn.Module) -> nn.Module:
    return network.float().eval().requires_grad_(False)
