"""Edges: the distance between the slopes of two images, by Sobel's filters."""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._settings import one_of, shown
from ._tensors import Reduction, check_tensors, checked_reduction, difference, in_full_precision, reduced

EdgeForm = Literal["components", "magnitude"]
FORMS = ("components", "magnitude")


def sobel(a: Tensor, b: Tensor, form: EdgeForm = "components", reduction: Reduction = "mean") -> Tensor:
    """Mean absolute difference of the slopes of two images, in [0, inf).

    Two (N, C, H, W) of any range, at least 3x3 pixels -> scalar, or (N,) with reduction "none". With S_x and S_y
    Sobel's filters divided by 8, so that a ramp that rises by 1 a pixel has the slope 1, at the places where they fit:

    - form "components":  E(|S_x(a - b)| + |S_y(a - b)|) / 2
    - form "magnitude":   E| |S a| - |S b| |,  |S x| = sqrt((S_x x)^2 + (S_y x)^2): how strong an edge is, not which way
      it goes. The gradient map of Ma et al. 2020, "Structure-preserving super resolution with gradient guidance",
      arXiv:2003.13081, sec. 3, with Sobel's filters in place of differences.

    Sobel and Feldman 1968, "A 3x3 isotropic gradient operator for image processing"

    Raises:
        ValueError: the shapes differ, not (N, C, H, W), too small, not floating-point, or an unknown name.

    >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    >>> sobel(ramp, torch.zeros(1, 1, 4, 4))  # 1 from left to right, 0 from top to bottom
    tensor(0.5000)
    """
    one_of("form", form, FORMS)
    checked_reduction(reduction)
    check_tensors(a=a, b=b)
    error = difference(a, b)
    if a.ndim != 4 or min(a.shape[-2:]) < 3:
        raise ValueError(f"expected images (N, C, H, W) of at least 3x3 pixels, got {tuple(a.shape)}")
    values = _slopes(error).abs().mean(dim=0) if form == "components" else (_magnitude(a) - _magnitude(b)).abs()
    return reduced(values.mean(dim=(1, 2, 3)), reduction)


class SobelLoss(nn.Module):
    """`sobel` with its settings stored.

    >>> SobelLoss()(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8))  # equal slopes
    tensor(0.)
    """

    def __init__(self, form: EdgeForm = "components", reduction: Reduction = "mean") -> None:
        super().__init__()
        self.form: EdgeForm = one_of("form", form, FORMS)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "form", "reduction")

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two (N, C, H, W) -> scalar, or (N,) with reduction "none"."""
        return sobel(a, b, self.form, self.reduction)


def _slopes(image: Tensor) -> Tensor:
    """(N, C, H, W) -> (2, N, C, H - 2, W - 2): to the right and downwards."""
    channels = image.shape[1]
    smooth, step = image.new_tensor([1.0, 2.0, 1.0]) / 4, image.new_tensor([-1.0, 0.0, 1.0]) / 2
    right = torch.outer(smooth, step)
    # By channel: a dense convolution would be rounded to TF32's 10 bits on a GPU.
    filters = torch.stack([right, right.T])[:, None].repeat(channels, 1, 1, 1)
    with torch.autocast(image.device.type, enabled=False):
        both = F.conv2d(image, filters, groups=channels)
    return torch.stack([both[:, 0::2], both[:, 1::2]])


def _magnitude(image: Tensor) -> Tensor:
    # vector_norm has gradient 0 at 0, where a plain square root has NaN.
    return cast(Tensor, torch.linalg.vector_norm(_slopes(in_full_precision(image)), dim=0))  # pyright: ignore
