"""VGG weights: torchvision's own, or from a state dict or a file; matched to the layers by their names in the paper."""

import pickle
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

Network = Literal["vgg16", "vgg19"]
Weights = Mapping[str, Tensor] | str | Path | None

CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def layer_names(network: Network) -> list[str]:
    """The paper names of all layers, shallow to deep; a layer's position is its index in torchvision's `features`.

    >>> layer_names("vgg19")[:5]
    ['conv1_1', 'relu1_1', 'conv1_2', 'relu1_2', 'pool1']

    Raises:
        ValueError: no such network.
    """
    if network not in CONVOLUTIONS:
        raise ValueError(f"network: expected one of {', '.join(CONVOLUTIONS)}, got {network!r}")
    names: list[str] = []
    for block, count in enumerate(CONVOLUTIONS[network], start=1):
        for convolution in range(1, count + 1):
            names += [f"conv{block}_{convolution}", f"relu{block}_{convolution}"]
        names.append(f"pool{block}")
    return names


def read_weights(weights: Weights, network: Network) -> Mapping[str, Tensor]:
    """The state dict itself, from the file, or from torchvision where None is given.

    Raises:
        ValueError: the file is not a state dict; it is read without running code.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded.
    """
    if weights is None:
        return _from_torchvision(network)
    if isinstance(weights, Mapping):
        return weights
    try:
        state: Any = torch.load(weights, map_location="cpu", weights_only=True)
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


def is_normalised(state: Mapping[str, Tensor]) -> bool:
    """Whether this is a VGG19 with normalised activations, whose layer 0 is a 1x1 convolution of the colours."""
    return "0.weight" in state and tuple(state["0.weight"].shape) == (3, 3, 1, 1)


def weights_of(names: Iterable[str], network: Network, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the convolutions among these layers, under the keys of `VGGFeatures`.

    Raises:
        ValueError: the state dict is of another network, or does not reach all of these layers.
    """
    prefixes = _prefixes(network, state)
    own: dict[str, Tensor] = {}
    for name in (name for name in ("color", *names) if name in prefixes):
        module = "color" if name == "color" else f"convolutions.{name}"
        for kind in ("weight", "bias"):
            key = f"{prefixes[name]}.{kind}"
            if key not in state:
                raise ValueError(f"layers: {name} needs {key!r}, which the weights lack; {_reach(prefixes, state)}")
            own[f"{module}.{kind}"] = state[key]
    return own


def _prefixes(network: Network, state: Mapping[str, Tensor]) -> dict[str, str]:
    """{convolution: its key in the state dict without `.weight`}, shallow to deep."""
    names = layer_names(network)
    if is_normalised(state):
        if network != "vgg19":
            raise ValueError(f"weights: expected those of {network}, got a normalised VGG19")
        prefixes = {"color": "0"}
        position = 1
        for name in names:
            if name.startswith("conv"):
                position += 1  # in that layout every convolution follows a padding layer of its own
                prefixes[name] = str(position)
            position += 1
        return prefixes
    prefixes = {name: f"features.{i}" for i, name in enumerate(names) if name.startswith("conv")}
    found = {key.rpartition(".")[0] for key in state if key.startswith("features.")}
    foreign = sorted(found - set(prefixes.values()))
    if foreign:
        raise ValueError(f"weights: expected those of {network}, but the state dict holds a layer {foreign[0]!r}")
    if not found:
        raise ValueError(
            "weights: expected keys such as 'features.0.weight' (torchvision) or '0.weight' (normalised VGG19), "
            f"got {', '.join(map(repr, list(state)[:3])) or 'an empty state dict'}"
        )
    return prefixes


def _reach(prefixes: Mapping[str, str], state: Mapping[str, Tensor]) -> str:
    held = [name for name, prefix in prefixes.items() if name != "color" and f"{prefix}.weight" in state]
    return f"the deepest they hold is {held[-1]} ({held[-1].replace('conv', 'relu')})" if held else "they hold none"


def _from_torchvision(network: Network) -> Mapping[str, Tensor]:
    # Here, because importing torchvision takes a second that only this branch needs.
    from torchvision.models import VGG16_Weights, VGG19_Weights  # pyright: ignore[reportMissingTypeStubs]

    source = VGG16_Weights.IMAGENET1K_V1 if network == "vgg16" else VGG19_Weights.IMAGENET1K_V1
    try:
        return source.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, HTTPException, RuntimeError, pickle.UnpicklingError) as error:
        file = source.url.rpartition("/")[2]
        raise RuntimeError(
            f"torchvision's weights of {network} could not be had ({error}). Fetch the file {file} where there is a "
            f"network and pass it as weights='path/to/{file}', or put it into {torch.hub.get_dir()}/checkpoints/."
        ) from error
