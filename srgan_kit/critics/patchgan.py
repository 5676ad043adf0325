"""PatchGAN at several scales: pix2pixHD's discriminators (Wang et al. 2018, arXiv:1711.11585, sec. 3.2)."""

from dataclasses import replace
from typing import ClassVar, Literal, Unpack

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.errors import UserError
from srgan_kit.settings import Depth

Normalisation = Literal["instance", "batch", "none"]


class PatchGANCriticConfig(CriticSettings):
    """One score per patch, of the image at several scales."""

    any_size: ClassVar[bool] = True
    name: Literal["patchgan"] = "patchgan"
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer; each after is twice as wide, up to eight times."""
    scales: int = Field(default=3, ge=1, le=6)
    """How many networks, each on the image at half the size of the one before; 1 is the critic of pix2pix."""
    layers: Depth = 3
    """Halvings of each network; with 3 a score is of 70x70 pixels, with 2 of 34x34, with 1 of 16x16."""
    normalisation: Normalisation = "instance"
    """What stands after the inner convolutions; "none" beside techniques.spectral_norm, or with a gradient penalty."""

    def build(self, spec: CriticSpec) -> "PatchGANCritic":
        """A new network with random weights."""
        own = (self.channels, self.scales, self.layers, self.normalisation)
        return PatchGANCritic(*own, spec.image_channels, **self.heads(spec))


class PatchGANCritic(nn.Module):
    """Networks of equal layout and their own weights, each on the image at another scale, each with a map of scores.

    (N, image_channels, H, W) in [0, 1] -> Critique with score (N, scales, h, w), whose coarser maps are repeated to the
    size of the finest, so that every scale has the same part in a mean over scores, and the hidden maps, scale by
    scale. Each network has 4x4 convolutions, LeakyReLU(0.2) after all but the last: `layers` of stride 2, two of stride
    1. A scale is the one before, averaged over 3x3 pixels with stride 2.

    Fine scales see texture, coarse ones whether the whole is one. Unlike the paper's, instance norm has a scale and a
    shift, and the mean over scales is in place of their sum. Where it is to say or see more than the paper's,
    `Heads` on the mean of the deepest map of the coarsest scale are added, and their score to that of every patch.
    Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", sec. 3.2.2, arXiv:1611.07004;
    Wang et al. 2018, arXiv:1711.11585, sec. 3.2 and appendix

    Args:
        channels: width of the first layer; each after is twice as wide, up to eight times.
        scales: how many networks.
        layers: convolutions of stride 2 in each.
        normalisation: after the inner convolutions.
        image_channels: 3 for RGB, 1 for grey.
        heads: what else it says or sees: the keyword arguments of `Heads`.

    Raises:
        UserError: from forward, images too small for the coarsest scale, or a condition of another shape.
    """

    def __init__(
        self,
        channels: int = 64,
        scales: int = 3,
        layers: int = 3,
        normalisation: Normalisation = "instance",
        image_channels: int = 3,
        **heads: Unpack[HeadSettings],
    ) -> None:
        super().__init__()
        self.smallest = 2 ** (scales + 1)
        layout = (image_channels, channels, layers, normalisation)
        self.networks = nn.ModuleList(_patch_network(*layout) for _ in range(scales))
        deepest = channels * min(2**layers, 8)
        self.heads = Heads(deepest, **heads) if any(heads.values()) else None
        self.provides = self.heads.provides if self.heads else frozenset({"features"})

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, H, W) in [0, 1], and a condition if it was built for one -> Critique."""
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest:
            needed = f"at least {self.smallest}x{self.smallest} pixels for its {len(self.networks)} scales"
            raise UserError(f"PatchGANCritic: expected images of {needed}, got {width}x{height}")
        scaled = image * 2 - 1
        scores: list[Tensor] = []
        features: list[Tensor] = []
        for number, network in enumerate(self.networks):
            if number:
                scaled = F.avg_pool2d(scaled, 3, stride=2, padding=1, count_include_pad=False)
            hidden = scaled
            *inner, last = network.children()
            for layer in inner:
                hidden = layer(hidden)
                features.append(hidden)
            scores.append(last(hidden))
        finest = scores[0].shape[-2:]
        score = torch.cat([F.interpolate(each, size=finest, mode="nearest") for each in scores], dim=1)
        if self.heads is None:
            return Critique(score=score, features=features)
        said = self.heads(features[-1].mean(dim=(2, 3)), features, condition)
        return replace(said, score=score + said.score[..., None, None])


def _patch_network(image_channels: int, channels: int, layers: int, normalisation: Normalisation) -> nn.Sequential:
    """Blocks of a convolution, a norm but for the first, and an activation; then a convolution to one score."""
    widths = [channels * min(2**number, 8) for number in range(layers + 1)]
    blocks: list[nn.Module] = []
    before = image_channels
    for number, width in enumerate(widths):
        plain = number == 0 or normalisation == "none"
        stride = 2 if number < layers else 1
        convolution = nn.Conv2d(before, width, 4, stride=stride, padding=2, bias=plain)
        norm = nn.BatchNorm2d(width) if normalisation == "batch" else nn.InstanceNorm2d(width, affine=True)
        blocks.append(nn.Sequential(convolution, *([] if plain else [norm]), nn.LeakyReLU(0.2)))
        before = width
    return nn.Sequential(*blocks, nn.Conv2d(before, 1, 4, padding=2))
