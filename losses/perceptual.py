"""Perceptual losses: distances between what a classifier sees in two images."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ._tensors import in_full_precision
from .pixel import l1, mse
from .vgg import Network, VGGFeatures, Weights

SRGAN_SCALE = 1 / 12.75
"""What SRGAN multiplies VGG maps by, so that the loss is of the size of a pixel loss (arXiv:1609.04802, sec. 3.2)."""

DISTANCES = {"l1": l1, "l2": mse}


class VGGFeatureLoss(nn.Module):
    """Distance between the VGG feature maps of two images, in [0, inf).

    Two (N, 3, H, W) RGB in [0, 1] -> scalar. With phi_l the maps of layer l, prepared for ImageNet's statistics:

    sum_l weight_l * mean(|s phi_l(image) - s phi_l(target)|^p),  p = 1 for "l1", 2 for "l2"

    Gradients reach the image, through frozen weights; the target gets none. Distances are taken in fp32 at least.
    Johnson et al. 2016, arXiv:1603.08155, sec. 3.2; SRGAN (Ledig et al. 2017, arXiv:1609.04802, eq. 5) is "l2" on
    `relu5_4` with scale=SRGAN_SCALE; ESRGAN (Wang et al. 2018, arXiv:1809.00219, sec. 3.3) is "l1" on `conv5_4`.

    Args:
        layers: a layer's name, several names of weight 1, or {name: weight}. `convX_Y` is before its activation,
            `reluX_Y` after it, `poolX` after the block's pooling.
        network: "vgg19" or "vgg16".
        distance: "l1" or "l2".
        weights: None for torchvision's ImageNet weights; or a state dict or a file of one, see `VGGFeatures`.
        scale: s above; it multiplies the maps, so "l2" changes by its square.

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
        distance: Literal["l1", "l2"] = "l1",
        weights: Weights = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if distance not in DISTANCES:
            raise ValueError(f"distance: expected 'l1' or 'l2', got {distance!r}")
        self.layer_weights = _weighted(layers)
        self.features = VGGFeatures(self.layer_weights, network, weights)
        self.distance = distance
        self.scale = scale

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Two (N, 3, H, W) RGB in [0, 1] -> scalar."""
        if image.shape != target.shape:
            raise ValueError(f"expected two images of one shape, got {tuple(image.shape)} and {tuple(target.shape)}")
        with torch.no_grad():
            wanted = self.features(target)
        maps = self.features(image)
        terms = [
            weight * DISTANCES[self.distance](self._scaled(maps[layer]), self._scaled(wanted[layer]))
            for layer, weight in self.layer_weights.items()
        ]
        return torch.stack(terms).sum()

    def _scaled(self, maps: Tensor) -> Tensor:
        return in_full_precision(maps) * self.scale


def _weighted(layers: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    if isinstance(layers, str):
        return {layers: 1.0}
    return dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
