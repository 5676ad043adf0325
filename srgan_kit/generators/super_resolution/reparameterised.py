"""Re-parameterised branches: while it learns, a 3x3 convolution has more weights than it needs afterwards."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.generators.super_resolution.residual import ResidualSR, ResidualSRConfig


class ReparameterisedConfig(ResidualSRConfig):
    """Residual groups whose convolutions have branches in training."""

    name: Literal["reparameterised"] = "reparameterised"
    """Which generator this is."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> ResidualSR:
        """A new network with random weights: head and tail are plain."""
        network = super().build(spec)
        for name, convolution in list(network.body.named_modules()):
            if isinstance(convolution, nn.Conv2d):
                network.body.set_submodule(name, BranchedConvolution(convolution.out_channels))
        return network

    def exported(self) -> ResidualSRConfig:
        """Settings of the plain network that it folds to."""
        return ResidualSRConfig.model_validate(self.values())


class BranchedConvolution(nn.Module):
    """A 3x3 convolution whose kernel is the sum of four branches'. (N, C, H, W) -> (N, C, H, W)

    y = full * x + bias + point * x + spread * (mix * x) + scale x, with full and spread 3x3, point and mix 1x1 kernels
    and a scale for each channel, zero at the start.

    The branches of ECBSR (Zhang et al. 2021, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile
    Devices", ACM MM, sec. 3) without its fixed edge filters; that linear branches are one convolution is RepVGG's
    idea (Ding et al. 2021, arXiv:2101.03697, sec. 3.3). Two things differ. Only the sum has a bias: one between mix and
    spread would be missing beyond the image's border, and no kernel folds to that. And the kernels are summed, not the
    images that they make, which is the same for less: a step costs about what it costs with plain convolutions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.full = nn.Conv2d(channels, channels, 3, padding=1)
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.spread = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.scale = nn.Parameter(torch.zeros(channels))

    def kernel(self) -> Tensor:
        """(C, C, 3, 3): of the one convolution that does the same, in the parameters' precision."""
        with torch.autocast(self.scale.device.type, enabled=False):
            centre = self.point.weight[:, :, 0, 0] + torch.diag(self.scale)
            both = torch.einsum("omhw,mi->oihw", self.spread.weight, self.mix.weight[:, :, 0, 0])
            return self.full.weight + both + F.pad(centre[:, :, None, None], (1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return F.conv2d(x, self.kernel(), self.full.bias, padding=1)

    def folded(self) -> nn.Conv2d:
        """The plain convolution, summed in float64."""
        plain = copy.deepcopy(self.full)
        with torch.no_grad():
            plain.weight.copy_(copy.deepcopy(self).double().kernel())
        return plain

    def unfolded(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """The state in which it does what a plain convolution does, and every branch still learns."""
        off = {"point.weight", "spread.weight", "scale"}
        own = {name: torch.zeros_like(value) if name in off else value for name, value in self.state_dict().items()}
        return own | {"full.weight": weight, "full.bias": bias}


def folded(network: nn.Module) -> nn.Module:
    """A copy with plain convolutions for branched ones; of a network that has none, a mere copy."""
    plain = copy.deepcopy(network)
    for name, module in list(plain.named_modules()):
        if isinstance(module, BranchedConvolution):
            plain.set_submodule(name, module.folded())
    return plain


def load_plain(network: nn.Module, plain: nn.Module) -> None:
    """Give a network the weights of its folded form: branches start without effect beside the plain kernel."""
    state = dict(plain.state_dict())
    for name, module in network.named_modules():
        if isinstance(module, BranchedConvolution):
            own = module.unfolded(state.pop(f"{name}.weight"), state.pop(f"{name}.bias"))
            state |= {f"{name}.{key}": value for key, value in own.items()}
    network.load_state_dict(state)
