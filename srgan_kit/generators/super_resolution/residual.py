"""Residual super-resolver for fast CPUs: groups of plain convolutions, one pixel shuffle, an image skip."""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.generators.super_resolution.pixel_shuffle import (
    ImageSkip,
    PixelShuffleSettings,
    add_to_image,
    sub_pixel_tail,
)
from srgan_kit.settings import Depth


class ResidualSRConfig(PixelShuffleSettings):
    """Residual groups of plain convolutions, without batch norm."""

    name: Literal["residual"] = "residual"
    """Which generator this is."""
    groups: Depth = 6
    """Residual groups."""
    convolutions: Depth = 3
    """Convolutions in a group; 2 gives SRResNet's blocks without batch norm."""
    latent: int = Field(default=0, ge=0)
    """Size of a latent vector that modulates every group; a run sets it from [latent]."""
    takes_latent: ClassVar[bool] = True

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "ResidualSR":
        """A new network with random weights."""
        of_run = {"latent": spec.latent or self.latent, "image_channels": self.channels_for(spec)}
        return ResidualSR(**(self.values() | of_run))  # pyright: ignore


class ResidualGroup(nn.Module):
    """`convolutions` times (3x3 convolution, ReLU), then one skip over all of them.

    (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, convolutions: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(convolutions))

    def forward(self, x: Tensor) -> Tensor:
        hidden = x
        for convolution in self.convolutions:
            hidden = F.relu(convolution(hidden), inplace=True)
        return x + hidden


class ResidualSR(nn.Module):
    """SRResNet's idea without batch norm: 3x3 head, residual groups, one pixel-shuffle tail, interpolated image skip.

    (N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale), nominally [0, 1].

    y = up(x) + shuffle(tail(groups(head(x - 1/2))))

    Batch normalisation is left out as in EDSR (Lim et al. 2017, arXiv:1707.02921, sec. 3.1), all work is done at low
    resolution. Few skips per convolution keep the time in the convolutions instead of in memory traffic.

    Args:
        scale: upscaling factor.
        channels: width of the trunk.
        groups: number of residual groups.
        convolutions: convolutions in each group; 2 gives the block layout of SRResNet and EDSR.
        image_skip: how `up` interpolates the input.
        latent: size of a vector that scales and shifts what each group adds; 0 for none. It starts without effect.
        image_channels: C, of the images.
    """

    def __init__(
        self,
        scale: int = 4,
        channels: int = 64,
        groups: int = 6,
        convolutions: int = 3,
        image_skip: ImageSkip = "bilinear",
        latent: int = 0,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.image_skip: ImageSkip = image_skip
        self.head = nn.Conv2d(image_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualGroup(channels, convolutions) for _ in range(groups)))
        self.tail = sub_pixel_tail(channels, scale, image_channels)
        self.latent = nn.Linear(latent, 2 * channels * groups) if latent else None
        if self.latent is not None:
            nn.init.zeros_(self.latent.weight)
            nn.init.zeros_(self.latent.bias)

    def forward(self, image: Tensor, latent: Tensor | None = None) -> Tensor:
        """(N, C, h, w) in [0, 1], and (N, latent), by default zeros -> (N, C, h * scale, w * scale)."""
        hidden = self.head(image - 0.5)
        hidden = self.body(hidden) if self.latent is None else self._modulated(hidden, latent)
        return add_to_image(image, self.tail(hidden), self.scale, self.image_skip)

    def _modulated(self, hidden: Tensor, latent: Tensor | None) -> Tensor:
        assert self.latent is not None
        if latent is None:
            latent = hidden.new_zeros(len(hidden), self.latent.in_features)
        for group, (scale, shift) in zip(self.body, self._settings(latent), strict=True):
            added = group(hidden) - hidden
            hidden = hidden + added * (1 + scale) + shift
        return hidden

    def _settings(self, latent: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(N, C, 1, 1) scale and shift for each group."""
        assert self.latent is not None
        rows = self.latent(latent).view(len(latent), len(self.body), 2, -1, 1, 1)
        return [(row[:, 0], row[:, 1]) for row in rows.unbind(1)]
