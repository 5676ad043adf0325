"""What several losses do to tensors before and after their formula."""

from typing import Literal, cast

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


def unit_length(maps: Tensor) -> Tensor:
    """(N, C, ...) divided by the length over channels; vectors of zeros stay zeros, with gradient 0."""
    length = cast(Tensor, torch.linalg.vector_norm(maps, dim=1, keepdim=True))  # pyright: ignore
    return maps / torch.where(length > 0, length + 1e-10, torch.inf)


def reduced(values: Tensor, reduction: Reduction, weight: Tensor | None = None) -> Tensor:
    """The mean or sum of all values, or the values themselves; with a weight, a mask for instance, of weight * values.

    The weight is broadcast to the values' shape. The weighted mean is sum(weight values) / sum(weight), and 0 where the
    weights are all 0.

    Raises:
        ValueError: no such reduction, or a weight that cannot be broadcast.
    """
    if weight is not None:
        try:
            spread = weight.to(values.dtype).expand(values.shape)
        except RuntimeError:
            shapes = f"{tuple(weight.shape)} for {tuple(values.shape)}"
            raise ValueError(f"weight: expected one that can be broadcast to the values, got {shapes}") from None
        values = spread * values
        if reduction == "mean":
            total = spread.sum()
            return values.sum() / torch.where(total == 0, 1, total)
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    if reduction == "none":
        return values
    raise ValueError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")
