"""Where the weights of a frozen network come from: a state dict, a file of one, or torchvision's own."""

import pickle
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

Weights = Mapping[str, Tensor] | str | Path | None
"""A state dict, a file of one (PyTorch's or safetensors), or None for torchvision's ImageNet weights."""


def read_weights(weights: Weights, network: str) -> Mapping[str, Tensor]:
    """The state dict itself, from the file, or from torchvision where None is given.

    Raises:
        TypeError: neither of these.
        ValueError: the file is not a state dict; it is read without running code.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded.
    """
    if weights is None:
        return _from_torchvision(network)
    if isinstance(weights, Mapping):
        return weights
    if not isinstance(weights, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"weights: expected a state dict, a file of one or None, got {type(weights).__name__}")
    try:
        state: Any = _read(Path(weights))
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"weights: {weights} cannot be read as a state dict ({reason})") from None
    if not isinstance(state, Mapping) or not all(
        isinstance(v, Tensor) for v in cast(Mapping[Any, Any], state).values()
    ):
        keys = ", ".join(map(repr, list(cast(Mapping[Any, Any], state))[:3])) if isinstance(state, Mapping) else ""
        got = f"a dictionary of {keys}" if keys else f"a {type(cast(object, state)).__name__}"
        raise ValueError(f"weights: expected {weights} to hold a state dict, tensors by name; got {got}")
    return cast(Mapping[str, Tensor], state)


def _read(path: Path) -> Any:
    """What a file holds: tensors and plain values, never code."""
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    # Here, so that the losses need nothing but torch until someone has such a file.
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"no safetensors: {error}") from None


def _from_torchvision(network: str) -> Mapping[str, Tensor]:
    # Here, because importing torchvision takes a second that only this branch needs.
    from torchvision import models  # pyright: ignore[reportMissingTypeStubs]

    kinds: Any = models.get_model_weights(network)  # pyright: ignore[reportUnknownMemberType]
    source: Any = getattr(kinds, "IMAGENET1K_V1", None)
    if source is None:
        raise RuntimeError(f"torchvision has several kinds of weights for {network}: pass a file of one as weights")
    try:
        return source.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, HTTPException, RuntimeError, pickle.UnpicklingError) as error:
        file = source.url.rpartition("/")[2]
        raise RuntimeError(
            f"torchvision's weights of {network} could not be had ({error}). Fetch the file {file} where there is a "
            f"network and pass it as weights='path/to/{file}', or put it into {torch.hub.get_dir()}/checkpoints/."
        ) from error
