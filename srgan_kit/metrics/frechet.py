"""The Fréchet distance between Gaussians, and between the Gaussians fitted to two sets of features."""

import math

import torch
from torch import Tensor


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Squared Fréchet distance between two Gaussians, in [0, inf); 0 for equal ones, NaN if a number is not finite.

    (D,) and (D, D) twice; covariances are symmetric and positive semidefinite, singular ones too.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a^(1/2) S_b S_a^(1/2))^(1/2))
    Dowson & Landau 1982, "The Fréchet distance between multivariate normal distributions", eq. 4

    Raises:
        ValueError: moments of other shapes.

    >>> frechet_distance(torch.zeros(2), torch.eye(2), torch.ones(2), 4 * torch.eye(2))
    4.0
    """
    shapes = [tuple(each.shape) for each in (mean_a, cov_a, mean_b, cov_b)]
    if mean_a.dim() != 1 or shapes != 2 * [shapes[0], 2 * shapes[0]]:
        raise ValueError(f"frechet_distance: expected (D,), (D, D), (D,), (D, D), got {', '.join(map(str, shapes))}")
    first, second = (each.detach().double() for each in (cov_a, cov_b))
    shift = (mean_a.detach().double() - mean_b.detach().double()).square().sum()
    if not (shift.isfinite() and first.isfinite().all() and second.isfinite().all()):
        return math.nan
    values, vectors = torch.linalg.eigh(first)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    return max(0.0, (shift + first.trace() + second.trace() - 2 * overlap).item())


def frechet_distance_of(features_a: Tensor, features_b: Tensor) -> float:
    """The same between Gaussians fitted to two sets of features: (N, D) and (M, D), N and M >= 2.

    Take several times D of each: from fewer it is too large. NaN if a feature is not finite. Covariances are unbiased.
    It is the "FID" only with the features of the Inception network that was published with it.

    Heusel et al. 2017, "GANs trained by a two time-scale update rule", arXiv:1706.08500

    Raises:
        ValueError: not two sets of at least two features of one length.
    """
    sets = [features_a, features_b]
    if any(each.dim() != 2 or len(each) < 2 for each in sets) or features_a.shape[1] != features_b.shape[1]:
        shapes = " and ".join(str(tuple(each.shape)) for each in sets)
        raise ValueError(f"frechet_distance_of: expected features (N, D) and (M, D), N and M >= 2, got {shapes}")
    moments = [moment for features in sets for moment in _moments(features)]
    return frechet_distance(*moments)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and unbiased covariance (D, D)."""
    features = features.detach().double()
    return features.mean(dim=0), torch.cov(features.T).reshape(2 * (features.shape[1],))
