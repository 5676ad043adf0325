"""A dense critic, for small images and for points of the plane."""

from collections.abc import Sequence
from typing import Annotated, Literal, Unpack

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import register_parametrization

from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.layers.check_shape import expect

ACTIVATIONS = {"leaky-relu": lambda values: F.leaky_relu(values, 0.2), "elu": F.elu, "tanh": torch.tanh}
Activation = Literal["leaky-relu", "elu", "tanh"]


class UnitRows(nn.Module):
    """(outputs, inputs) -> the same directions, each row of length 1."""

    def forward(self, weight: Tensor) -> Tensor:
        return F.normalize(weight, dim=1)


class MLPCriticConfig(CriticSettings):
    """Dense layers."""

    name: Literal["mlp"] = "mlp"
    """Which critic this is."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (1000, 500, 250, 250, 250)
    """Widths of the hidden layers."""
    noise: float = Field(default=0.0, ge=0)
    """Standard deviation of the Gaussian noise on hidden layers in training."""
    input_noise: float = Field(default=0.0, ge=0)
    """The same on the image."""
    weight_norm: bool = False
    """Whether each unit of the hidden layers has weights of length 1."""
    activation: Activation = "leaky-relu"
    """Activation of the hidden layers; leaky-relu has a slope of 0.2."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Part of the hidden activations that is left out in training."""

    def build(self, spec: CriticSpec) -> "MLPCritic":
        """A new network with random weights."""
        own = (self.hidden, self.noise, self.input_noise, self.weight_norm, self.activation, self.dropout)
        return MLPCritic(spec.size, spec.image_channels, *own, **self.heads(spec))


class MLPCritic(nn.Module):
    """Dense layers with Gaussian noise, by default the MNIST critic of Salimans et al. 2016, then `Heads`.

    (N, image_channels, size, size), not rescaled -> Critique with score (N, 1) and the hidden layers as maps
    (N, width, 1, 1), before their noise. Points of the plane are images of one pixel with two channels.
    arXiv:1606.03498, sec. 6.1; the authors' code has input_noise=0.3 and noise=0.5.

    Args:
        size: side of the images; any.
        image_channels: 3 for RGB, 1 for grey.
        hidden: widths of the hidden layers.
        noise: standard deviation of the noise that is added to each hidden layer in training.
        input_noise: the same for the image.
        weight_norm: whether each unit of the hidden layers has weights of length 1 (Salimans and Kingma 2016,
            arXiv:1602.07868, with a fixed scale, as in that code): else features grow while the critic wins.
        activation: of the hidden layers.
        dropout: part of the hidden activations that is left out in training.
        heads: what else it says or sees: the keyword arguments of `Heads`.

    Raises:
        UserError: from forward, images or a condition of another shape.
    """

    def __init__(
        self,
        size: int,
        image_channels: int = 3,
        hidden: Sequence[int] = (1000, 500, 250, 250, 250),
        noise: float = 0.0,
        input_noise: float = 0.0,
        weight_norm: bool = False,
        activation: Activation = "leaky-relu",
        dropout: float = 0.0,
        **heads: Unpack[HeadSettings],
    ) -> None:
        super().__init__()
        self.image_shape = (image_channels, size, size)
        self.noise, self.input_noise = noise, input_noise
        self.activation, self.dropout = ACTIVATIONS[activation], dropout
        sizes = [image_channels * size**2, *hidden]
        self.layers = nn.ModuleList(map(nn.Linear, sizes, sizes[1:]))
        if weight_norm:
            for layer in self.layers:
                register_parametrization(layer, "weight", UnitRows())
        self.heads = Heads(sizes[-1], **heads)
        self.provides = self.heads.provides

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, size, size), and a condition if it was built for one -> Critique."""
        flat = expect("MLPCritic", "images", image, *self.image_shape).flatten(1)
        hidden = self._noisy(flat, self.input_noise)
        features: list[Tensor] = []
        for layer in self.layers:
            activation = self.activation(layer(hidden))
            features.append(activation[..., None, None])
            hidden = F.dropout(self._noisy(activation, self.noise), self.dropout, self.training)
        return self.heads(hidden, features, condition)

    def _noisy(self, values: Tensor, std: float) -> Tensor:
        return values + std * torch.randn_like(values) if std and self.training else values
