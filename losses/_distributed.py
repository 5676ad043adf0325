"""Statistics of the global batch: where a formula needs the whole batch, every process's part of it is gathered.

Gradients are right under DistributedDataParallel, which averages the processes' gradients: each process computes the
loss of the whole batch, the gather's backward pass adds what all processes ask of a sample, and the average divides by
their number.
"""

import torch
from torch import Tensor, distributed


def processes() -> int:
    """How many processes share the batch: 1 where torch.distributed is not in use."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(tensor: Tensor) -> Tensor:
    """(N, ...) of this process -> (processes * N, ...) of all, in rank order, with gradients to each one's own part.

    All processes must bring tensors of one shape.
    """
    if processes() == 1:
        return tensor
    # Here, because importing this module sets up RPC machinery that one process does not need.
    from torch.distributed.nn.functional import all_gather  # pyright: ignore

    return torch.cat(list(all_gather(tensor.contiguous())))  # pyright: ignore


def global_mean(tensor: Tensor) -> Tensor:
    """The mean over dimension 0 of all processes' batches, with gradients: (N, ...) -> (...)."""
    return gathered(tensor.mean(dim=0, keepdim=True)).mean(dim=0)
