"""Statistics of the global batch: where a formula needs the whole batch, every process's part of it is gathered.

Gradients are right under DistributedDataParallel, which averages the processes' gradients: each process computes the
loss of the whole batch, the gather's backward pass adds what all processes ask of a sample, and the average divides by
their number.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.autograd import Function

from ._tensors import check_floating_point
from .batch_parts import parts_of_batch

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextmanager
def alone() -> Generator[None, None, None]:
    """Within it this process's batch is the whole: for measuring, which each process does by itself."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def processes() -> int:
    """How many processes share the batch: 1 where torch.distributed is not in use."""
    if _ALONE.get():
        return 1
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(tensor: Tensor, what: str) -> Tensor:
    """(N, ...) of this process -> (processes * N, ...) of all, in rank order, with gradients to each one's own part.

    All processes must bring tensors of one shape.

    Args:
        tensor: this process's.
        what: what takes the statistics, for the message.

    Raises:
        ValueError: the whole batch has more parts than there are processes, so that some of them come later.
    """
    if parts_of_batch() > processes():
        raise ValueError(f"{what} takes statistics of the whole batch, of which only a part is here")
    return tensor if processes() == 1 else cast(Tensor, _Gather.apply(tensor))


def global_mean(tensor: Tensor, what: str) -> Tensor:
    """The mean over dimension 0 of all processes' batches, with gradients: (N, ...) -> (...); see `gathered`."""
    check_floating_point(tensor=tensor)
    return gathered(tensor.mean(dim=0, keepdim=True), what).mean(dim=0)


class _Gather(Function):
    """Forward: the parts of all processes in rank order. Backward: `_OwnSum`. Each is the other's transpose."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(processes())]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return cast(Tensor, _OwnSum.apply(gradients[0]))


class _OwnSum(Function):
    """Forward: the sum over processes of the part that is this process's own."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.contiguous().clone()
        distributed.all_reduce(total)
        return total.chunk(processes())[distributed.get_rank()].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return cast(Tensor, _Gather.apply(gradients[0]))
