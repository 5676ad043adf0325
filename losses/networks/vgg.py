"""The convolutional part of VGG16 and VGG19 (Simonyan and Zisserman 2014, arXiv:1409.1556), read at any layer."""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._frozen import freeze, keep_weights_out
from .._settings import names, one_of, shown
from .._tensors import check_tensors, in_full_precision
from .pretrained_weights import Weights, read_weights
from .vgg_weights import Network, is_normalised, layer_names, weights_of

CHANNELS = (64, 128, 256, 512, 512)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Pooling = Literal["max", "l2"]


class VGGFeatures(nn.Module):
    """A frozen VGG that gives the maps of the named layers and computes nothing beyond the deepest of them.

    (N, 3, H, W) RGB in [0, 1] -> {layer: (N, C, h, w)}. `convX_Y` is before its activation, `reluX_Y` after it, `poolX`
    after the block's pooling. Runs in the precision of its weights, and in that of autocast where it is on.

    Args:
        layers: names of the layers to give.
        network: "vgg16" or "vgg19".
        weights: None for torchvision's ImageNet weights, which are downloaded once; or a state dict, or a file of one,
            with torchvision's keys (`features.0.weight`; deeper layers may be absent); or a "normalised" VGG19, whose
            layer 0 is a 1x1 convolution that prepares the colours (known by its keys; it pads by reflection).
        pooling: between blocks: "max", as the network was trained, or "l2", `l2_pool`, as in DISTS.

    Raises:
        ValueError: an unknown name, unsuitable weights, a layer deeper than the weights reach; from forward, an image
            that is not (N, 3, H, W) or too small for the deepest layer.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: Iterable[str],
        network: Network = "vgg19",
        weights: Weights = None,
        pooling: Pooling = "max",
    ) -> None:
        super().__init__()
        self.pooling: Pooling = one_of("pooling", pooling, ("max", "l2"))
        known = layer_names(network)
        self.layers = names("layers", layers)
        self.network: Network = network
        unknown = [layer for layer in self.layers if layer not in known]
        if unknown or not self.layers:
            got = ", ".join(map(repr, unknown)) or "none"
            raise ValueError(f"layers: expected at least one of {network}'s {', '.join(known)}; got {got}")
        deepest = max(known.index(layer) for layer in self.layers)
        self.names = tuple(known[: deepest + 1])
        state = read_weights(weights, network)
        self.normalised = is_normalised(state)
        self.color = nn.Conv2d(3, 3, 1) if self.normalised else None
        self.convolutions = _convolutions(self.names, "reflect" if self.normalised else "zeros")
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self._load(state, network)
        self.to(memory_format=torch.channels_last)
        freeze(self)
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "layers", "network")

    def train(self, mode: bool = True) -> "VGGFeatures":
        """Does nothing: the network is frozen."""
        return super().train(False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) RGB in [0, 1] -> {layer: (N, C, h, w)}."""
        self._check(image)
        freeze(self)
        hidden = image.to(self.mean.dtype).contiguous(memory_format=torch.channels_last)
        hidden = (hidden - self.mean) / self.std if self.color is None else self.color(hidden)
        taps: dict[str, Tensor] = {}
        for name in self.names:
            if name.startswith("conv"):
                hidden = self.convolutions[name](hidden)
            elif name.startswith("relu"):  # never in place: the map before may be one of those to give
                hidden = F.relu(hidden)
            else:
                hidden = F.max_pool2d(hidden, 2) if self.pooling == "max" else l2_pool(hidden).to(hidden.dtype)
            if name in self.layers:
                taps[name] = hidden
        return taps

    def _check(self, image: Tensor) -> None:
        check_tensors(image=image)
        if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(f"expected floating-point RGB images (N, 3, H, W), got {tuple(image.shape)} {image.dtype}")
        # Reflection needs two pixels at the deepest convolution, pooling one of the map that it makes.
        smallest = 2 ** (sum(name.startswith("pool") for name in self.names) + self.normalised)
        if min(image.shape[-2:]) < smallest:
            raise ValueError(
                f"{self.names[-1]} needs images of at least {smallest}x{smallest} pixels, got {tuple(image.shape)}"
            )

    def _load(self, state: Mapping[str, Tensor], network: Network) -> None:
        try:
            self.load_state_dict(weights_of(self.names, network, state))
        except RuntimeError as error:
            raise ValueError(f"weights: do not fit {network} ({error})") from None


def l2_pool(maps: Tensor) -> Tensor:
    """Every second root of a local mean square: (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2)), in fp32 at least.

    sqrt(g * maps^2 + 1e-12), g the 3x3 window (1, 2, 1) (1, 2, 1)^T / 16, zeros beyond the border: without the aliases
    of a maximum. Ding et al. 2020, arXiv:2004.07728, sec. 2.1
    """
    channels = maps.shape[1]
    with torch.autocast(maps.device.type, enabled=False):  # 1e-12 is 0 in 16 bits, and the root's slope there infinite
        maps = in_full_precision(maps)
        window = maps.new_tensor([1.0, 2.0, 1.0]) / 4
        window = torch.outer(window, window).expand(channels, 1, 3, 3)
        return (F.conv2d(maps.square(), window, stride=2, padding=1, groups=channels) + 1e-12).sqrt()


def _convolutions(names: Iterable[str], padding_mode: Literal["zeros", "reflect"]) -> nn.ModuleDict:
    convolutions = nn.ModuleDict()
    before = 3
    for name in names:
        if name.startswith("conv"):
            after = CHANNELS[int(name[4]) - 1]
            convolutions[name] = nn.Conv2d(before, after, 3, padding=1, padding_mode=padding_mode)
            before = after
    return convolutions
