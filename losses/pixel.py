"""Losses between pixels in the same place.

All take two tensors of one shape and any range, and an optional weight that can be broadcast to it, such as a mask:
the mean is then the weighted one, sum(weight * loss) / sum(weight). 16-bit input is computed in fp32.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ._settings import one_of, positive, shown
from ._tensors import Reduction, checked_reduction, difference, reduced

CharbonnierForm = Literal["root", "barron"]
FORMS = ("root", "barron")


def l1(a: Tensor, b: Tensor, reduction: Reduction = "mean", weight: Tensor | None = None) -> Tensor:
    """Absolute difference, in [0, inf).

    |a - b|

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point, an unknown reduction, or a weight that does not
            fit.

    >>> l1(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0]))
    tensor(0.2500)
    """
    return reduced(difference(a, b).abs(), reduction, weight)


def mse(a: Tensor, b: Tensor, reduction: Reduction = "mean", weight: Tensor | None = None) -> Tensor:
    """Squared difference, in [0, inf).

    (a - b)^2

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point, an unknown reduction, or a weight that does not
            fit.

    >>> mse(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0]))
    tensor(0.1250)
    """
    return reduced(difference(a, b).square(), reduction, weight)


def charbonnier(
    a: Tensor,
    b: Tensor,
    eps: float = 1e-3,
    form: CharbonnierForm = "root",
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """A smooth absolute difference: quadratic for differences well below eps, linear far above.

    With d = a - b:

    - form "root":    sqrt(d^2 + eps^2), in [eps, inf), close to |d|. Lai et al. 2017, arXiv:1704.03915, sec. 3.2.
    - form "barron":  sqrt((d / eps)^2 + 1) - 1, in [0, inf), close to |d| / eps - 1. Barron 2019, arXiv:1701.03077,
      eq. 1 with alpha = 1.

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point, eps is not positive, a name is unknown, or the
            weight does not fit.

    >>> charbonnier(torch.tensor([3.0]), torch.tensor([0.0]), eps=4.0)
    tensor(5.)
    >>> charbonnier(torch.tensor([3.0]), torch.tensor([0.0]), eps=4.0, form="barron")
    tensor(0.2500)
    """
    positive("eps", eps)
    one_of("form", form, FORMS)
    d = difference(a, b)
    if form == "root":
        return reduced(torch.sqrt(d.square() + eps**2), reduction, weight)
    ratio = d / eps
    # Where d is small the same as sqrt(1 + ratio^2) - 1, without subtracting nearly equal numbers; where it is large,
    # without squares that overflow.
    small = ratio.clamp(-1, 1).square()
    near, far = small / (torch.sqrt(1 + small) + 1), torch.hypot(ratio, torch.ones_like(ratio)) - 1
    return reduced(torch.where(ratio.abs() > 1, far, near), reduction, weight)


def huber(
    a: Tensor, b: Tensor, delta: float = 1.0, reduction: Reduction = "mean", weight: Tensor | None = None
) -> Tensor:
    """Squared for differences up to delta, absolute beyond, in [0, inf); the slope is continuous.

    With d = |a - b|:  d^2 / 2 where d <= delta, else delta (d - delta / 2).  Huber 1964, "Robust estimation of a
    location parameter", eq. 2.1

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point, delta is not positive, the reduction is unknown,
            or the weight does not fit.

    >>> huber(torch.tensor([0.5, 3.0]), torch.tensor([0.0, 0.0]), reduction="none")
    tensor([0.1250, 2.5000])
    """
    positive("delta", delta)
    d = difference(a, b).abs()
    small = d.clamp(max=delta)
    return reduced(small * (d - small / 2), reduction, weight)


class L1Loss(nn.Module):
    """`l1` with its reduction stored.

    >>> L1Loss()(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4))
    tensor(1.)
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "reduction")

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
        """Two tensors of one shape -> scalar, or that shape with reduction "none"."""
        return l1(a, b, self.reduction, weight)


class MSELoss(nn.Module):
    """`mse` with its reduction stored.

    >>> MSELoss()(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 2.0))
    tensor(4.)
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "reduction")

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
        """Two tensors of one shape -> scalar, or that shape with reduction "none"."""
        return mse(a, b, self.reduction, weight)


class CharbonnierLoss(nn.Module):
    """`charbonnier` with its settings stored.

    >>> CharbonnierLoss(eps=4.0)(torch.tensor([3.0]), torch.tensor([0.0]))
    tensor(5.)
    """

    def __init__(self, eps: float = 1e-3, form: CharbonnierForm = "root", reduction: Reduction = "mean") -> None:
        super().__init__()
        self.eps = positive("eps", eps)
        self.form: CharbonnierForm = one_of("form", form, FORMS)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "eps", "form", "reduction")

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
        """Two tensors of one shape -> scalar, or that shape with reduction "none"."""
        return charbonnier(a, b, self.eps, self.form, self.reduction, weight)


class HuberLoss(nn.Module):
    """`huber` with its settings stored.

    >>> HuberLoss()(torch.tensor([3.0]), torch.tensor([0.0]))
    tensor(2.5000)
    """

    def __init__(self, delta: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.delta = positive("delta", delta)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "delta", "reduction")

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
        """Two tensors of one shape -> scalar, or that shape with reduction "none"."""
        return huber(a, b, self.delta, self.reduction, weight)
