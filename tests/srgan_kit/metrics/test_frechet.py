"""The Fréchet distance against closed forms and against an independent matrix square root."""

import math

import numpy as np
import pytest
import torch

from srgan_kit.metrics.frechet import frechet_distance, gaussian_frechet


def random_covariance(size: int, seed: int) -> torch.Tensor:
    root = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return root @ root.mT


def test_one_dimension_by_hand() -> None:
    # (m - n)^2 + (s - t)^2
    found = gaussian_frechet(torch.tensor([1.0]), torch.tensor([[4.0]]), torch.tensor([-2.0]), torch.tensor([[25.0]]))
    assert found == pytest.approx(9 + 9)


def test_commuting_covariances_by_hand() -> None:
    angle = 0.3
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    first, second = (turn @ torch.diag(torch.tensor(stds).double() ** 2) @ turn.mT for stds in ([1.0, 3.0], [2.0, 7.0]))
    zero = torch.zeros(2)
    assert gaussian_frechet(zero, first, zero, second) == pytest.approx(1 + 16)


def test_covariances_that_do_not_commute_against_another_square_root() -> None:
    first, second = random_covariance(6, 0), random_covariance(6, 1)
    values, vectors = np.linalg.eig((first @ second).numpy())  # not symmetric; its eigenvalues are real all the same
    overlap = np.trace(vectors @ np.diag(np.sqrt(values)) @ np.linalg.inv(vectors)).real
    expected = float(first.trace() + second.trace()) - 2 * overlap
    zero = torch.zeros(6)
    assert gaussian_frechet(zero, first, zero, second) == pytest.approx(expected, rel=1e-9)
    assert gaussian_frechet(zero, second, zero, first) == pytest.approx(expected, rel=1e-9)


def test_a_covariance_without_full_rank() -> None:
    flat = torch.diag(torch.tensor([1.0, 0.0, 0.0]))
    zero = torch.zeros(3)
    assert gaussian_frechet(zero, flat, zero, flat) == pytest.approx(0, abs=1e-12)
    assert gaussian_frechet(zero, flat, zero, torch.zeros(3, 3)) == pytest.approx(1)


def test_samples_of_two_gaussians_come_to_the_closed_form() -> None:
    random = torch.Generator().manual_seed(0)
    first = torch.randn(40_000, 3, generator=random)
    second = 2 * torch.randn(40_000, 3, generator=random) + torch.tensor([1.0, 0.0, -2.0])
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 3 * (2 - 1) ** 2, rel=0.02)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    # a constant shift alone is exactly its square
    assert frechet_distance(first, first + torch.tensor([3.0, 4.0, 0.0])) == pytest.approx(25, rel=1e-5)


def test_features_of_one_dimension_and_few_rows() -> None:
    assert frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])) == pytest.approx(4 + 2)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least two rows, got \(1, 3\)"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"means \(D,\) and covariances"):
        frechet_distance(torch.zeros(4, 3), torch.zeros(4, 2))
