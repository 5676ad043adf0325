"""What the networks of DCGAN's kind share: the sizes they can have, their widths, halvings and first weights.

Radford et al. 2015, arXiv:1511.06434, sec. 3 and 4.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field
from torch import nn

from srgan_kit.errors import UserError

Dense = tuple[Annotated[int, Field(ge=1)], ...]
"""Widths of dense layers, in order; none for ()."""

WIDEST = 8
"""No layer is wider than this many times the layer next to the image."""


def pyramid(owner: str, size: int) -> tuple[int, int]:
    """The two numbers that a size is made of: size = base * 2^halvings, base one of 4, 5, 6, 7, at least one halving.

    Raises:
        UserError: it is not of that form.

    >>> pyramid("DCGAN", 28), pyramid("DCGAN", 128)
    ((7, 2), (4, 5))
    """
    halvings = (size // 4).bit_length() - 1
    if size < 8 or size % 2**halvings:
        raise UserError(f"{owner}: expected a size of 4, 5, 6 or 7 times 2, 4, 8, ..., such as 28 or 64, got {size}")
    return size >> halvings, halvings


def widths(channels: int, halvings: int) -> list[int]:
    """Channels of each level below the image's, from the image to the base.

    >>> widths(64, 5)
    [64, 128, 256, 512, 512]
    """
    return [channels * min(2**level, WIDEST) for level in range(halvings)]


def halving_layers(image_channels: int, channels: int, halvings: int) -> nn.ModuleList:
    """Strided 4x4 convolutions with LeakyReLU(0.2), and batch norm on all but the first, each halving the side."""
    layers = nn.ModuleList()
    before = image_channels
    for level, after in enumerate(widths(channels, halvings)):
        convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=level == 0)
        normalised = [nn.BatchNorm2d(after)] if level else []
        layers.append(nn.Sequential(convolution, *normalised, nn.LeakyReLU(0.2)))
        before = after
    return layers


def dense_layers(features: int, hidden: Sequence[int], activation: Callable[[], nn.Module]) -> nn.ModuleList:
    """Dense layers with batch norm and an activation, one for each of the widths: those of InfoGAN for MNIST.

    Chen et al. 2016, "InfoGAN", appendix C.1, arXiv:1606.03657
    """
    return nn.ModuleList(
        nn.Sequential(nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), activation())
        for before, after in zip([features, *hidden], hidden, strict=False)
    )


def initialise(module: nn.Module) -> None:
    """Draws weights from N(0, .02), scales of batch norm from N(1, .02), sets biases to 0; for `nn.Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
