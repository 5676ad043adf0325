"""Virtual batch normalisation: statistics of a fixed reference batch (Salimans et al. 2016, arXiv:1606.03498)."""

from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.layers.rows import rows
from srgan_kit.losses import MinibatchDiscrimination, batch_layout


class VirtualBatchNorm(nn.Module):
    """Normalises each example by its own statistics mixed with the reference's, which come first in the batch.

    (n + N, C, ...) -> the same shape. Each example has a mean and a mean square per channel, over its positions; the
    reference's are the means of its n examples'. With w = 1 / (n + 1),

        mean = w own + (1 - w) reference        mean square = w own + (1 - w) reference
        y = scale (x - mean) / sqrt(mean square - mean^2 + eps) + shift

    The reference itself is normalised by its own statistics alone (w = 0). Sec. 3.5 of the paper.

    Args:
        norm: the layer of batch normalisation whose scale, shift and eps it takes over: the same parameters.
        references: n.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, references: int) -> None:
        super().__init__()
        self.references = references
        self.eps = norm.eps
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        """(n + N, C, ...) -> the same shape."""
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        positions = list(range(2, x.ndim))
        own_mean = values.mean(positions, keepdim=True) if positions else values
        centre = own_mean[: self.references].mean(0, keepdim=True)
        # A variance does not depend on the origin. At the reference's mean, no digits cancel, and that mean is 0.
        values, own_mean = values - centre, own_mean - centre
        own_square = values.square().mean(positions, keepdim=True) if positions else values.square()
        own = torch.ones_like(own_mean[:, :1]) / (self.references + 1)
        own[: self.references] = 0
        mean = own * own_mean
        square = own * own_square + (1 - own) * own_square[: self.references].mean(0, keepdim=True)
        normalised = (values - mean) * torch.rsqrt(square - mean.square() + self.eps)
        if self.weight is not None:
            shape = (1, -1, *[1] * len(positions))
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(x.dtype)


class ReferencesApart(nn.Module):
    """Minibatch discrimination among the n references and among the batch, each by itself: (n + N, F) -> (n + N, ...).

    Real references would tell a batch of generated images that it is one.
    """

    def __init__(self, layer: MinibatchDiscrimination, references: int) -> None:
        super().__init__()
        self.layer, self.references = layer, references

    def forward(self, features: Tensor) -> Tensor:
        """(n + N, F) -> (n + N, F + kernels)."""
        return torch.cat([self.layer(features[: self.references]), self.layer(features[self.references :])])


class VirtualBatchNetwork(nn.Module):
    """A network whose batch norm is virtual: through it, an example does not depend on the rest of the batch.

    It runs on the reference and the batch together, and gives back what it made of the batch; minibatch discrimination
    compares the batch with itself alone. The network is changed in place, its parameters stay; the reference is in the
    state dict. Training and evaluation are alike.

    Args:
        network: any network with batch norm, that takes tensors (n, ...) and returns one, or a record of some.
        reference_inputs: its inputs for the n reference examples; where it takes none, None.

    Raises:
        UserError: no batch norm in the network, references of different numbers; from forward, inputs that the
            reference lacks, or the other way round.
    """

    def __init__(self, network: nn.Module, *reference_inputs: Tensor | None) -> None:
        super().__init__()
        counts = {len(reference) for reference in reference_inputs if reference is not None}
        if len(counts) != 1 or 0 in counts:
            raise UserError(f"virtual batch norm: expected references of one number of examples, got {sorted(counts)}")
        self.references = counts.pop()
        self.network = network
        self.inputs = len(reference_inputs)
        for number, reference in enumerate(reference_inputs):
            self.register_buffer(f"reference_{number}", None if reference is None else reference.detach().clone())
        if not _replace_batch_norm(network, self.references):
            raise UserError(
                f"virtual batch norm: expected a network with batch norm, {type(network).__name__} has none"
            )

    def forward(self, *inputs: Tensor | None) -> Any:
        """The network's inputs -> its output."""
        together: list[Tensor | None] = []
        references = [getattr(self, f"reference_{number}") for number in range(self.inputs)]
        for number, (reference, given) in enumerate(zip_longest(references, inputs)):
            if (reference is None) != (given is None):
                wanted, came = ("none" if each is None else tuple(each.shape) for each in (reference, given))
                raise UserError(
                    f"virtual batch norm: expected input {number} like the reference's, {wanted}, got {came}"
                )
            together.append(None if reference is None or given is None else torch.cat([reference.to(given), given]))
        given = next(each for each in inputs if each is not None)
        with batch_layout([len(given)], shared=self.references):
            output = self.network(*together)
        return rows(output, slice(self.references, None))


def _replace_batch_norm(network: nn.Module, references: int) -> int:
    """How many layers of batch norm were replaced."""
    replaced = 0
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(network, name, VirtualBatchNorm(child, references))
            replaced += 1
        elif isinstance(child, MinibatchDiscrimination):
            setattr(network, name, ReferencesApart(child, references))
        else:
            replaced += _replace_batch_norm(child, references)
    return replaced
