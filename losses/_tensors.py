"""What several losses do to tensors before and after their formula."""

from typing import Literal, cast

import torch
from torch import Tensor

from ._settings import one_of

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS = ("mean", "sum", "none")


def check_tensors(**given: object) -> None:
    """Says by its name which argument is none.

    Raises:
        TypeError: one is not a tensor.
        ValueError: one has no element.
    """
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: expected a tensor, got {type(value).__name__} (torch.as_tensor makes one)")
        if value.numel() == 0:
            raise ValueError(f"{name}: expected at least one element, got {tuple(value.shape)}")


def check_floating_point(**given: object) -> None:
    """`check_tensors`, and says which one holds no floating-point numbers.

    Raises:
        TypeError: one is not a tensor.
        ValueError: one has no element, or is of another type.
    """
    check_tensors(**given)
    for name, value in given.items():
        if isinstance(value, Tensor) and not value.is_floating_point():
            raise ValueError(f"{name}: expected a floating-point tensor, got {tuple(value.shape)} {value.dtype}")


def check_classes(name: str, label: Tensor, classes: int) -> None:
    """Whole numbers from 0 that are below the number of classes. Compiled code and vmap do not look.

    Raises:
        ValueError: one is not.
    """
    if torch.compiler.is_compiling():
        return
    try:
        low, high = int(label.min()), int(label.max())
    except RuntimeError:  # values that cannot be read, such as those under vmap
        return
    if low < 0 or high >= classes:
        raise ValueError(f"{name}: expected 0 to {classes - 1}, got {low if low < 0 else high}")


def in_full_precision(tensor: Tensor) -> Tensor:
    """The tensor in fp32 if it is in a 16-bit type, else as it is: sums of small differences need the digits."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def difference(a: Tensor, b: Tensor) -> Tensor:
    """a - b, in fp32 at least.

    Raises:
        TypeError: one is not a tensor.
        ValueError: the shapes differ (no broadcasting: it hides mistakes), or the values are not floating-point, or
            there are none.
    """
    check_tensors(a=a, b=b)
    if a.shape != b.shape:
        raise ValueError(f"expected two tensors of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f"expected floating-point tensors, got {a.dtype} and {b.dtype}")
    return with_nan_gradients(in_full_precision(a) - in_full_precision(b))


def with_nan_gradients(values: Tensor) -> Tensor:
    """The values themselves; where one is NaN, its gradient is too, which |x|, relu and the like would make 0.

    An optimiser would go on with such a 0, and a gradient scaler see nothing wrong.
    """
    return values * torch.ones_like(values).masked_fill(values.isnan(), torch.nan)


def unit_length(maps: Tensor) -> Tensor:
    """(N, C, ...) divided by the length over channels; vectors of zeros stay zeros, with gradient 0."""
    length = cast(Tensor, torch.linalg.vector_norm(maps, dim=1, keepdim=True))  # pyright: ignore
    return maps / torch.where(length > 0, length + 1e-10, torch.inf)


def reduced(values: Tensor, reduction: Reduction, weight: Tensor | None = None) -> Tensor:
    """The mean or sum of all values, or the values themselves; with a weight, a mask for instance, of weight * values.

    The weight is broadcast to the values' shape. The weighted mean is sum(weight values) / sum(weight), and 0 where the
    weights are all 0.

    Raises:
        TypeError: the weight is not a tensor.
        ValueError: no such reduction, or a weight that cannot be broadcast.
    """
    checked_reduction(reduction)
    if weight is not None:
        check_tensors(weight=weight)
        if weight.is_complex():
            raise ValueError(f"weight: expected real numbers, got {weight.dtype}")
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
    return values.sum() if reduction == "sum" else values


def checked_reduction(reduction: Reduction) -> Reduction:
    """The reduction itself.

    Raises:
        ValueError: no such one.
    """
    return one_of("reduction", reduction, REDUCTIONS)


def spoilt_by(value: Tensor, *inputs: Tensor) -> Tensor:
    """The value, or NaN for an input with a NaN or an infinity: where a formula does not look at all of its input.

    Its gradients are NaN then, too.

    For values (N,) that of the same sample, if there are N. A broken network must not look like a good one.
    """
    for tensor in inputs:
        broken = ~tensor.isfinite()
        samples = value.ndim == 1 and value.shape == tensor.shape[:1]
        broken = broken.reshape(len(tensor), -1).any(dim=1) if samples else broken.any()
        value = value * torch.ones_like(value).masked_fill(broken, torch.nan)
    return value
