"""SqueezeNet 1.1 as a comparator: small and fast, with named feature maps (Iandola et al. 2016, arXiv:1602.07360)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .._frozen import freeze, keep_weights_out
from .._settings import names, shown
from .._tensors import check_tensors
from .pretrained_weights import Weights, read_weights
from .vgg import IMAGENET_MEAN, IMAGENET_STD

LAYERS = {"relu1": 1, "fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7, "fire6": 9, "fire7": 10, "fire8": 11, "fire9": 12}
"""Names of the maps, and where they are in torchvision's `features`."""


class SqueezeNetFeatures(nn.Module):
    """Named feature maps of a frozen SqueezeNet: (N, 3, H, W) RGB in [0, 1] -> {layer: (N, C, h, w)}.

    Its weights stay out of the state dict.

    Args:
        layers: which maps, by the names in `LAYERS`.
        weights: a state dict, a file of one, or None for torchvision's.

    Raises:
        ValueError: an unknown layer, weights of another network; from forward, images that are not RGB or too small.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Iterable[str], weights: Weights = None) -> None:
        super().__init__()
        self.layers = names("layers", layers)
        unknown = [layer for layer in self.layers if layer not in LAYERS]
        if unknown or not self.layers:
            got = ", ".join(unknown) or "none"
            raise ValueError(f"layers: expected at least one of squeezenet's {', '.join(LAYERS)}; got {got}")
        # Here, because importing torchvision takes a second that only this comparator needs.
        from torchvision.models import squeezenet1_1  # pyright: ignore[reportMissingTypeStubs]

        state = read_weights(weights, "squeezenet1_1")
        features = squeezenet1_1(weights=None).features
        try:
            features.load_state_dict({k.removeprefix("features."): v for k, v in state.items() if "features." in k})
        except RuntimeError as error:
            raise ValueError(f"weights: do not fit squeezenet ({str(error).splitlines()[-1].strip()})") from None
        self.features = features[: max(LAYERS[layer] for layer in self.layers) + 1]
        for module in self.features.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # a map that was given must not change
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        freeze(self)
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "layers")

    def train(self, mode: bool = True) -> "SqueezeNetFeatures":
        """Does nothing: the network is frozen."""
        return super().train(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> {layer: (N, C, h, w)}."""
        check_tensors(image=image)
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < 17 or not image.is_floating_point():
            got = f"{tuple(image.shape)} {image.dtype}"
            raise ValueError(f"squeezenet: expected floating-point images (N, 3, H, W) of at least 17x17, got {got}")
        freeze(self)
        hidden = (image.to(self.mean.dtype) - self.mean) / self.std
        maps: dict[str, Tensor] = {}
        position = {index: layer for layer, index in LAYERS.items() if layer in self.layers}
        for index, module in enumerate(self.features):
            hidden = module(hidden)
            if index in position:
                maps[position[index]] = hidden
        return maps
