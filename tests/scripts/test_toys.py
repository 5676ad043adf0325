"""Toys: their distribution against integrals and published numbers, and points as images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.toys.distributions import TOYS, Toy, gaussian, grid, ring, two_gaussians

LINE = np.linspace(-12, 14, 200_001)[:, None]


def integral(values: np.ndarray) -> float:
    return float(np.trapezoid(values, LINE[:, 0]))


@pytest.mark.parametrize("toy", [gaussian(1, 0.5), two_gaussians()])
def test_densities_on_the_line_integrate_to_one(toy: Toy) -> None:
    assert integral(np.exp(toy.log_density(LINE))) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("toy", [ring(radius=2, std=0.2), grid(side=3, std=0.3)])
def test_densities_in_the_plane_integrate_to_one(toy: Toy) -> None:
    line = np.linspace(-5, 5, 501)
    plane = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    assert np.exp(toy.log_density(plane)).sum() * (line[1] - line[0]) ** 2 == pytest.approx(1, abs=1e-6)


def test_divergences_of_two_gaussians_are_the_closed_forms() -> None:
    p, q = (gaussian(mean).log_density(LINE) for mean in (0, 1))
    assert integral(np.exp(p) * (p - q)) == pytest.approx(0.5, abs=1e-8)
    assert integral(np.exp(2 * p - q)) - 1 == pytest.approx(np.e - 1, abs=1e-8)
    assert integral(np.abs(np.exp(p) - np.exp(q))) / 2 == pytest.approx(0.38292, abs=1e-5)


def test_the_mixture_has_the_published_best_fit() -> None:
    p = two_gaussians().log_density(LINE)
    mean = integral(np.exp(p) * LINE[:, 0])
    std = np.sqrt(integral(np.exp(p) * (LINE[:, 0] - mean) ** 2))
    assert (mean, std) == (pytest.approx(1.0100, abs=2e-4), pytest.approx(1.8308, abs=5e-4))
    fit = gaussian(mean, std).log_density(LINE)
    assert integral(np.exp(p) * (p - fit)) == pytest.approx(0.2831, abs=3e-4)


def test_ring_and_grid_have_distinct_centres_at_their_places() -> None:
    centres = ring(8, radius=2).centres
    assert np.allclose(np.linalg.norm(centres, axis=1), 2)
    neighbours = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    assert np.allclose(neighbours, 2 * 2 * np.sin(np.pi / 8))
    assert len(np.unique(centres.round(9), axis=0)) == 8
    assert sorted(map(tuple, grid().centres)) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]


@pytest.mark.parametrize("name", TOYS)
def test_samples_follow_the_law(name: str) -> None:
    toy = TOYS[name]()
    points = toy.sample(50_000, seed=1)
    assert points.dtype == np.float64
    mode, distance = toy.nearest(points)
    if name != "two-gaussians":  # whose modes overlap
        assert np.allclose(np.bincount(mode) / len(mode), toy.weights, atol=0.01)
        # the squared distance in std is chi-squared, of mean D
        assert (distance**2).mean() == pytest.approx(points.shape[1], rel=0.03)
    mean = toy.weights @ toy.centres
    assert np.allclose(points.mean(axis=0), mean, atol=5 * points.std(axis=0).max() / np.sqrt(len(points)))
    variance = toy.weights @ (np.square(toy.centres - mean) + toy.std[:, None] ** 2)
    assert np.allclose(points.var(axis=0), variance, rtol=0.05)


def test_samples_are_a_function_of_the_seed() -> None:
    first, again, other = (ring().sample(100, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", TOYS)
@given(seed=st.integers(0, 10_000))
def test_points_become_images_and_come_back(name: str, seed: int) -> None:
    toy = TOYS[name]()
    points = toy.sample(200, seed)
    images = toy.to_images(points)
    assert images.shape == (200, points.shape[1], 1, 1)
    assert images.dtype == torch.float32
    assert 0 <= images.min() <= images.max() <= 1
    assert np.allclose(toy.to_points(images), points, atol=1e-6 * toy.reach)


def test_the_map_keeps_shapes_and_fills_the_range() -> None:
    toy = ring(radius=1, std=0.02)
    assert toy.to_points(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)).tolist() == [[-1.1, 1.1]]
    images = toy.to_images(toy.centres).flatten(1).numpy()
    assert np.allclose(np.linalg.norm(images - 0.5, axis=1), 1 / 2.2)


def test_points_of_another_dimension_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"expected points \(N, 2\), got \(5, 1\)"):
        ring().log_density(np.zeros((5, 1)))
