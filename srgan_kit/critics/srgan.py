"""The SRGAN paper's discriminator (Ledig et al. 2017, arXiv:1609.04802, sec. 2.1 and fig. 4)."""

from dataclasses import replace
from typing import Literal, Unpack

from pydantic import Field
from torch import Tensor, nn

from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.errors import UserError


class SRGANCriticConfig(CriticSettings):
    """The SRGAN paper's discriminator."""

    name: Literal["srgan"] = "srgan"
    """Which critic this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the first layer."""

    def build(self, spec: CriticSpec) -> "SRGANCritic":
        """A new network with random weights."""
        return SRGANCritic(self.channels, spec.size, spec.image_channels, **self.heads(spec))


class SRGANCritic(nn.Module):
    """Eight 3x3 convolutions that halve the image four times, then two dense layers: one logit per image.

    (N, image_channels, patch, patch) in [0, 1] -> Critique with score (N, 1) and the eight hidden maps. The paper's
    final sigmoid is left to the loss, which is steadier on logits. Where it is to say or see more than the paper's,
    `Heads` on the mean of the deepest map are added, and their score to its own.

    Args:
        channels: width of the first layer; the last is eight times as wide.
        patch: side of the images, which the dense layers fix.
        image_channels: 3 for RGB, 1 for grey.
        heads: what else it says or sees: the keyword arguments of `Heads`.

    Raises:
        UserError: from forward, images or a condition of another shape.
    """

    def __init__(
        self, channels: int = 64, patch: int = 96, image_channels: int = 3, **heads: Unpack[HeadSettings]
    ) -> None:
        super().__init__()
        self.patch = patch
        layers = [nn.Sequential(nn.Conv2d(image_channels, channels, 3, padding=1), nn.LeakyReLU(0.2))]
        for before, after, stride in [(1, 1, 2), (1, 2, 1), (2, 2, 2), (2, 4, 1), (4, 4, 2), (4, 8, 1), (8, 8, 2)]:
            layers.append(_convolution(channels * before, channels * after, stride))
        self.convolutions = nn.ModuleList(layers)
        side = -(-patch // 16)  # each of the four strides of 2 rounds up
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(8 * channels * side**2, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1)
        )
        self.heads = Heads(8 * channels, **heads) if any(heads.values()) else None
        self.provides = self.heads.provides if self.heads else frozenset({"features"})

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, patch, patch) in [0, 1], and a condition if it was built for one -> Critique."""
        height, width = image.shape[-2:]
        if (height, width) != (self.patch, self.patch):
            raise UserError(f"SRGANCritic: expected images of {self.patch}x{self.patch} pixels, got {width}x{height}")
        hidden = image * 2 - 1
        features: list[Tensor] = []
        for convolution in self.convolutions:
            hidden = convolution(hidden)
            features.append(hidden)
        score = self.dense(hidden)
        if self.heads is None:
            return Critique(score=score, features=features)
        said = self.heads(hidden.mean(dim=(2, 3)), features, condition)
        return replace(said, score=score + said.score)


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)
    )
