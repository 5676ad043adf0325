"""VGG weights: those of a state dict, matched to the layers by their names in the paper."""

from collections.abc import Iterable, Mapping
from typing import Literal

from torch import Tensor

from .._settings import one_of

Network = Literal["vgg16", "vgg19"]

CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def layer_names(network: Network) -> list[str]:
    """The paper names of all layers, shallow to deep; a layer's position is its index in torchvision's `features`.

    >>> layer_names("vgg19")[:5]
    ['conv1_1', 'relu1_1', 'conv1_2', 'relu1_2', 'pool1']

    Raises:
        ValueError: no such network.
    """
    one_of("network", network, CONVOLUTIONS)
    names: list[str] = []
    for block, count in enumerate(CONVOLUTIONS[network], start=1):
        for convolution in range(1, count + 1):
            names += [f"conv{block}_{convolution}", f"relu{block}_{convolution}"]
        names.append(f"pool{block}")
    return names


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
