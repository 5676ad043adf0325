"""Minibatch discrimination: the critic sees how alike the images of a batch are, and so notices a collapse."""

import torch
from torch import Tensor, nn

from ._distributed import gathered
from ._settings import shown, whole
from ._tensors import check_tensors, in_full_precision


def minibatch_similarity(projected: Tensor) -> Tensor:
    """For each sample and kernel, how close the other samples of the batch are, in [0, N - 1].

    (N, B, C): B kernels of C dimensions -> (N, B). This process's samples against those of all processes.

    o_b(x_i) = sum_{j != i} exp(-||M_ib - M_jb||_1)

    Real and fake images belong in batches of their own. Memory grows with N^2 B C.
    Salimans et al. 2016, "Improved Techniques for Training GANs", sec. 3.2, arXiv:1606.03498

    Raises:
        ValueError: not (N, B, C), or not floating-point.

    >>> minibatch_similarity(torch.zeros(3, 1, 2))  # three equal samples: each has two others at distance 0
    tensor([[2.],
            [2.],
            [2.]])
    """
    check_tensors(projected=projected)
    if projected.ndim != 3 or not projected.is_floating_point():
        raise ValueError(f"expected a floating-point (N, B, C), got {tuple(projected.shape)} {projected.dtype}")
    own = in_full_precision(projected)
    distances = (own[:, None] - gathered(own, "minibatch_similarity")[None]).abs().sum(dim=3)
    return torch.exp(-distances).sum(dim=1) - 1  # exp(0) = 1 is the sample itself


class MinibatchDiscrimination(nn.Module):
    """Appends `minibatch_similarity` of a learned projection to features: (N, F) -> (N, F + kernels).

    M_i = f(x_i) T, T learned: F x kernels x dimensions. Salimans et al. 2016, sec. 3.2; on MNIST and CIFAR-10 the
    authors take 100 kernels of 5 dimensions.

    Raises:
        ValueError: a size below 1; from forward, features that are not floating-point (N, F).

    >>> MinibatchDiscrimination(8, kernels=4, dimensions=3)(torch.zeros(2, 8)).shape
    torch.Size([2, 12])
    """

    def __init__(self, features: int, kernels: int = 100, dimensions: int = 5) -> None:
        super().__init__()
        self.features = whole("features", features)
        self.kernels, self.dimensions = whole("kernels", kernels), whole("dimensions", dimensions)
        self.projection = nn.Parameter(torch.randn(features, kernels * dimensions) * 0.05)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "features", "kernels", "dimensions")

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) -> (N, F + kernels)."""
        check_tensors(features=features)
        if features.ndim != 2 or features.shape[1] != self.features or not features.is_floating_point():
            got = f"{tuple(features.shape)} {features.dtype}"
            raise ValueError(f"expected floating-point features (N, {self.features}), got {got}")
        projected = (features.to(self.projection.dtype) @ self.projection).reshape(-1, self.kernels, self.dimensions)
        return torch.cat([features, minibatch_similarity(projected).to(features.dtype)], dim=1)
