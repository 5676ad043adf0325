"""Total variation: how much an image changes from pixel to pixel."""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from ._settings import one_of, shown
from ._tensors import check_tensors, in_full_precision, spoilt_by, with_nan_gradients

Norm = Literal["anisotropic", "isotropic", "squared"]
Total = Literal["mean", "sum"]
NORMS = ("anisotropic", "isotropic", "squared")
TOTALS = ("mean", "sum")


def total_variation(image: Tensor, norm: Norm = "anisotropic", reduction: Total = "mean") -> Tensor:
    """Differences between neighbouring pixels, in [0, inf); 0 for a constant image.

    (..., H, W) of any range, H and W at least 2 -> scalar. With dx, dy the differences to the right and lower pixel:

    - "anisotropic":  E|dx| + E|dy|
    - "isotropic":    E sqrt(dx^2 + dy^2), over the pixels that have both neighbours; the gradient is 0 where both are 0
    - "squared":      E dx^2 + E dy^2

    E is the mean over all images, channels and differences, so the size of the image does not matter; with reduction
    "sum" it is the sum. Rudin, Osher and Fatemi 1992, "Nonlinear total variation based noise removal algorithms".

    Raises:
        ValueError: fewer than 2x2 pixels, not floating-point, or an unknown name.

    >>> total_variation(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    tensor(1.)
    """
    check_tensors(image=image)
    one_of("norm", norm, NORMS)
    one_of("reduction", reduction, TOTALS)
    if image.ndim < 2 or image.shape[-1] < 2 or image.shape[-2] < 2:
        raise ValueError(f"expected an image (..., H, W) of at least 2x2 pixels, got {tuple(image.shape)}")
    if not image.is_floating_point():
        raise ValueError(f"expected a floating-point image, got {image.dtype}")
    image = with_nan_gradients(in_full_precision(image))
    dx = image[..., :, 1:] - image[..., :, :-1]
    dy = image[..., 1:, :] - image[..., :-1, :]
    expectation = torch.mean if reduction == "mean" else torch.sum
    if norm == "anisotropic":
        return expectation(dx.abs()) + expectation(dy.abs())
    if norm == "squared":
        return expectation(dx.square()) + expectation(dy.square())
    # vector_norm has gradient 0 at 0, where a plain square root has NaN.
    both = torch.stack([dx[..., :-1, :], dy[..., :, :-1]])
    length = cast(Tensor, torch.linalg.vector_norm(both, dim=0))  # pyright: ignore[reportUnknownMemberType]
    return spoilt_by(expectation(length), image)  # the last pixel has neither neighbour


class TotalVariationLoss(nn.Module):
    """`total_variation` with its settings stored.

    >>> TotalVariationLoss()(torch.zeros(1, 3, 4, 4))
    tensor(0.)
    """

    def __init__(self, norm: Norm = "anisotropic", reduction: Total = "mean") -> None:
        super().__init__()
        self.norm: Norm = one_of("norm", norm, NORMS)
        self.reduction: Total = one_of("reduction", reduction, TOTALS)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "norm", "reduction")

    def forward(self, image: Tensor) -> Tensor:
        """(..., H, W) -> scalar."""
        return total_variation(image, self.norm, self.reduction)
