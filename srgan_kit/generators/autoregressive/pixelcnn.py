"""PixelCNN: each value of an image predicted from those before it, by masked convolutions with gates."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.generators.autoregressive.masked import Canvas, MaskedConv2d
from srgan_kit.generators.autoregressive.network import PixelNetwork, PixelSettings


class GatedResidual(nn.Module):
    """Residual block of masked convolutions 1x1, 3x3 (mask B) and 1x1, with a gate in place of the last ReLU.

    x (N, 2h, H, W), bias (N, 2h, H, W) or one that broadcasts -> (N, 2h, H, W); with a canvas, one pixel.

    x + up(tanh(f) * sigmoid(g)),  (f, g) = conv(relu(down(relu(x)))) + bias

    Van den Oord et al. 2016, arXiv:1601.06759, fig. 5 left; the gate: arXiv:1606.05328, eq. 2 and 4
    """

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__()
        self.down = MaskedConv2d("B", 2 * channels, channels, image_channels)
        self.conv = MaskedConv2d("B", channels, 2 * channels, image_channels, rows=2, columns=3, parts=2)
        self.up = MaskedConv2d("B", channels, 2 * channels, image_channels)

    def forward(self, x: Tensor, bias: Tensor, canvas: Canvas | None = None) -> Tensor:
        hidden = self.conv(F.relu(self.down(F.relu(x))), canvas) + bias
        content, gate = hidden.chunk(2, 1)
        return x + self.up(torch.tanh(content) * torch.sigmoid(gate))


class PixelCNN(PixelNetwork):
    """Fast to train, as all values are predicted at once; sees a bounded triangle above: each layer adds a row.

    Shapes, arguments, errors: `PixelNetwork`.  Van den Oord et al. 2016, sec. 3.5, arXiv:1601.06759
    """

    layer = GatedResidual
    parts = 2


class PixelCNNConfig(PixelSettings):
    """Gated masked convolutions."""

    name: Literal["pixelcnn"] = "pixelcnn"
    """Which generator this is."""
    network: ClassVar[type[PixelNetwork]] = PixelCNN
