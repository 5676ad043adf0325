"""What ncnn's layers do where PyTorch has no module for it."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Combination(nn.Module):
    """An operation on two images, on an image and a constant, or on an image and a number."""

    def __init__(self, operation: Callable[[Tensor, Tensor | float], Tensor], number: float | None = None) -> None:
        super().__init__()
        self.operation, self.number = operation, number

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        """(N, C, H, W) twice, or once -> (N, C, H, W)"""
        if second is not None:
            return self.operation(first, second)
        assert self.number is not None
        return self.operation(first, self.number)


class WeightedSum(nn.Module):
    """The sum of images, each times its factor."""

    def __init__(self, factors: Sequence[float]) -> None:
        super().__init__()
        self.factors = tuple(factors)

    def forward(self, *images: Tensor) -> Tensor:
        """(N, C, H, W) of each -> (N, C, H, W)"""
        total = images[0] if self.factors[0] == 1 else images[0] * self.factors[0]
        for image, factor in zip(images[1:], self.factors[1:], strict=True):
            total = torch.add(total, image, alpha=factor)
        return total


class Channels(nn.Module):
    """Images one after the other, as channels of one."""

    def forward(self, *images: Tensor) -> Tensor:
        """(N, C, H, W) of each -> (N, the sum of C, H, W)"""
        return torch.cat(images, 1)


class Resizing(nn.Module):
    """Upscaling or downscaling, without antialiasing as in ncnn."""

    def __init__(self, factor: Fraction, mode: str) -> None:
        super().__init__()
        self.factor, self.mode = factor, mode

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H * factor, W * factor)"""
        size = [int(side * self.factor) for side in image.shape[-2:]]
        return F.interpolate(image, size, mode=self.mode)


class Constant(nn.Module):
    """The same numbers for every image."""

    values: Tensor

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("values", values)

    def forward(self) -> Tensor:
        """-> (1, C, 1, 1)"""
        return self.values
