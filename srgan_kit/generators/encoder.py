"""Encoders: from an image to the Gaussian posterior of its latent code (Kingma and Welling 2013, arXiv:1312.6114)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.contracts import Gaussian
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import halving_layers, initialise, pyramid, widths
from srgan_kit.settings import Depth, Settings

LOG_VARIANCE = 10.0
"""The log variance is clamped to plus or minus this: standard deviations from .0067 to 148."""


class EncoderConfig(Settings):
    """From an image to its code, where the variant or the task needs one."""

    layout: Literal["convolutional", "dense"] = "convolutional"
    """Which encoder."""
    channels: int = Field(default=64, ge=1)
    """Width of the first convolution."""
    hidden: int = Field(default=500, ge=1)
    """Width of dense hidden layers."""
    layers: Depth = 2
    """Dense hidden layers."""
    activation: Literal["softplus", "tanh"] = "softplus"
    """Activation of dense hidden layers."""

    def build(self, latent: int, size: int, image_channels: int, condition_channels: int) -> nn.Module:
        """A new encoder with random weights; the arguments are those of `ConvEncoder`.

        Raises:
            ValueError: a dense encoder that should see a condition.
        """
        if self.layout == "convolutional":
            return ConvEncoder(latent, size, image_channels, self.channels, condition_channels)
        if condition_channels:
            raise ValueError("encoder.layout: a dense encoder sees no condition; use 'convolutional'")
        return MLPEncoder(latent, size, image_channels, self.hidden, self.layers, self.activation)


class ConvEncoder(nn.Module):
    """DCGAN's critic with 2 * latent outputs, much as the encoder of VAE/GAN.

    Larsen et al. 2015, "Autoencoding beyond pixels using a learned similarity metric", sec. 4, arXiv:1512.09300

    Image (N, image_channels, size, size) in [0, 1] and, where condition_channels > 0, a condition
    (N, condition_channels, h, w), upscaled bilinearly to the image and laid beside it -> Gaussian (N, latent), the log
    variance in [-10, 10].

    Args:
        latent: size of the latent code.
        size: side of the images: 4, 5, 6 or 7 times a power of two.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the first layer; each one after is twice as wide, up to 8 times.
        condition_channels: channels of the condition; 0 for none.

    Raises:
        UserError: a size that is not of that form; from forward, other shapes, or the condition missing.
    """

    def __init__(
        self, latent: int, size: int, image_channels: int = 3, channels: int = 64, condition_channels: int = 0
    ) -> None:
        super().__init__()
        base, halvings = pyramid("ConvEncoder", size)
        self.image_shape = (image_channels, size, size)
        self.condition_channels = condition_channels
        self.convolutions = nn.Sequential(*halving_layers(image_channels + condition_channels, channels, halvings))
        self.posterior = nn.Linear(widths(channels, halvings)[-1] * base**2, 2 * latent)
        self.apply(initialise)

    def forward(self, image: Tensor, condition: Tensor | None = None) -> Gaussian:
        """Image, and the condition if it was built for one -> Gaussian (N, latent)."""
        expect("ConvEncoder", "images", image, *self.image_shape)
        inputs = [image * 2 - 1]
        if self.condition_channels:
            maps = expect("ConvEncoder", "a condition", condition, self.condition_channels, "h", "w")
            inputs.append(F.interpolate(maps, self.image_shape[1:], mode="bilinear", align_corners=False))
        return _gaussian(self.posterior(self.convolutions(torch.cat(inputs, dim=1)).flatten(1)))


class MLPEncoder(nn.Module):
    """Dense layers, much as in appendix C of Kingma and Welling.

    (N, image_channels, size, size) -> Gaussian (N, latent), the log variance in [-10, 10]. Points of the plane are
    images of one pixel with two channels.

    Args:
        latent: size of the latent code.
        size: side of the images; any.
        image_channels: 3 for RGB, 1 for grey.
        hidden: width of the hidden layers.
        layers: how many hidden layers.
        activation: of the hidden layers.

    Raises:
        UserError: from forward, images of another shape.
    """

    def __init__(
        self,
        latent: int,
        size: int,
        image_channels: int = 3,
        hidden: int = 500,
        layers: int = 2,
        activation: Literal["softplus", "tanh"] = "softplus",
    ) -> None:
        super().__init__()
        self.image_shape = (image_channels, size, size)
        stack: list[nn.Module] = [nn.Flatten()]
        before = image_channels * size**2
        for _ in range(layers):
            stack += [nn.Linear(before, hidden), nn.Tanh() if activation == "tanh" else nn.Softplus()]
            before = hidden
        stack.append(nn.Linear(before, 2 * latent))
        self.layers = nn.Sequential(*stack)

    def forward(self, image: Tensor) -> Gaussian:
        """(N, image_channels, size, size) -> Gaussian (N, latent)."""
        expect("MLPEncoder", "images", image, *self.image_shape)
        return _gaussian(self.layers(image))


def _gaussian(parameters: Tensor) -> Gaussian:
    """(N, 2D) -> mean and log variance, (N, D) each."""
    mean, log_variance = parameters.chunk(2, dim=1)
    return Gaussian(mean, log_variance.clamp(-LOG_VARIANCE, LOG_VARIANCE))
