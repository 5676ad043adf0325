"""A dense critic, for small images and for points of the plane."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Unpack

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import register_parametrization

from srgan_kit import losses
from srgan_kit.contracts import Critique
from srgan_kit.critics.heads import Heads, HeadSettings
from srgan_kit.critics.settings import CriticSettings, CriticSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dropout import BatchDropout
from srgan_kit.layers.weight_norm import WeightNormLinear

Normalisation = Literal["none", "batch", "weight", "unit-weights"]
Activation = Literal["leaky-relu", "relu", "elu", "tanh"]
ACTIVATIONS = {
    "leaky-relu": lambda values: F.leaky_relu(values, 0.2),
    "relu": F.relu,
    "elu": F.elu,
    "tanh": torch.tanh,
}


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
    normalisation: Normalisation = "none"
    """Of the hidden layers: batch norm; weight normalisation, whose fixed scale is initialised from data, with scores
    and classes from layers whose scale is trained; or unit-weights, which is each unit's weights of length 1."""
    activation: Activation = "leaky-relu"
    """Activation of the hidden layers; leaky-relu has a slope of 0.2."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Part of the hidden activations that is left out in training."""

    @model_validator(mode="before")
    @classmethod
    def _former_key(cls, values: Any) -> Any:
        """`weight_norm`, a yes or no in recipes from before there was a choice."""
        if not isinstance(values, dict) or "weight_norm" not in values or "normalisation" in values:
            return values
        before = values["weight_norm"]
        if not isinstance(before, bool):
            raise ValueError(f"weight_norm: expected true or false, got {before!r}; critic.normalisation replaces it")
        kept = {key: value for key, value in values.items() if key != "weight_norm"}
        return {**kept, "normalisation": "unit-weights" if before else "none"}

    def build(self, spec: CriticSpec) -> "MLPCritic":
        """A new network with random weights."""
        noises = (self.noise, self.input_noise)
        own = (self.hidden, noises, self.normalisation, self.activation, self.dropout)
        return MLPCritic(spec.size, spec.image_channels, *own, **self.heads(spec))


class MLPCritic(nn.Module):
    """Dense layers with Gaussian noise, by default the MNIST critic of Salimans et al. 2016, then `Heads`.

    (N, image_channels, size, size), not rescaled -> Critique with score (N, 1) and the hidden layers as maps
    (N, width, 1, 1), before their noise. Points of the plane are images of one pixel with two channels.
    arXiv:1606.03498, sec. 6.1; the authors' code has noises of 0.5 and 0.3, weight normalisation and ReLU.

    Args:
        size: side of the images; any.
        image_channels: 3 for RGB, 1 for grey.
        hidden: widths of the hidden layers.
        noises: standard deviations of the noise that is added in training: to each hidden layer, and to the image.
        normalisation: "none"; "batch", before the activation; "weight", the layers of `WeightNormLinear`, without which
            features grow while the critic wins; "unit-weights", weights of length 1 and no scale.
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
        noises: tuple[float, float] = (0.0, 0.0),
        normalisation: Normalisation = "none",
        activation: Activation = "leaky-relu",
        dropout: float = 0.0,
        **heads: Unpack[HeadSettings],
    ) -> None:
        super().__init__()
        self.image_shape = (image_channels, size, size)
        self.noise, self.input_noise = noises
        self.activation, self.dropout = ACTIVATIONS[activation], BatchDropout(dropout)
        sizes = [image_channels * size**2, *hidden]
        self.layers = nn.ModuleList(_layer(normalisation, *pair) for pair in pairwise(sizes))
        self.heads = Heads(sizes[-1], **heads)
        if normalisation == "weight":
            for name, head in list(self.heads.named_children()):
                if name in ("score_head", "class_head") and isinstance(head, nn.Linear):
                    setattr(self.heads, name, WeightNormLinear(head.in_features, head.out_features, "trained"))
        self.provides = self.heads.provides

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Critique:
        """(N, image_channels, size, size), and a condition if it was built for one -> Critique."""
        flat = expect("MLPCritic", "images", image, *self.image_shape).flatten(1)
        hidden = self._noisy(flat, self.input_noise)
        features: list[Tensor] = []
        for layer in self.layers:
            activation = self.activation(layer(hidden))
            features.append(activation[..., None, None])
            hidden = self.dropout(self._noisy(activation, self.noise))
        return self.heads(hidden, features, condition)

    def _noisy(self, values: Tensor, std: float) -> Tensor:
        return values + std * losses.drawn_for_batch(values, torch.randn_like) if std and self.training else values


def _layer(normalisation: Normalisation, inputs: int, outputs: int) -> nn.Module:
    """A dense layer with what stands between it and its activation."""
    if normalisation == "weight":
        return WeightNormLinear(inputs, outputs, "fixed")
    layer = nn.Linear(inputs, outputs, bias=normalisation != "batch")
    if normalisation == "batch":
        return nn.Sequential(layer, nn.BatchNorm1d(outputs))
    if normalisation == "unit-weights":
        register_parametrization(layer, "weight", UnitRows())
    return layer
