"""Any of torchvision's classifiers as a comparator: the maps of the parts that are named."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._frozen import freeze, keep_weights_out
from .._settings import names, shown
from .._tensors import check_tensors
from .pretrained_weights import Weights, read_weights
from .vgg import IMAGENET_MEAN, IMAGENET_STD

WITH_OTHER_HEADS = ("googlenet", "inception_v3")
"""Classifiers whose weights hold heads that their networks are built without."""


class TorchvisionFeatures(nn.Module):
    """Named maps of a frozen network of torchvision: (N, 3, H, W) RGB in [0, 1] -> {layer: (N, ...)}.

    Maps are as the network's parts give them, but Swin's, whose channels come first here. The network sees the image as
    ImageNet's were prepared, at the size that it has, and computes nothing beyond the deepest layer. Its code is
    torchvision's and its weights are tensors: neither comes from a file that is run. Weights stay out of the state
    dict.

    Args:
        network: a classifier's name in torchvision, such as "resnet50" or "convnext_tiny".
        layers: which maps: names of the network's parts, such as "layer2" or "features.3"; of a part that is used more
            than once, its first map.
        weights: a state dict, a file of one, or None for torchvision's (version IMAGENET1K_V1).

    Raises:
        ValueError: an unknown network or layer, weights of another network; from forward, images that are not RGB.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: str, layers: Iterable[str], weights: Weights = None) -> None:
        super().__init__()
        self.network, self.layers = network, names("layers", layers)
        # Here, because importing torchvision takes a second that only this comparator needs.
        from torchvision import models  # pyright: ignore[reportMissingTypeStubs]

        known = [name for name in models.list_models(module=models) if name not in WITH_OTHER_HEADS]
        if not isinstance(network, str) or network not in known:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"network: expected one of torchvision's {', '.join(known)}; got {network!r}")
        model: nn.Module = models.get_model(network, weights=None).eval()
        parts = [name for name in dict(cast(Any, model).named_modules()) if name]
        unknown = [layer for layer in self.layers if layer not in parts]
        if unknown or not self.layers:
            expected = ", ".join(name for name in parts if name.count(".") < 2)
            got = ", ".join(unknown) or "none"
            raise ValueError(f"layers: expected parts of {network} such as {expected}; got {got}")
        state = read_weights(weights, network)
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"weights: do not fit {network} ({str(error).splitlines()[-1].strip()})") from None
        self.features: nn.Module = model
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        freeze(self)
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "network", "layers")

    def train(self, mode: bool = True) -> "TorchvisionFeatures":
        """Does nothing: the network is frozen."""
        return super().train(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> {layer: (N, ...)}."""
        check_tensors(image=image)
        if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(f"expected floating-point RGB images (N, 3, H, W), got {tuple(image.shape)} {image.dtype}")
        freeze(self)
        maps: dict[str, Tensor] = {}
        hooks = [
            self.features.get_submodule(layer).register_forward_hook(self._keep(layer, maps)) for layer in self.layers
        ]
        try:
            self.features((image.to(self.mean.dtype) - self.mean) / self.std)
        except _AllSeen:
            pass
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # such as a kernel larger than the map
            size, reason = "x".join(map(str, image.shape[2:])), str(error).partition("\n")[0]
            raise ValueError(f"{self.network} does not take images of {size} pixels: {reason}") from error
        finally:
            for hook in hooks:
                hook.remove()
        return maps

    def _keep(self, layer: str, maps: dict[str, Tensor]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        """Notes a layer's map, and ends the forward pass with the last one that is needed."""
        channels_last = self.network.startswith("swin") and layer.split(".")[0] in ("features", "norm")
        channels_last &= layer != "features.0.0"  # the convolution at the start

        def note(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            maps.setdefault(layer, output.movedim(-1, 1) if channels_last else output)
            if len(maps) == len(self.layers):
                raise _AllSeen
            return output.clone()  # the network may change its own in place, such as by `out += identity`

        return note


class _AllSeen(Exception):
    """No deeper layer is needed."""
