"""A dense generator, for small images and for points of the plane."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from srgan_kit.generators.settings import GeneratorSettings, GeneratorSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.settings import DEEPEST


class MLPConfig(GeneratorSettings):
    """Dense layers from a latent vector."""

    name: Literal["mlp"] = "mlp"
    """Which generator this is."""
    hidden: int = Field(default=500, ge=1)
    """Width of the hidden layers."""
    layers: Annotated[int, Field(ge=0, le=DEEPEST)] = 2
    """Hidden layers; without any, what comes out is an affine function of the latent vector."""
    output: Literal["logits", "linear"] = "logits"
    """"linear" for data that are no images, such as points in the plane."""
    normalisation: Literal["batch", "none"] = "batch"
    """Normalisation of the hidden layers."""
    activation: Literal["softplus", "relu", "tanh"] = "softplus"
    """Activation of the hidden layers."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "MLPGenerator":
        """A new network with random weights."""
        return MLPGenerator(spec.latent, spec.size, spec.image_channels, **self.values())  # pyright: ignore


class MLPGenerator(nn.Module):
    """Dense layers; with its defaults the MNIST generator of Salimans et al. 2016 (arXiv:1606.03498, sec. 6.1).

    (N, latent) -> (N, image_channels, size, size). Points of the plane are images of one pixel with two channels:
    size=1, image_channels=2, output="linear".

    Args:
        latent: size of the latent code.
        size: side of the images; any.
        image_channels: 3 for RGB, 1 for grey.
        hidden: width of the hidden layers.
        layers: how many hidden layers.
        output: what comes out: "logits", image = sigmoid(logits); or "linear", the image itself.
        normalisation: what stands between a hidden layer and its activation.
        activation: of the hidden layers; the paper's authors take softplus.

    Raises:
        UserError: from forward, a latent code of another size.
    """

    def __init__(
        self,
        latent: int,
        size: int,
        image_channels: int = 3,
        hidden: int = 500,
        layers: int = 2,
        output: Literal["logits", "linear"] = "logits",
        normalisation: Literal["batch", "none"] = "batch",
        activation: Literal["softplus", "relu", "tanh"] = "softplus",
    ) -> None:
        super().__init__()
        self.latent = latent
        self.squashed = output == "logits"
        stack: list[nn.Module] = []
        before = latent
        for _ in range(layers):
            stack.append(nn.Linear(before, hidden, bias=normalisation == "none"))
            stack += [nn.BatchNorm1d(hidden)] if normalisation == "batch" else []
            stack.append({"softplus": nn.Softplus, "relu": nn.ReLU, "tanh": nn.Tanh}[activation]())
            before = hidden
        stack += [nn.Linear(before, image_channels * size**2), nn.Unflatten(1, (image_channels, size, size))]
        self.layers = nn.Sequential(*stack)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) -> (N, image_channels, size, size)."""
        expect("MLPGenerator", "a latent code", latent, self.latent)
        return self.layers(latent)
