"""What several losses do to tensors before and after their formula."""

from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["mean", "sum", "none"]


def in_full_precision(tensor: Tensor) -> Tensor:
    """The tensor in fp32 if it is in a 16-bit type, else as it is: sums of small differences need the digits."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def difference(a: Tensor, b: Tensor) -> Tensor:
    """a - b, in fp32 at least.

    Raises:
        ValueError: the shapes differ (no broadcasting: it hides mistakes), or the values are not floating-point.
    """
    if a.shape != b.shape:
        raise ValueError(f"expected two tensors of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f"expected floating-point tensors, got {a.dtype} and {b.dtype}")
    return in_full_precision(a) - in_full_precision(b)


def reduced(values: Tensor, reduction: Reduction) -> Tensor:
    """The mean or sum of all values, or the values themselves.

    Raises:
        ValueError: no such reduction.
    """
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    if reduction == "none":
        return values
    raise ValueError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")
