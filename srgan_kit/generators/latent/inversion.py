"""A generator that turns features back into images (Dosovitskiy and Brox 2016, arXiv:1602.02644)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.generators.settings import GeneratorSettings, GeneratorSpec
from srgan_kit.layers.check_shape import expect
from srgan_kit.layers.dcgan import pyramid, widths

SLOPE = 0.3


class InversionConfig(GeneratorSettings):
    """Up-convolutions from feature maps."""

    name: Literal["inversion"] = "inversion"
    """Which generator this is."""
    channels: int = Field(default=64, ge=1)
    """Width of the last hidden layer."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "InversionGenerator":
        """A new network with random weights."""
        if spec.condition is None:
            raise ValueError("generator 'inversion': no features to invert; set reconstruction.source = 'features'")
        return InversionGenerator(*spec.condition, spec.size, spec.image_channels, self.channels, spec.latent)


class InversionGenerator(nn.Module):
    """Two layers at the size of the features, then 4x4 up-convolutions, each with a 3x3 convolution; LeakyReLU(0.3).

    Features (N, condition_channels, condition_size, condition_size) and, where latent > 0, noise (N, latent)
    -> logits (N, image_channels, size, size); image = sigmoid(logits). No batch norm. Weights start as He's for that
    slope (He et al. 2015, arXiv:1502.01852).

    Features of at least 4x4 are upscaled to the next size / 2^k, bilinearly, and noise is repeated at every position.
    Smaller ones have no layout worth keeping: they and the noise are one vector, and the two layers are dense.

    Args:
        condition_channels: channels of the features.
        condition_size: their side; 1 for vectors.
        size: side of the images: 4, 5, 6 or 7 times a power of two, and not below that of the features.
        image_channels: 3 for RGB, 1 for grey.
        channels: width of the last up-convolution; each one before is twice as wide, up to 8 times.
        latent: size of the noise; 0 for none.

    Raises:
        UserError: a size that is not as said; from forward, features or noise of other shapes, or noise missing.
    """

    squashed = True

    def __init__(
        self,
        condition_channels: int,
        condition_size: int,
        size: int,
        image_channels: int = 3,
        channels: int = 64,
        latent: int = 0,
    ) -> None:
        super().__init__()
        base, doublings = pyramid("InversionGenerator", size)
        if condition_size > size:
            raise UserError(f"InversionGenerator: expected features of at most {size}x{size}, got {condition_size}")
        self.features_shape = (condition_channels, condition_size, condition_size)
        self.latent = latent
        self.dense = condition_size < 4
        start = base
        while start < condition_size:
            start, doublings = 2 * start, doublings - 1
        outputs = widths(channels, doublings)[::-1]
        width = outputs[0] if outputs else channels
        if self.dense:
            values = condition_channels * condition_size**2 + latent
            layers: list[nn.Module] = [
                nn.Linear(values, 2 * width),
                _activation(),
                nn.Linear(2 * width, width * start**2),
            ]
            layers += [nn.Unflatten(1, (width, start, start)), _activation()]
        else:
            layers = [nn.Upsample((start, start), mode="bilinear")] if start != condition_size else []
            layers += [nn.Conv2d(condition_channels + latent, width, 3, padding=1), _activation()]
            layers += [nn.Conv2d(width, width, 3, padding=1), _activation()]
        for output in outputs:
            layers += [nn.ConvTranspose2d(width, output, 4, stride=2, padding=1), _activation()]
            layers += [nn.Conv2d(output, output, 3, padding=1), _activation()]
            width = output
        layers.append(nn.Conv2d(width, image_channels, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, features: Tensor, latent: Tensor | None = None) -> Tensor:
        """Features, and noise if it was built for noise -> logits (N, image_channels, size, size)."""
        expect("InversionGenerator", "features", features, *self.features_shape)
        inputs = [features.flatten(1) if self.dense else features]
        if self.latent:
            noise = expect("InversionGenerator", "noise", latent, self.latent)
            inputs.append(noise if self.dense else noise[..., None, None].expand(-1, -1, *features.shape[2:]))
        return self.layers(torch.cat(inputs, dim=1))


def _activation() -> nn.Module:
    return nn.LeakyReLU(SLOPE)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, SLOPE)
    elif isinstance(module, nn.ConvTranspose2d):  # each output sees a quarter of the kernel, of all input channels
        inputs = module.in_channels * module.kernel_size[0] * module.kernel_size[1] / 4
        nn.init.normal_(module.weight, 0, nn.init.calculate_gain("leaky_relu", SLOPE) / inputs**0.5)
        with torch.no_grad():  # mirrored, so that all four phases of the output begin alike, without a checkerboard
            module.weight[..., 2:, :] = module.weight[..., :2, :].flip(-2)
            module.weight[..., 2:] = module.weight[..., :2].flip(-1)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)
