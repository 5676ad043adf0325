"""Real-ESRGAN's discriminator: a U-Net that scores every pixel (Wang et al. 2021, arXiv:2107.10833, sec. 3.4)."""

from dataclasses import replace
from typing import ClassVar, Literal, Unpack

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.errors import UserError


class UNetCriticConfig(CriticSettings):
    """One score per pixel, spectral norm."""

    any_size: ClassVar[bool] = True
    name: Literal["unet"] = "unet"
    """Which critic this is."""
    channels: int = Field(default=32, ge=1)
    """Width of the first layer."""

    def build(self, spec: CriticSpec) -> "UNetCritic":
        """A new network with random weights."""
        return UNetCritic(self.channels, spec.image_channels, **self.heads(spec))


class UNetCritic(nn.Module):
    """U-Net with skips over three halvings and spectral norm (Miyato et al. 2018, arXiv:1802.05957) on inner layers.

    (N, image_channels, H, W) in [0, 1], H and W divisible by 8 -> Critique with score (N, 1, H, W) and the hidden maps.
    Where it is to say or see more than the paper's, `Heads` on the mean of the deepest map are added, and their score
    to that of every pixel.

    Args:
        channels: width of the first layer; the deepest is eight times as wide.
        image_channels: 3 for RGB, 1 for grey.
        heads: what else it says or sees: the keyword arguments of `Heads`.

    Raises:
        UserError: from forward, a height or width that 8 does not divide, or a condition of another shape.
    """

    def __init__(self, channels: int = 32, image_channels: int = 3, **heads: Unpack[HeadSettings]) -> None:
        super().__init__()
        self.first = nn.Conv2d(image_channels, channels, 3, padding=1)
        self.down = nn.ModuleList(_inner(channels * n, channels * 2 * n, stride=2) for n in (1, 2, 4))
        self.up = nn.ModuleList(_inner(channels * 2 * n, channels * n) for n in (4, 2, 1))
        self.refine = nn.ModuleList(_inner(channels, channels) for _ in range(2))
        self.last = nn.Conv2d(channels, 1, 3, padding=1)
        self.heads = Heads(8 * channels, **heads) if any(heads.values()) else None
        self.provides = self.heads.provides if self.heads else frozenset({"features"})

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, H, W) in [0, 1], and a condition if it was built for one -> Critique."""
        height, width = image.shape[-2:]
        if height % 8 or width % 8:
            raise UserError(f"UNetCritic: expected a width and height divisible by 8, got {width}x{height}")
        hidden = F.leaky_relu(self.first(image), 0.2)
        features = [hidden]
        skips = []
        for convolution in self.down:
            skips.append(hidden)
            hidden = F.leaky_relu(convolution(hidden), 0.2)
            features.append(hidden)
        deepest = hidden.mean(dim=(2, 3))
        for convolution in self.up:
            enlarged = F.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=False)
            hidden = F.leaky_relu(convolution(enlarged), 0.2) + skips.pop()
            features.append(hidden)
        for convolution in self.refine:
            hidden = F.leaky_relu(convolution(hidden), 0.2)
            features.append(hidden)
        score = self.last(hidden)
        if self.heads is None:
            return Critique(score=score, features=features)
        said = self.heads(deepest, features, condition)
        return replace(said, score=score + said.score[..., None, None])


def _inner(before: int, after: int, stride: int = 1) -> nn.Module:
    """A halving or plain convolution without bias, its largest singular value held at 1."""
    kernel = 4 if stride == 2 else 3
    return spectral_norm(nn.Conv2d(before, after, kernel, stride=stride, padding=1, bias=False))
