"""A `ResidualSR` in a form that trains fast on an accelerator: kernels in a few large tensors, with branches."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.super_resolution.residual import ResidualSR


class BranchedStudent(nn.Module):
    """The network of `ResidualSR`, whose inner kernels are sums of branches that fold into one convolution.

    (N, 3, h, w) in [0, 1] -> (N, 3, h * scale, w * scale), nominally [0, 1].

    The branches are those of `srgan_kit.generators.super_resolution.reparameterised`. All layers' kernels are summed at
    once, so that a step has few small operations. Kernels are stored as (layer, out, 3, 3, in), the order in which they
    are used.

    Args:
        plain: a network of the sizes wanted, without a latent vector; training starts from its weights.
        dtype: what the convolutions run in.
    """

    def __init__(self, plain: ResidualSR, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, plain.scale
        self.groups, self.depth = len(plain.body), len(plain.body[0].convolutions)  # pyright: ignore
        layers = [layer for group in plain.body for layer in group.convolutions]  # pyright: ignore
        count, channels = len(layers), layers[0].out_channels
        self.head, self.tail = plain.head, plain.tail
        self.full = nn.Parameter(torch.stack([layer.weight.detach().permute(0, 2, 3, 1) for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.point = nn.Parameter(torch.zeros(count, channels, channels))
        self.mix = nn.Parameter(torch.empty(count, channels, channels).uniform_(-1, 1) / channels**0.5)
        self.spread = nn.Parameter(torch.zeros(count, channels, 3, 3, channels))
        self.skip = nn.Parameter(torch.zeros(count, channels))

    def kernels(self) -> Tensor:
        """(layer, out, 3, 3, in): of the convolutions that do the same as the branches together."""
        count, channels = self.skip.shape
        both = (self.spread.reshape(count, -1, channels) @ self.mix).view_as(self.spread)
        centre = self.point + torch.diag_embed(self.skip)
        return self.full + both + F.pad(centre[:, :, None, None, :], (0, 0, 1, 1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, h, w) in [0, 1] -> (N, 3, h * scale, w * scale)."""
        kernels = self.kernels().to(self.dtype).permute(0, 1, 4, 2, 3).unbind()
        biases = self.bias.to(self.dtype).unbind()
        hidden = self._plain(self.head, (image - 0.5).to(self.dtype))
        for group in range(self.groups):
            inner = hidden
            for layer in range(group * self.depth, (group + 1) * self.depth):
                inner = F.relu_(F.conv2d(inner, kernels[layer], biases[layer], padding=1))
            hidden = hidden + inner
        low = F.pixel_shuffle(self._plain(self.tail, hidden), self.scale).float()
        return F.interpolate(image, scale_factor=self.scale, mode="bilinear", align_corners=False) + low

    def _plain(self, layer: nn.Conv2d, x: Tensor) -> Tensor:
        assert layer.bias is not None
        weight = layer.weight.to(self.dtype, memory_format=torch.channels_last)
        return F.conv2d(x, weight, layer.bias.to(self.dtype), padding=1)

    @torch.no_grad()
    def folded(self) -> dict[str, Tensor]:
        """The state of the `ResidualSR` that does the same, in fp32 on the CPU."""
        full, point, mix, spread, skip = (
            part.double() for part in (self.full, self.point, self.mix, self.spread, self.skip)
        )
        both = (spread.reshape(*skip.shape[:1], -1, skip.shape[1]) @ mix).view_as(spread)
        kernels = full + both + F.pad((point + torch.diag_embed(skip))[:, :, None, None, :], (0, 0, 1, 1, 1, 1))
        found = {
            f"{part}.{name}": value
            for part in ("head", "tail")
            for name, value in getattr(self, part).state_dict().items()
        }
        for layer in range(len(kernels)):
            name = f"body.{layer // self.depth}.convolutions.{layer % self.depth}"
            found[f"{name}.weight"] = kernels[layer].permute(0, 3, 1, 2)
            found[f"{name}.bias"] = self.bias[layer]
        return {name: value.detach().float().cpu().contiguous() for name, value in found.items()}
