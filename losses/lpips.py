"""LPIPS: a perceptual distance whose weights were fitted to what people see."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ._frozen import freeze, keep_weights_out
from ._range import RangeWarning
from ._settings import one_of, shown
from ._tensors import Reduction, check_tensors, checked_reduction, in_full_precision, reduced, spoilt_by, unit_length
from .networks.pretrained_weights import Weights, read_weights
from .networks.vgg import IMAGENET_MEAN, IMAGENET_STD

Backbone = Literal["alex", "vgg", "squeeze"]

NETWORKS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
"""LPIPS's names of torchvision's networks."""
TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
"""The layers compared, as indices into torchvision's `features`: after each convolution's or fire module's ReLU."""
SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Smallest side of an image."""


class LPIPSLoss(nn.Module):
    """Learned perceptual image patch similarity, in [0, inf); 0 for equal images.

    Two (N, 3, H, W) RGB in [0, 1] -> scalar, or (N,) with reduction "none". With phi_l the maps of layer l, divided by
    their length over channels, and w_l >= 0 the fitted weights:

    sum_l mean_{h, w} sum_c w_lc (phi_l(image)_c - phi_l(target)_c)^2

    The weights are those of the `lpips` package, version 0.1, and so are the values. Unlike there, images are in
    [0, 1], gradients are finite where a layer sees next to nothing, and a target that needs no gradient costs none.
    Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", eq. 1, arXiv:1801.03924

    Args:
        network: "alex" (the authors' choice for judging), "vgg" (for training) or "squeeze" (the smallest).
        weights: of the network: None for torchvision's ImageNet weights; or a state dict or a file of one, with
            torchvision's keys. With other weights than torchvision's, figures are not comparable to published ones.
        reduction: over the batch.

    Raises:
        ValueError: an unknown network, unsuitable weights; from forward, images of different shapes, not RGB or too
            small.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded; the message says what to fetch.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Backbone = "alex", weights: Weights = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.network: Backbone = one_of("network", network, NETWORKS)
        self.reduction: Reduction = checked_reduction(reduction)
        self.stages = _stages(network, read_weights(weights, NETWORKS[network]))
        for number, head in enumerate(_heads(network)):
            self.register_buffer(f"head{number}", head, persistent=False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)
        freeze(self)
        self.warn = RangeWarning()
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "network", "reduction")

    def train(self, mode: bool = True) -> "LPIPSLoss":
        """Does nothing: the network is frozen."""
        return super().train(False)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Two (N, 3, H, W) RGB in [0, 1] -> scalar, or (N,) with reduction "none"; symmetric."""
        self._check(image, target)
        freeze(self)
        with torch.set_grad_enabled(torch.is_grad_enabled() and target.requires_grad):
            wanted = self._maps(target)
        distances: list[Tensor] = []
        for number, (seen, other) in enumerate(zip(self._maps(image), wanted, strict=True)):
            weight = self.get_buffer(f"head{number}")
            distances.append(((seen - other).square() * weight).sum(dim=1).mean(dim=(1, 2)))
        self.warn("LPIPSLoss", image, target)
        # The first layer's stride may leave out pixels at the border.
        return reduced(spoilt_by(torch.stack(distances).sum(dim=0), image, target), self.reduction)

    def _maps(self, image: Tensor) -> list[Tensor]:
        """The maps of every layer, each position divided by its length over channels."""
        hidden = image.to(self.mean.dtype).contiguous(memory_format=torch.channels_last)
        hidden = (hidden - self.mean) / self.std
        maps: list[Tensor] = []
        for stage in self.stages:
            hidden = stage(hidden)
            # The package divides by a root whose slope is infinite where a layer sees nothing.
            maps.append(unit_length(in_full_precision(hidden)))
        return maps

    def _check(self, image: Tensor, target: Tensor) -> None:
        check_tensors(image=image, target=target)
        if image.shape != target.shape:
            raise ValueError(f"expected two images of one shape, got {tuple(image.shape)} and {tuple(target.shape)}")
        if image.ndim != 4 or image.shape[1] != 3 or not (image.is_floating_point() and target.is_floating_point()):
            got = f"{tuple(image.shape)} {image.dtype} and {target.dtype}"
            raise ValueError(f"expected floating-point RGB images (N, 3, H, W), got {got}")
        smallest = SMALLEST[self.network]
        if min(image.shape[-2:]) < smallest:
            raise ValueError(
                f"{self.network} needs images of at least {smallest}x{smallest} pixels, got {tuple(image.shape)}"
            )


def _stages(network: Backbone, state: Mapping[str, Tensor]) -> nn.ModuleList:
    """The network's convolutional part up to the last layer compared, cut after each one compared."""
    # Here, because importing torchvision takes a second that only this loss needs.
    from torchvision import models  # pyright: ignore[reportMissingTypeStubs]

    with torch.device("meta"):
        features = cast(nn.Sequential, getattr(models, NETWORKS[network])(weights=None).features)
    features = features[: TAPS[network][-1] + 1].to_empty(device="cpu")
    own: dict[str, Tensor] = {}
    for key, tensor in features.state_dict().items():
        given = state.get(f"features.{key}")
        if given is None or given.shape != tensor.shape:
            got = "nothing" if given is None else str(tuple(given.shape))
            expected = f"expected {NETWORKS[network]}'s 'features.{key}' {tuple(tensor.shape)}"
            raise ValueError(f"weights: {expected}, got {got}")
        own[key] = given
    features.load_state_dict(own)
    ends = [tap + 1 for tap in TAPS[network]]
    return nn.ModuleList(features[start:end] for start, end in zip([0, *ends], ends, strict=False))


def _heads(network: Backbone) -> list[Tensor]:
    """The fitted weights (1, C, 1, 1) of every layer, from the `lpips` package's files; its code is not run."""
    package = find_spec("lpips")
    if package is None or package.origin is None:
        raise RuntimeError("LPIPSLoss needs the package `lpips`, which holds its weights: pip install lpips")
    file = Path(package.origin).parent / "weights" / "v0.1" / f"{network}.pth"
    state = cast(dict[str, Any], torch.load(file, map_location="cpu", weights_only=True))
    return [state[f"lin{number}.model.1.weight"] for number in range(len(TAPS[network]))]
