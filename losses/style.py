"""Style: which features occur together in an image, wherever they are."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ._frozen import keep_weights_out
from ._range import RangeWarning
from ._settings import shown
from ._tensors import Reduction, check_tensors, checked_reduction, in_full_precision, reduced, spoilt_by
from .networks.pretrained_weights import Weights
from .networks.vgg import VGGFeatures
from .networks.vgg_weights import Network
from .perceptual import Extractor, features_of, features_without_gradient, frozen, look, weighted

GATYS_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def gram_matrix(maps: Tensor) -> Tensor:
    """Mean products of channels: (N, C, H, W) -> (N, C, C), symmetric, in fp32 at least.

    G_ij = sum_{h, w} maps_i maps_j / (C H W), so that neither the image's size nor the width of the layer changes its
    magnitude.    Johnson et al. 2016, eq. 3, arXiv:1603.08155

    Raises:
        ValueError: not floating-point (N, C, H, W).

    >>> gram_matrix(torch.ones(1, 2, 4, 4))
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    check_tensors(maps=maps)
    if maps.ndim != 4 or not maps.is_floating_point():
        raise ValueError(f"expected floating-point maps (N, C, H, W), got {tuple(maps.shape)} {maps.dtype}")
    with torch.autocast(maps.device.type, enabled=False):  # sums over all pixels need the digits
        rows = in_full_precision(maps).flatten(2)
        return rows @ rows.mT / rows[0].numel()


def style_distance(
    features: Mapping[str, Tensor],
    target_grams: Mapping[str, Tensor],
    weights: Mapping[str, float],
    reduction: Reduction = "mean",
) -> Tensor:
    """Weighted sum over layers of the squared distances between Gram matrices, in [0, inf); mean over the batch.

    {layer: (N, C, H, W)} and {layer: (N, C, C)} -> scalar, or (N,) with reduction "none"; the images may differ in
    size.

    sum_l weight_l E ||gram(phi_l(image)) - gram(phi_l(target))||^2

    Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks", eq. 4-5 (their constant
    belongs to the weights); Johnson et al. 2016, eq. 4, arXiv:1603.08155

    Raises:
        ValueError: a layer's Gram matrices are missing or of another shape.

    >>> style_distance({"a": torch.ones(1, 1, 2, 2)}, {"a": torch.zeros(1, 1, 1)}, {"a": 1.0})
    tensor(1.)
    """
    terms: list[Tensor] = []
    for layer, weight in weights.items():
        if layer not in target_grams:
            raise ValueError(f"target: expected Gram matrices of {layer}, got {', '.join(target_grams)}")
        gram, wanted = gram_matrix(features[layer]), target_grams[layer]
        if gram.shape != wanted.shape:
            shapes = f"{tuple(gram.shape)}, got {tuple(wanted.shape)}"
            raise ValueError(f"target: expected Gram matrices of the image's shape {shapes}")
        terms.append(weight * reduced((gram - wanted).square().sum(dim=(1, 2)), reduction))
    return torch.stack(terms).sum(dim=0)


class StyleLoss(nn.Module):
    """`style_distance` on the layers of a VGG, or of any other frozen network.

    Two (N, 3, H, W) RGB in [0, 1], the second of any size -> scalar, or (N,) with reduction "none". Gradients reach the
    image; the target gets none. The network stays out of the state dict.

    Args:
        layers: a layer's name, several names of weight 1, or {name: weight}; as in `VGGFeatureLoss`.
        network: "vgg19" or "vgg16".
        weights: None for torchvision's; or a state dict or a file of one.
        extractor: a network of your own, from images to named maps (N, C, H, W), instead of the VGG.
        reduction: over the batch.

    Raises:
        ValueError, RuntimeError: as `VGGFeatureLoss`.

    >>> random_vgg = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    >>> loss = StyleLoss("relu1_1", weights=random_vgg)
    >>> image = torch.rand(1, 3, 8, 8)
    >>> loss(image, image)
    tensor(0.)
    """

    def __init__(
        self,
        layers: str | Sequence[str] | Mapping[str, float] = GATYS_LAYERS,
        network: Network = "vgg19",
        weights: Weights = None,
        extractor: Extractor | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.layer_weights = weighted(layers)
        self.reduction: Reduction = checked_reduction(reduction)
        self.extractor = frozen(VGGFeatures(self.layer_weights, network, weights) if extractor is None else extractor)
        self.warn = RangeWarning() if extractor is None else None  # another network may want another range
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return f"layers={self.layer_weights}, {shown(self, 'reduction')}"

    def train(self, mode: bool = True) -> "StyleLoss":
        """Does nothing: there is nothing here to train."""
        return super().train(False)

    def grams_of(self, target: Tensor) -> dict[str, Tensor]:
        """A target's Gram matrices, to be given to `forward` more than once."""
        maps = features_without_gradient(self.extractor, target)
        if self.warn:
            self.warn("StyleLoss", target)
        return {layer: gram_matrix(self._map(maps, layer)) for layer in self.layer_weights}

    def forward(self, image: Tensor, target: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Two images, or an image and a target's Gram matrices -> scalar, or (N,) with reduction "none"."""
        seen, wanted = look(image, target, self.grams_of)
        maps = features_of(self.extractor, image)
        if self.warn:
            self.warn("StyleLoss", *seen)
        own = {name: self._map(maps, name) for name in self.layer_weights}
        return spoilt_by(style_distance(own, wanted, self.layer_weights, self.reduction), *seen)

    def _map(self, maps: Mapping[str, Tensor], layer: str) -> Tensor:
        if layer not in maps:
            raise ValueError(f"layers: expected some of the extractor's {', '.join(maps)}; got {layer!r}")
        return maps[layer]
