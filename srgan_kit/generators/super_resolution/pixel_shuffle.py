"""What the super-resolvers without batch norm have in common: 3x3 head and tail, pixel shuffle, interpolated image."""

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.super_resolution.settings import SRSettings

ImageSkip = Literal["bilinear", "nearest"]


class PixelShuffleSettings(SRSettings):
    """Settings of `PixelShuffleSR` and its like."""

    scale: Literal[1, 2, 3, 4, 8] = 4
    """Upscaling factor; 1 restores an image at its own size."""
    channels: int = Field(default=64, ge=1)
    """Width of the trunk."""
    image_skip: ImageSkip = "bilinear"
    """How the input is interpolated before the residual is added."""


class PixelShuffleSR(nn.Module):
    """Head, blocks, tail, image skip, around blocks of any kind that map (N, C, H, W) to (N, C, H, W).

    (N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale), nominally [0, 1].

    y = up(x) + shuffle(tail(blocks(head(x - 1/2))))

    Args:
        blocks: the blocks in order.
        scale: upscaling factor.
        channels: their width.
        image_skip: how `up` interpolates the input.
        image_channels: C, of the images.
    """

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        scale: int,
        channels: int,
        image_skip: ImageSkip,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.image_skip: ImageSkip = image_skip
        self.head = nn.Conv2d(image_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*blocks)
        self.tail = sub_pixel_tail(channels, scale, image_channels)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale)."""
        low = self.tail(self.body(self.head(image - 0.5)))
        return add_to_image(image, low, self.scale, self.image_skip)


def sub_pixel_tail(channels: int, scale: int, image_channels: int = 3) -> nn.Conv2d:
    """The convolution before the pixel shuffle (Shi et al. 2016, arXiv:1609.05158, sec. 3.2); it starts close to 0."""
    tail = nn.Conv2d(channels, image_channels * scale**2, 3, padding=1)
    with torch.no_grad():  # start close to the interpolated image
        tail.weight.mul_(0.1)
        tail.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
    return tail


def add_to_image(image: Tensor, low: Tensor, scale: int, image_skip: ImageSkip) -> Tensor:
    """The interpolated image plus what the tail made, (N, C, h, w) and (N, C scale², h, w) -> (N, C, h scale, w scale).

    Both stay in fp32 under autocast: reduced precision carries the residual only, so it cannot band smooth gradients.
    """
    if scale == 1:
        return image.float() + low
    return _interpolated(image.float(), scale, image_skip).add_(F.pixel_shuffle(low, scale))


def _interpolated(image: Tensor, scale: int, mode: ImageSkip) -> Tensor:
    if mode == "nearest":
        return F.interpolate(image, scale_factor=scale, mode="nearest")
    return F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)
