"""Mode coverage: real data, collapse, and the mistakes it has to find."""

import numpy as np
import pytest

from scripts.lib.toys.distributions import Toy, gaussian, grid, ring
from scripts.lib.toys.mode_coverage import ModeCoverage, mode_coverage


@pytest.mark.parametrize(("toy", "modes"), [(ring(), 8), (grid(), 25)])
def test_real_data_covers_all_modes_at_the_exact_share(toy: Toy, modes: int) -> None:
    assert mode_coverage(toy.sample(2500, seed=0), toy).modes == modes
    coverage = mode_coverage(toy.sample(200_000, seed=0), toy)
    assert coverage.high_quality == pytest.approx(1 - np.exp(-4.5), abs=1e-3)
    line = gaussian()
    assert mode_coverage(line.sample(200_000, seed=0), line).high_quality == pytest.approx(0.9973, abs=5e-4)


def test_collapse_is_one_mode_of_high_quality() -> None:
    toy = grid()
    assert mode_coverage(np.repeat(toy.centres[3:4], 100, axis=0), toy) == ModeCoverage(1, 1.0)


def test_noise_between_the_modes_is_of_no_quality() -> None:
    toy = ring()
    assert mode_coverage(np.zeros((100, 2)), toy) == ModeCoverage(0, 0.0)
    half = np.concatenate([toy.centres, np.zeros((8, 2))])
    assert mode_coverage(half, toy) == ModeCoverage(8, 0.5)


def test_three_std_are_in_and_more_is_out() -> None:
    toy = ring(std=0.1)
    for stds, share in ((2.99, 1.0), (3.01, 0.0)):
        points = toy.centres * (1 + stds * 0.1)
        assert mode_coverage(points, toy).high_quality == share


def test_a_ring_with_its_first_angle_twice_does_not_pass_for_the_ring() -> None:
    angles = np.linspace(0, 2 * np.pi, 8)
    wrong = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert mode_coverage(wrong, ring()) == ModeCoverage(1, 0.25)
    with pytest.raises(ValueError, match="expected 8 different ones, got 7"):
        Toy(wrong, np.full(8, 0.02), np.full(8, 1 / 8))


def test_points_that_are_not_finite_count_for_nothing() -> None:
    points = np.array([[1.0, 0.0], [np.nan, 0.0], [np.inf, 1.0], [-np.inf, np.nan]])
    assert mode_coverage(points, ring()) == ModeCoverage(1, 0.25)


def test_what_are_no_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        mode_coverage(np.zeros((0, 2)), ring())
    with pytest.raises(ValueError, match=r"\(N, 2\), got \(4, 3\)"):
        mode_coverage(np.zeros((4, 3)), ring())
