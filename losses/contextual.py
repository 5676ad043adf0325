"""The contextual loss: each feature of the target should be found somewhere in the image, not in the same place."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ._frozen import keep_weights_out
from ._range import RangeWarning
from ._settings import positive, shown
from ._tensors import (
    Reduction,
    check_tensors,
    checked_reduction,
    in_full_precision,
    reduced,
    spoilt_by,
    unit_length,
)
from .networks.pretrained_weights import Weights
from .networks.vgg import VGGFeatures
from .networks.vgg_weights import Network
from .perceptual import Extractor, features_of, features_without_gradient, frozen, weighted

EPS = 1e-5


def contextual(
    features: Tensor, target_features: Tensor, bandwidth: float = 0.5, reduction: Reduction = "mean"
) -> Tensor:
    """How badly the target's features are found among the image's, in [0, inf); 0 where each has one match of its own.

    (N, C, H, W) and (N, C, h, w) -> scalar, or (N,) with reduction "none". With d_ij the cosine distances of the
    image's feature i and the target's j, both less the target's mean feature:

    w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / bandwidth),  CX = mean_j max_i w_ij / sum_k w_ik,  -log CX

    Memory grows with H W h w. Mechrez, Talmi and Zelnik-Manor 2018, "The contextual loss for image transformation with
    non-aligned data", eq. 1-5, arXiv:1803.02077

    Raises:
        ValueError: not floating-point (N, C, H, W), other numbers of images or channels, a bandwidth not positive,
            or an unknown reduction.

    >>> maps = torch.eye(4).reshape(1, 4, 2, 2)
    >>> contextual(maps, maps, bandwidth=0.1) < 1e-5
    tensor(True)
    """
    positive("bandwidth", bandwidth)
    checked_reduction(reduction)
    check_tensors(features=features, target_features=target_features)
    if features.ndim != 4 or target_features.ndim != 4 or features.shape[:2] != target_features.shape[:2]:
        shapes = f"{tuple(features.shape)} and {tuple(target_features.shape)}"
        raise ValueError(f"expected maps (N, C, H, W) and (N, C, h, w), got {shapes}")
    if not (features.is_floating_point() and target_features.is_floating_point()):
        raise ValueError(f"expected floating-point maps, got {features.dtype} and {target_features.dtype}")
    with torch.autocast(features.device.type, enabled=False):
        dtype = torch.promote_types(features.dtype, target_features.dtype)
        image, target = (in_full_precision(maps.to(dtype)).flatten(2) for maps in (features, target_features))
        center = target.mean(dim=2, keepdim=True)
        image, target = unit_length(image - center), unit_length(target - center)
        distance = (1 - image.mT @ target).clamp(min=0)
        relative = distance / (distance.amin(dim=2, keepdim=True) + EPS)
        similarity = torch.softmax((1 - relative) / bandwidth, dim=2)
        values = -similarity.amax(dim=1).mean(dim=1).log()
    return reduced(values, reduction)


class ContextualLoss(nn.Module):
    """`contextual` on the layers of a VGG, or of any other frozen network.

    Two (N, 3, H, W) RGB in [0, 1], the second of any size -> scalar, or (N,) with reduction "none". Gradients reach the
    image; the target gets none. The network stays out of the state dict.

    Args:
        layers: a layer's name, several names of weight 1, or {name: weight}; deep ones, or memory runs out.
        bandwidth: how much the best match stands out.
        network: "vgg19" or "vgg16".
        weights: None for torchvision's; or a state dict or a file of one.
        extractor: a network of your own, from images to named maps (N, C, H, W), instead of the VGG.
        reduction: over the batch.

    Raises:
        ValueError, RuntimeError: as `VGGFeatureLoss`.

    >>> loss = ContextualLoss("pixels", extractor=lambda image: {"pixels": image})
    >>> image = torch.rand(1, 3, 8, 8)
    >>> loss(image, image) < loss(image, torch.rand(1, 3, 8, 8))
    tensor(True)
    """

    def __init__(
        self,
        layers: str | Sequence[str] | Mapping[str, float] = "conv4_2",
        bandwidth: float = 0.5,
        network: Network = "vgg19",
        weights: Weights = None,
        extractor: Extractor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.layer_weights = weighted(layers)
        self.bandwidth = positive("bandwidth", bandwidth)
        self.reduction: Reduction = checked_reduction(reduction)
        self.extractor = frozen(VGGFeatures(self.layer_weights, network, weights) if extractor is None else extractor)
        self.warn = RangeWarning() if extractor is None else None  # another network may want another range
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return f"layers={self.layer_weights}, {shown(self, 'bandwidth', 'reduction')}"

    def train(self, mode: bool = True) -> "ContextualLoss":
        """Does nothing: there is nothing here to train."""
        return super().train(False)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Two (N, 3, H, W) RGB in [0, 1] -> scalar, or (N,) with reduction "none"."""
        check_tensors(image=image, target=target)
        wanted, maps = features_without_gradient(self.extractor, target), features_of(self.extractor, image)
        missing = [layer for layer in self.layer_weights if layer not in maps]
        if missing:
            raise ValueError(f"layers: expected some of the extractor's {', '.join(maps)}; got {missing[0]!r}")
        if self.warn:
            self.warn("ContextualLoss", image, target)
        terms = [
            weight * contextual(maps[layer], wanted[layer], self.bandwidth, self.reduction)
            for layer, weight in self.layer_weights.items()
        ]
        return spoilt_by(torch.stack(terms).sum(dim=0), image, target)
