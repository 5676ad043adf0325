"""What PixelCNN and PixelRNN share: the network around their causal layers, conditioning and sampling."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.errors import UserError
from srgan_kit.generators.autoregressive.masked import Canvas, MaskedConv2d
from srgan_kit.generators.settings import GeneratorSettings, GeneratorSpec
from srgan_kit.settings import Depth


class PixelSettings(GeneratorSettings):
    """What the settings of all autoregressive networks have in common."""

    network: ClassVar[type["PixelNetwork"]]
    levels: int = Field(default=256, ge=2, le=256)
    """Levels of a value; 2 for binary images."""
    channels: int = Field(default=32, ge=1)
    """Width."""
    layers: Depth = 7
    """Residual or recurrent layers."""
    scale: Literal[2, 3, 4] = 4
    """Upscaling factor of the task super-resolution."""

    def build(self, spec: GeneratorSpec = GeneratorSpec()) -> "PixelNetwork":
        """A new network with random weights."""
        given = spec.condition[0] if spec.condition else 0
        return self.network(spec.image_channels, self.levels, self.channels, self.layers, spec.latent, given)


class PixelNetwork(nn.Module):
    """Predicts each value of an image from those before it: masked 7x7 convolution, `layers` causal layers, 1x1 head.

    (N, C, H, W) in [0, 1] -> (N, levels, C, H, W): logits of each value's level; values count as the nearest level.

    p(x) = prod_i softmax(logits_i(x_1 ... x_(i-1)))[x_i] over values in raster order, a pixel's channels in theirs

    A latent h and a condition s are known beforehand and move every layer: W * x becomes W * x + V h + U * s. A
    subclass says what a layer is.
    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", sec. 3 and table 1, arXiv:1601.06759
    Van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", sec. 2.3, arXiv:1606.05328

    Args:
        image_channels: C, 1 (grey) or 3 (RGB).
        levels: levels of a value, from 2 (binary) to 256.
        channels: h of the papers; maps between the layers are 2h wide.
        layers: number of layers.
        latent: size of the latent; 0 for none.
        condition_channels: channels of the condition; 0 for none.

    Raises:
        UserError: a setting out of range; from forward and sample, tensors of another shape than the settings say.
    """

    layer: ClassVar[type[nn.Module]]
    """A layer of width h for an image of C channels: (x (N, 2h, H, W), bias, canvas) -> (N, 2h, H, W)."""
    parts: ClassVar[int]
    """The bias of a layer is (N, parts * h, H, W)."""

    def __init__(
        self,
        image_channels: int = 1,
        levels: int = 2,
        channels: int = 32,
        layers: int = 7,
        latent: int = 0,
        condition_channels: int = 0,
    ) -> None:
        super().__init__()
        for name, given, least in [
            ("image_channels", image_channels, 1),
            ("levels", levels, 2),
            ("channels", channels, image_channels),
            ("layers", layers, 1),
            ("latent", latent, 0),
            ("condition_channels", condition_channels, 0),
        ]:
            if given < least:
                raise UserError(f"{type(self).__name__}: {name} must be at least {least}, got {given}")
        self.image_channels, self.levels, self.layers = image_channels, levels, layers
        self.latent, self.condition_channels = latent, condition_channels
        self.biases = layers * self.parts * channels
        width = 2 * channels
        self.first = MaskedConv2d("A", image_channels, width, image_channels, rows=4, columns=7)
        self.body = nn.ModuleList(self.layer(channels, image_channels) for _ in range(layers))
        self.head = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d("B", width, width, image_channels),
            nn.ReLU(),
            MaskedConv2d("B", width, image_channels * levels, image_channels),
        )
        if latent:
            self.from_latent = nn.Linear(latent, self.biases)
        if condition_channels:
            self.from_condition = nn.Sequential(
                nn.Conv2d(condition_channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, self.biases, 1)
            )

    def forward(self, image: Tensor, condition: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """(N, C, H, W) in [0, 1], condition (N, K, h, w), latent (N, D) -> logits (N, levels, C, H, W).

        The gradient to the image passes through the rounding to levels as if it were not there.
        """
        if image.ndim != 4 or image.shape[1] != self.image_channels or not image.is_floating_point():
            expected = f"floating-point (N, {self.image_channels}, H, W)"
            raise UserError(f"{type(self).__name__}: expected image {expected}, got {_kind(image)}")
        nearest = (image.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)
        biases = self._biases(image.shape, condition, latent)
        return self._logits(image + (nearest - image).detach(), biases)

    @torch.no_grad()
    def sample(
        self,
        shape: tuple[int, int, int, int],
        condition: Tensor | None = None,
        latent: Tensor | None = None,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draws images value after value, each from its softmax given those drawn: `shape` (N, C, H, W) -> [0, 1].

        Logits are divided by the temperature: 1 follows the distribution, less is less diverse. The work is about that
        of one forward pass for each channel.
        """
        if len(shape) != 4 or shape[1] != self.image_channels or min(shape) < 1:
            expected = f"(N, {self.image_channels}, H, W)"
            raise UserError(f"{type(self).__name__}: expected shape {expected}, got {tuple(shape)}")
        if not temperature > 0:
            raise UserError(f"{type(self).__name__}: temperature must be above 0, got {temperature}")
        biases = self._biases(shape, condition, latent)
        image = self.first.weight.new_zeros(shape)
        canvas = Canvas(*shape[2:])
        drawn_on = image.device if generator is None else generator.device
        for here in canvas.pixels():
            known = [bias[here] for bias in biases]
            for channel in range(self.image_channels):
                logits = self._logits(image[here], known, canvas)[:, :, channel, 0, 0]
                chances = torch.softmax(logits / temperature, 1).to(drawn_on)
                level = torch.multinomial(chances, 1, generator=generator)
                image[:, channel, canvas.row, canvas.column] = level[:, 0].to(image) / (self.levels - 1)
            self.first(_signed(image[here]), canvas)  # now that the pixel's last channel is known
        return image

    def _logits(self, image: Tensor, biases: list[Tensor], canvas: Canvas | None = None) -> Tensor:
        hidden = self.first(_signed(image), canvas)
        for layer, bias in zip(self.body, biases, strict=True):
            hidden = layer(hidden, bias, canvas)
        return self.head(hidden).unflatten(1, (self.image_channels, self.levels)).transpose(1, 2)

    def _biases(self, shape: tuple[int, ...], condition: Tensor | None, latent: Tensor | None) -> list[Tensor]:
        """What the latent and the condition add in each layer: (N or 1, parts * h, H, W)."""
        samples, _, *size = shape
        self._check("latent", latent, (samples, self.latent))
        self._check("condition", condition, (samples, self.condition_channels, -1, -1))
        total = self.first.weight.new_zeros(1, self.biases, 1, 1)
        if latent is not None:
            total = total + self.from_latent(latent)[:, :, None, None]
        if condition is not None:
            total = total + self.from_condition(F.interpolate(condition, size=size, mode="bilinear"))
        return list(total.expand(-1, -1, *size).chunk(self.layers, 1))

    def _check(self, name: str, given: Tensor | None, expected: tuple[int, ...]) -> None:
        """Raises UserError unless the shape is the expected one, in which -1 is any number; no maps are none at all."""
        if given is None:
            fits = expected[1] == 0
        else:
            fits = expected[1] > 0 and len(expected) == given.ndim
            fits = fits and all(want in (-1, got) for want, got in zip(expected, given.shape, strict=True))
        if not fits:
            wanted = str(expected).replace("-1", "*") if expected[1] else "none"
            raise UserError(f"{type(self).__name__}: expected {name} {wanted}, got {_kind(given)}")


def _signed(image: Tensor) -> Tensor:
    return 2 * image - 1


def _kind(given: Tensor | None) -> str:
    return "none" if given is None else f"{tuple(given.shape)} {given.dtype}"
