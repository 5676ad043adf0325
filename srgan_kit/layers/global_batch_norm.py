"""Batch norm whose statistics are those of all processes' images, so that several processes train as one does."""

import torch
from torch import Tensor, nn

from srgan_kit.losses import global_mean


class _GlobalStatistics(nn.modules.batchnorm._BatchNorm):
    """Batch norm over all processes' batches, which must be of one shape: (N, C, ...) -> the same shape."""

    def forward(self, input: Tensor) -> Tensor:
        """In evaluation it is the layer that it was."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        values, over = input.float(), [0, *range(2, input.ndim)]
        shape = (1, -1, *[1] * (input.ndim - 2))
        mean = global_mean(values.mean(over)[None], "batch norm")
        centred = values - mean.view(shape)
        variance = global_mean(centred.square().mean(over)[None], "batch norm")
        self._remember(mean, variance, values.numel() // values.shape[1])
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, own: int) -> None:
        """Take a step's statistics into the running ones; `own` values of each channel are this process's."""
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        count = own * torch.distributed.get_world_size()
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), momentum)


class GlobalBatchNorm1d(_GlobalStatistics, nn.BatchNorm1d):
    """`nn.BatchNorm1d` over all processes."""


class GlobalBatchNorm2d(_GlobalStatistics, nn.BatchNorm2d):
    """`nn.BatchNorm2d` over all processes."""


GLOBAL = {nn.BatchNorm1d: GlobalBatchNorm1d, nn.BatchNorm2d: GlobalBatchNorm2d}


def with_global_statistics(network: nn.Module) -> None:
    """Let the network's batch norm take its statistics over all processes; parameters and buffers stay as they are."""
    for module in network.modules():
        if type(module) in GLOBAL:
            module.__class__ = GLOBAL[type(module)]
