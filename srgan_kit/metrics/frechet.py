"""The Fréchet distance of two sets of features: how far apart two distributions of images are."""

import torch
from torch import Tensor


def gaussian_frechet(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Squared Fréchet (Wasserstein-2) distance of two Gaussians: 0 for the same.

    Means (D,) and covariances (D, D), symmetric and positive semi-definite -> at least 0, in float64.

    |m - n|^2 + tr(C + D - 2 (C^1/2 D C^1/2)^1/2)
    Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions"

    Raises:
        ValueError: shapes that do not belong together.

    >>> one = torch.eye(2)
    >>> round(gaussian_frechet(torch.zeros(2), one, torch.tensor([3.0, 4.0]), 4 * one), 6)
    27.0
    """
    size = len(mean) if mean.dim() == 1 else 0
    shapes = [tuple(each.shape) for each in (mean, other_mean, covariance, other_covariance)]
    if not size or shapes != [(size,), (size,), (size, size), (size, size)]:
        raise ValueError(f"gaussian_frechet: expected means (D,) and covariances (D, D), got {shapes}")
    first, second = covariance.double(), other_covariance.double()
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.mT
    product = root @ second @ root
    # rounding makes eigenvalues that are 0 a little negative
    overlap = torch.linalg.eigvalsh((product + product.mT) / 2).clamp(min=0).sqrt().sum()
    distance = (mean.double() - other_mean.double()).square().sum() + first.trace() + second.trace() - 2 * overlap
    return max(float(distance), 0.0)


def frechet_distance(features: Tensor, other: Tensor) -> float:
    """`gaussian_frechet` of the Gaussians fitted to two sets of features, (N, D) and (M, D) -> at least 0.

    Few rows overestimate it: take N and M several times as large as D, and compare only what has the same N, M and
    features. With the features of an Inception network it is the FID (Heusel et al. 2017, arXiv:1706.08500).

    Raises:
        ValueError: fewer than two rows, or another D.
    """
    if features.dim() != 2 or other.dim() != 2 or min(len(features), len(other)) < 2:
        got = f"{tuple(features.shape)} and {tuple(other.shape)}"
        raise ValueError(f"frechet_distance: expected (N, D) and (M, D) with at least two rows, got {got}")
    fits = [
        (each.double().mean(dim=0), torch.cov(each.double().mT).reshape(2 * each.shape[1:]))
        for each in (features, other)
    ]
    return gaussian_frechet(*fits[0], *fits[1])
