"""SMFANet+, a light super-resolver of 32.5 dB on Set5 x4: a teacher for the fidelity models.

Zheng et al. 2024, "SMFANet: a lightweight self-modulation feature aggregation network for efficient image
super-resolution", ECCV, sec. 3. Its features are modulated by their variance over the whole image, so what it makes of
a part depends on the rest: it is asked about whole images, never about tiles.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import read_pickled

REDUCED = 8
"""By how much the maps are reduced from which the modulation is computed."""


class LocalDetail(nn.Module):
    """Depthwise 3x3, then two 1x1 convolutions: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.conv_0 = nn.Sequential(nn.Conv2d(channels, wide, 3, padding=1, groups=channels), nn.Conv2d(wide, wide, 1))
        self.conv_1 = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_1(F.gelu(self.conv_0(x)))


class SelfModulation(nn.Module):
    """Half the features modulated by a smaller map and by their variance, half refined locally, and their sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear_0 = nn.Conv2d(channels, 2 * channels, 1)
        self.linear_1 = nn.Conv2d(channels, channels, 1)
        self.linear_2 = nn.Conv2d(channels, channels, 1)
        self.lde = LocalDetail(channels)
        self.dw_conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.belt = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        local, whole = self.linear_0(x).chunk(2, dim=1)
        small = self.dw_conv(F.adaptive_max_pool2d(whole, (max(1, height // REDUCED), max(1, width // REDUCED))))
        spread = whole.var(dim=(-2, -1), keepdim=True)
        modulation = F.gelu(self.linear_1(small * self.alpha + spread * self.belt))
        modulated = whole * F.interpolate(modulation, size=(height, width), mode="nearest")
        return self.linear_2(modulated + self.lde(local))


class PartialConvolution(nn.Module):
    """A pointwise network in which a quarter of the hidden channels also sees its neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.seeing = wide // 4
        self.conv_0 = nn.Conv2d(channels, wide, 1)
        self.conv_1 = nn.Conv2d(self.seeing, self.seeing, 3, padding=1)
        self.conv_2 = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.conv_0(x))
        seeing, blind = hidden.split([self.seeing, hidden.shape[1] - self.seeing], dim=1)
        return self.conv_2(torch.cat([F.gelu(self.conv_1(seeing)), blind], dim=1))


class Block(nn.Module):
    """Both, each on features of unit length and with a skip over it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.smfa = SelfModulation(channels)
        self.pcfn = PartialConvolution(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.smfa(F.normalize(x)) + x
        return self.pcfn(F.normalize(x)) + x


class SMFANet(nn.Module):
    """(N, 3, h, w) in [0, 1] -> (N, 3, h * scale, w * scale), nominally [0, 1]; the file's keys.

    Args:
        scale: upscaling factor.
        channels: width.
        blocks: number of blocks.
    """

    def __init__(self, scale: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.to_feat = nn.Conv2d(3, channels, 3, padding=1)
        self.feats = nn.Sequential(*(Block(channels) for _ in range(blocks)))
        self.to_img = nn.Sequential(nn.Conv2d(channels, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, image: Tensor) -> Tensor:
        features = self.to_feat(image)
        return self.to_img(self.feats(features) + features)


def load_smfanet(path: Path) -> SMFANet:
    """The network of a published checkpoint, in evaluation mode.

    Raises:
        UserError: the file is none.
    """
    found = read_pickled(path)
    state = found.get("params", found)
    try:
        outputs, channels = state["to_img.0.weight"].shape[:2]
        blocks = len({key.split(".")[1] for key in state if key.startswith("feats.")})
        network = SMFANet(round((outputs / 3) ** 0.5), channels, blocks)
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{path}: expected a checkpoint of SMFANet+ ({error})") from None
    return network.eval().requires_grad_(False)
