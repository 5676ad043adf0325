"""Fréchet distance: closed forms of Gaussians, and sets of features."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srgan_kit.metrics.frechet import frechet_distance, frechet_distance_of


def test_the_distance_of_gaussians_on_a_line_is_that_of_means_and_deviations() -> None:
    first, second = (torch.tensor([1.0]), torch.tensor([[4.0]])), (torch.tensor([-2.0]), torch.tensor([[0.25]]))
    assert frechet_distance(*first, *second) == pytest.approx(3**2 + (2 - 0.5) ** 2)
    assert frechet_distance(*first, *first) == 0
    point = (torch.tensor([1.0]), torch.tensor([[0.0]]))
    assert frechet_distance(*first, *point) == pytest.approx(4)


def test_the_distance_of_covariances_that_do_not_commute_is_found_by_another_root() -> None:
    """tr (AB)^(1/2) from the eigenvalues of AB itself, which is not symmetric."""
    first, second = (torch.randn(5, 5, dtype=torch.float64) for _ in range(2))
    first, second = first @ first.T, second @ second.T
    root = torch.linalg.eigvals(first @ second).real.sqrt().sum()
    zero = torch.zeros(5)
    expected = float(first.trace() + second.trace() - 2 * root)
    assert frechet_distance(zero, first, zero, second) == pytest.approx(expected, rel=1e-9)


def test_moments_of_other_shapes_are_an_error() -> None:
    zero, one = torch.zeros(2), torch.eye(2)
    for wrong in ((zero, one, torch.zeros(3), torch.eye(3)), (zero, one[:1], zero, one), (one, one, one, one)):
        with pytest.raises(ValueError, match=r"frechet_distance: expected \(D,\), \(D, D\)"):
            frechet_distance(*wrong)


def test_the_distance_of_equal_sets_is_zero_and_of_shifted_ones_the_shift() -> None:
    features = torch.randn(500, 12) @ torch.randn(12, 12)
    assert frechet_distance_of(features, features.flip(0)) == pytest.approx(0, abs=1e-9)
    shift = torch.arange(12.0)
    assert frechet_distance_of(features, features + shift) == pytest.approx(float(shift.square().sum()), rel=1e-5)


@given(seed=st.integers(0, 1000), width=st.integers(1, 6))
def test_the_distance_of_commuting_covariances_is_that_of_their_roots(seed: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(50, width, generator=generator, dtype=torch.float64)
    # to exactly unit covariance, turned at random: both covariances then share their eigenvectors
    features = features - features.mean(dim=0)
    white = features @ torch.linalg.cholesky(torch.cov(features.T).reshape(width, width)).inverse().T
    turn = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q
    first, second = (torch.rand(width, generator=generator, dtype=torch.float64) + 0.1 for _ in range(2))
    distance = frechet_distance_of(white * first @ turn, white * second @ turn)
    assert distance == pytest.approx(float((first - second).square().sum()), abs=1e-9)


def test_frechet_distance_is_symmetric_and_survives_fewer_features_than_dimensions() -> None:
    first, second = torch.randn(5, 20), torch.randn(9, 20) * 2 + 1
    assert frechet_distance_of(first, second) == pytest.approx(frechet_distance_of(second, first), rel=1e-6)
    assert math.isnan(frechet_distance_of(first * torch.inf, second)), "a diverged generator does not score 0"
    for wrong in (torch.randn(9, 19), torch.randn(1, 20), torch.randn(20)):
        with pytest.raises(ValueError, match=r"\(N, D\) and \(M, D\)"):
            frechet_distance_of(first, wrong)


def test_the_frechet_distance_is_the_optimal_transport_cost_of_gaussians() -> None:
    # in one dimension the optimal coupling sorts both sets
    first, second = torch.randn(20_000).double(), 3 * torch.randn(20_000).double() + 1
    cost = (first.sort().values - second.sort().values).square().mean().item()
    assert frechet_distance_of(first[:, None], second[:, None]) == pytest.approx(cost, rel=0.01)
