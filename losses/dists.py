"""DISTS: structure and texture of feature maps compared by weights that were fitted to what people see."""

from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn

from ._frozen import keep_weights_out
from ._range import RangeWarning
from ._settings import shown
from ._tensors import Reduction, check_floating_point, checked_reduction, in_full_precision, reduced, spoilt_by
from .networks.pretrained_weights import Weights, read_weights
from .networks.vgg import VGGFeatures

EPS = 1e-6
CHANNELS = {"image": 3, "relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512}
"""The maps compared, of the image itself and of VGG16, and their channels, in the order of the weights' files."""


def structure_and_texture(
    features: Mapping[str, Tensor],
    target_features: Mapping[str, Tensor],
    alpha: Mapping[str, Tensor],
    beta: Mapping[str, Tensor],
    reduction: Reduction = "mean",
) -> Tensor:
    """Weighted distance of the means (texture) and of the co-variation (structure) of every channel, in [0, 2].

    Two {map: (N, C, H, W)} of one shape, and two {map: (C,)} weights that are not negative and together 1 -> scalar, or
    (N,) with reduction "none". With mean m, variance s^2 and covariance s12 of a channel over all its places:

    1 - sum over maps and channels of alpha (2 m1 m2 + 1e-6) / (m1^2 + m2^2 + 1e-6)
                                     + beta (2 s12 + 1e-6) / (s1^2 + s2^2 + 1e-6)

    Ding et al. 2020, "Image quality assessment: unifying structure and texture similarity", sec. 2.3, arXiv:2004.07728

    Raises:
        TypeError: a map is not a tensor.
        ValueError: a map is missing, of another shape or not floating-point, weights of other maps or channels, or an
            unknown reduction.

    >>> flat, one = {"a": torch.ones(1, 1, 2, 2)}, {"a": torch.ones(1)}
    >>> structure_and_texture(flat, flat, one, {"a": torch.zeros(1)})
    tensor(0.)
    """
    checked_reduction(reduction)
    if not alpha or alpha.keys() != beta.keys():
        names = f"{', '.join(alpha) or 'none'} and {', '.join(beta) or 'none'}"
        raise ValueError(f"alpha, beta: expected weights of the same maps, at least one; got {names}")
    similarity: list[Tensor] = []
    for name, weight in alpha.items():
        if name not in features or name not in target_features:
            got = f"{', '.join(features)} and {', '.join(target_features)}"
            raise ValueError(f"expected maps of {', '.join(alpha)} for weights of each; got {got}")
        check_floating_point(features=features[name], target_features=target_features[name])
        own, wanted = in_full_precision(features[name]), in_full_precision(target_features[name])
        if own.ndim != 4 or own.shape != wanted.shape:
            shapes = f"{tuple(own.shape)} and {tuple(wanted.shape)}"
            raise ValueError(f"expected maps (N, C, H, W) of one shape, got {shapes}")
        for kind, given in (("alpha", weight), ("beta", beta[name])):
            check_floating_point(**{kind: given})
            if given.shape != own.shape[1:2]:
                raise ValueError(f"{kind}: expected {own.shape[1]} weights of {name!r}, got {tuple(given.shape)}")
        mean, wanted_mean = own.mean(dim=(2, 3)), wanted.mean(dim=(2, 3))
        # Around their means: the paper's E[xy] - E[x] E[y] would lose the digits that count.
        own, wanted = own - mean[..., None, None], wanted - wanted_mean[..., None, None]
        variances = (own.square() + wanted.square()).mean(dim=(2, 3))
        texture = (2 * mean * wanted_mean + EPS) / (mean.square() + wanted_mean.square() + EPS)
        structure = (2 * (own * wanted).mean(dim=(2, 3)) + EPS) / (variances + EPS)
        similarity.append((weight * texture + beta[name] * structure).sum(dim=1))
    return reduced(1 - torch.stack(similarity).sum(dim=0), reduction)


class DISTSLoss(nn.Module):
    """Deep image structure and texture similarity, in [0, 2], nearly always below 1; 0 for equal images.

    Two (N, 3, H, W) RGB in [0, 1] -> scalar, or (N,) with reduction "none": `structure_and_texture` of the images and
    of five maps of a VGG16 whose maxima are `l2_pool`. Textures of the same kind are close, wherever their parts are.
    Gradients reach the image; the target gets none. The authors reduce larger images to 256 pixels on the shorter side
    before they compare them; here none is reduced.
    Ding et al. 2020, arXiv:2004.07728, sec. 2

    Args:
        weights: the fitted weights: a file or a state dict with `alpha` and `beta`, of 1475 numbers each. There is no
            default: the authors' are the file `weights.pt` of their package `dists-pytorch` (12 kB, MIT).
        vgg: of the VGG16: None for torchvision's ImageNet weights; or a state dict or a file of one. The weights were
            fitted to torchvision's: with others, figures are not comparable to published ones.
        reduction: over the batch.

    Raises:
        TypeError: no weights.
        ValueError: unsuitable weights; from forward, images of different shapes, not RGB or too small.
        RuntimeError: torchvision's weights are not at hand and cannot be downloaded; the message says what to fetch.
    """

    def __init__(self, weights: Weights, vgg: Weights = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        if weights is None:
            raise TypeError("weights: expected a state dict or a file with alpha and beta, got None")
        self.reduction: Reduction = checked_reduction(reduction)
        fitted = _fitted(read_weights(weights, "DISTS"), weights if isinstance(weights, str | Path) else None)
        for kind, tensor in fitted.items():
            self.register_buffer(kind, tensor, persistent=False)
        layers = [name for name in CHANNELS if name != "image"]
        self.features = VGGFeatures(layers, "vgg16", vgg, pooling="l2")
        self.warn = RangeWarning()
        keep_weights_out(self)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "reduction")

    def train(self, mode: bool = True) -> "DISTSLoss":
        """Does nothing: there is nothing here to train."""
        return super().train(False)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Two (N, 3, H, W) RGB in [0, 1] -> scalar, or (N,) with reduction "none"; symmetric."""
        check_floating_point(image=image, target=target)
        if image.shape != target.shape:
            raise ValueError(f"expected two images of one shape, got {tuple(image.shape)} and {tuple(target.shape)}")
        with torch.no_grad():
            wanted = {"image": target.detach(), **self.features(target)}
        maps = {"image": image, **self.features(image)}
        self.warn("DISTSLoss", image, target)
        value = structure_and_texture(maps, wanted, self._split("alpha"), self._split("beta"), "none")
        return reduced(spoilt_by(value, image, target), self.reduction)

    def _split(self, kind: str) -> dict[str, Tensor]:
        """{map: (C,)}."""
        weights = self.get_buffer(kind)
        ends = list(accumulate(CHANNELS.values()))
        return {name: weights[end - CHANNELS[name] : end] for name, end in zip(CHANNELS, ends, strict=True)}


def _fitted(state: Mapping[str, Tensor], file: str | Path | None) -> dict[str, Tensor]:
    """`alpha` and `beta`, (1475,) each, divided by their common sum."""
    count, source = sum(CHANNELS.values()), "the weights" if file is None else str(file)
    found: dict[str, Tensor] = {}
    for kind in ("alpha", "beta"):
        if kind not in state or state[kind].numel() != count:
            got = f"of {state[kind].numel()}" if kind in state else f"only {', '.join(map(repr, list(state)[:3]))}"
            raise ValueError(f"weights: expected {source} to hold {kind!r} of {count} numbers, got {got or 'nothing'}")
        found[kind] = state[kind].detach().float().flatten()
        if not (found[kind] >= 0).all() or not found[kind].isfinite().all():
            raise ValueError(f"weights: expected {kind!r} of {source} not to be negative, got {found[kind].min():g}")
    total = found["alpha"].sum() + found["beta"].sum()
    if total == 0:
        raise ValueError(f"weights: expected some of {source} above 0, got none")
    return {kind: tensor / total for kind, tensor in found.items()}
