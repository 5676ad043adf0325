"""Perceptual losses: distances between what a network sees in two images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ._frozen import freeze, keep_weights_out
from ._range import RangeWarning
from ._settings import function, names, number, one_of, positive, shown
from ._tensors import (
    Reduction,
    check_floating_point,
    check_tensors,
    checked_reduction,
    in_full_precision,
    reduced,
    spoilt_by,
)
from .distances import Distance, checked_distance, sample_distances
from .networks.pretrained_weights import Weights
from .networks.vgg import VGGFeatures
from .networks.vgg_weights import Network

Extractor = Callable[[Tensor], Mapping[str, Tensor]]
"""Images (N, C, H, W) -> named feature maps (N, ...)."""

SRGAN_SCALE = 1 / 12.75
"""What SRGAN multiplies VGG maps by, so that the loss is of the size of a pixel loss (arXiv:1609.04802, sec. 3.2)."""


@dataclass(frozen=True)
class FeatureSettings:
    """What a paper chose for its feature loss."""

    layers: Mapping[str, float] = field(default_factory=lambda: {"conv5_4": 1.0})
    """Layers of VGG19, each with its weight."""
    distance: Distance = "l1"
    """Distance between maps."""
    scale: float = 1.0
    """What the maps are multiplied by."""


PRESETS: dict[str, FeatureSettings] = {
    "srgan": FeatureSettings({"relu5_4": 1.0}, "l2", SRGAN_SCALE),
    "srgan-vgg22": FeatureSettings({"relu2_2": 1.0}, "l2", SRGAN_SCALE),
    "esrgan": FeatureSettings({"conv5_4": 1.0}, "l1"),
    "real-esrgan": FeatureSettings({"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1, "conv4_4": 1, "conv5_4": 1}, "l1"),
}
"""SRGAN (arXiv:1609.04802, sec. 3.4), ESRGAN (arXiv:1809.00219, sec. 3.3), Real-ESRGAN (arXiv:2107.10833, sec. 4.1)."""


def feature_distance(
    features: Mapping[str, Tensor],
    target_features: Mapping[str, Tensor],
    weights: Mapping[str, float],
    distance: Distance = "l1",
    scale: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Weighted sum of the distances between two images' feature maps, in [0, inf).

    Two {layer: (N, ...)} with at least the layers of `weights` -> scalar, or (N,) with reduction "none", in fp32 at
    least.

    sum_l weight_l * distance(scale * phi_l(image), scale * phi_l(target))

    Raises:
        TypeError: a map is not a tensor, or what should be a mapping is none.
        ValueError: a layer is missing, shapes differ, a map is not floating-point, a weight is not a finite number, the
            scale not positive, or an unknown distance or reduction.

    >>> feature_distance({"a": torch.ones(1, 2)}, {"a": torch.zeros(1, 2)}, {"a": 0.5})
    tensor(0.5000)
    """
    checked_distance(distance)
    checked_reduction(reduction)
    positive("scale", scale)
    for name, given in (("features", features), ("target_features", target_features), ("weights", weights)):
        if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{name}: expected one value for each layer's name, got {type(given).__name__}")
    for layer, weight in weights.items():
        if not isinstance(weight, Tensor):  # which may be learned
            number(f"weights: of {layer!r}", weight)
    missing = [layer for layer in weights if layer not in features or layer not in target_features]
    if missing or not weights:
        layers = f"layers {', '.join(weights)}" if weights else "at least one layer"
        raise ValueError(f"expected features of {layers}; got {', '.join(features)} and {', '.join(target_features)}")
    terms: list[Tensor] = []
    for layer, weight in weights.items():
        maps, wanted = features[layer], target_features[layer]
        check_floating_point(features=maps, target_features=wanted)
        own, other = (in_full_precision(each) * scale for each in (maps, wanted))
        terms.append(weight * reduced(sample_distances(own, other, distance), reduction))
    return torch.stack(terms).sum(dim=0)


def features_of(extractor: Extractor, image: Tensor) -> Mapping[str, Tensor]:
    """What an extractor gives; one that is a module is frozen.

    Raises:
        TypeError: no mapping to tensors.
    """
    if isinstance(extractor, nn.Module):
        freeze(extractor)
    maps: object = extractor(image)
    if not isinstance(maps, Mapping):
        raise TypeError(f"extractor: expected it to give {{name: tensor}}, got {type(maps).__name__}")
    check_tensors(**cast(Mapping[str, object], maps))
    return cast(Mapping[str, Tensor], maps)


def features_without_gradient(extractor: Extractor, target: Tensor) -> dict[str, Tensor]:
    """A target's features: nothing is kept for a backward pass."""
    with torch.no_grad():
        # Detached too: one of the maps may be the target itself.
        return {name: maps.detach() for name, maps in features_of(extractor, target).items()}


class FeatureLoss(nn.Module):
    """Distance between the feature maps that any network gives of two images, in [0, inf).

    Two images as the extractor takes them -> scalar, or (N,) with reduction "none": see `feature_distance`. Gradients
    reach the image; the target gets none. An extractor that is a module is frozen, in evaluation mode for good, and
    stays out of this loss's state dict. DeePSiM's comparator is one with
    distance "euclidean" (Dosovitskiy and Brox 2016, arXiv:1602.02644, eq. 2).

    Args:
        extractor: from images to named feature maps.
        layers: {name: weight}; None takes every map with weight 1.
        distance: "l1", "l2", "charbonnier", or "euclidean" (half the sum of squares over a sample).
        scale: what the maps are multiplied by; "l2" and "euclidean" change by its square.
        reduction: over the batch.

    Raises:
        TypeError: an extractor that cannot be called.
        ValueError: an unknown distance or reduction, no layer; from forward, a layer that the extractor does not give.

    >>> loss = FeatureLoss(lambda image: {"mean": image.mean(dim=(2, 3))})
    >>> loss(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
    tensor(1.)
    """

    def __init__(
        self,
        extractor: Extractor,
        layers: Mapping[str, float] | None = None,
        distance: Distance = "l1",
        scale: float = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.extractor = frozen(extractor)
        self.layer_weights = None if layers is None else weighted(layers)
        self.distance: Distance = checked_distance(distance)
        self.scale = positive("scale", scale)
        self.reduction: Reduction = checked_reduction(reduction)
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return f"layers={self.layer_weights}, {shown(self, 'distance', 'scale', 'reduction')}"

    def train(self, mode: bool = True) -> "FeatureLoss":
        """Does nothing: there is nothing here to train."""
        return super().train(False)

    def features_of(self, target: Tensor) -> dict[str, Tensor]:
        """A target's features, to be given to `forward` more than once."""
        return features_without_gradient(self.extractor, target)

    def forward(self, image: Tensor, target: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Two images, or an image and the features of a target -> scalar, or (N,) with reduction "none"."""
        seen, wanted = look(image, target, self.features_of)
        maps = features_of(self.extractor, image)
        weights = dict.fromkeys(maps, 1.0) if self.layer_weights is None else self.layer_weights
        value = feature_distance(maps, wanted, weights, self.distance, self.scale, self.reduction)
        return spoilt_by(value, *seen)


class VGGFeatureLoss(nn.Module):
    """Distance between the VGG feature maps of two images, in [0, inf).

    Two (N, 3, H, W) RGB in [0, 1] -> scalar, or (N,) with reduction "none": see `feature_distance`; phi_l are the maps
    of layer l of a VGG that sees the image as ImageNet's were prepared. Gradients reach the image, through frozen
    weights, which stay out of the state dict; the target gets none.
    Johnson et al. 2016, arXiv:1603.08155, sec. 3.2; SRGAN (Ledig et al. 2017, arXiv:1609.04802, eq. 5) and others by
    name: `VGGFeatureLoss.preset("srgan")`, see `PRESETS`.

    Args:
        layers: a layer's name, several names of weight 1, or {name: weight}. `convX_Y` is before its activation,
            `reluX_Y` after it, `poolX` after the block's pooling.
        network: "vgg19" or "vgg16".
        distance: "l1", "l2", "charbonnier", or "euclidean" (half the sum of squares over a sample).
        weights: None for torchvision's ImageNet weights; or a state dict or a file of one, see `VGGFeatures`.
        scale: what the maps are multiplied by; "l2" and "euclidean" change by its square.
        reduction: over the batch.

    Raises:
        ValueError: an unknown name, unsuitable weights, a layer deeper than the weights reach; from forward, images of
            different shapes, not RGB or too small.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded; the message says what to fetch.

    >>> random_vgg = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    >>> loss = VGGFeatureLoss("relu1_1", weights=random_vgg)
    >>> image = torch.rand(1, 3, 8, 8)
    >>> loss(image, image)
    tensor(0.)
    """

    def __init__(
        self,
        layers: str | Sequence[str] | Mapping[str, float] = "conv5_4",
        network: Network = "vgg19",
        distance: Distance = "l1",
        weights: Weights = None,
        scale: float = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.distance: Distance = checked_distance(distance)
        self.scale = positive("scale", scale)
        self.reduction: Reduction = checked_reduction(reduction)
        self.layer_weights = weighted(layers)
        self.network: Network = network
        self.features = VGGFeatures(self.layer_weights, network, weights)
        self.warn = RangeWarning()
        keep_weights_out(self)

    @classmethod
    def preset(
        cls,
        name: Literal["srgan", "srgan-vgg22", "esrgan", "real-esrgan"],
        weights: Weights = None,
        reduction: Reduction = "mean",
    ) -> "VGGFeatureLoss":
        """The loss of that paper, on VGG19.

        Raises:
            ValueError: no such preset.
        """
        chosen = PRESETS[one_of("preset", name, PRESETS)]
        return cls(chosen.layers, distance=chosen.distance, weights=weights, scale=chosen.scale, reduction=reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return f"layers={self.layer_weights}, {shown(self, 'network', 'distance', 'scale', 'reduction')}"

    def features_of(self, target: Tensor) -> dict[str, Tensor]:
        """A target's features, to be given to `forward` more than once."""
        features = features_without_gradient(self.features, target)
        self.warn("VGGFeatureLoss", target)
        return features

    def forward(self, image: Tensor, target: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Two (N, 3, H, W) RGB in [0, 1], or one and a target's features -> scalar, or (N,) with reduction "none"."""
        check_tensors(image=image)
        if isinstance(target, Tensor) and image.shape != target.shape:
            raise ValueError(f"expected two images of one shape, got {tuple(image.shape)} and {tuple(target.shape)}")
        seen, wanted = look(image, target, self.features_of)
        maps = self.features(image)
        self.warn("VGGFeatureLoss", *seen)
        value = feature_distance(maps, wanted, self.layer_weights, self.distance, self.scale, self.reduction)
        return spoilt_by(value, *seen)


def weighted(layers: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """{name: weight} of a name, of several of weight 1, or of that itself.

    Raises:
        ValueError: no layer, what is none, or a weight that is not a finite number.
    """
    listed = names("layers", layers)
    if not listed:
        raise ValueError("layers: expected at least one, got none")
    weights = layers if isinstance(layers, Mapping) else dict.fromkeys(listed, 1.0)
    return {name: number(f"layers: weight of {name!r}", weight) for name, weight in weights.items()}


def look(
    image: Tensor, target: Tensor | Mapping[str, Tensor], view: Callable[[Tensor], Mapping[str, Tensor]]
) -> tuple[list[Tensor], Mapping[str, Tensor]]:
    """The images among the two, and the target's view: the given one, or what `view` makes of an image.

    Raises:
        TypeError: neither images nor, for the target, a mapping.
    """
    check_tensors(image=image)
    if isinstance(target, Mapping):
        return [image], target
    check_tensors(target=target)
    return [image, target], view(target)


def frozen(extractor: Extractor) -> Extractor:
    """The extractor; if it is a module, without gradients for its weights and in evaluation mode.

    Raises:
        TypeError: it cannot be called.
    """
    function("extractor", extractor)
    if isinstance(extractor, nn.Module):
        freeze(extractor)
    return extractor
