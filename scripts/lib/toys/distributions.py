"""Synthetic distributions with known density, mixtures of isotropic Gaussians: a generator's errors can be counted."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Toy:
    """A mixture of K isotropic Gaussians of D dimensions: p(x) = sum_k weight_k N(x; centre_k, std_k^2 I).

    To a task that takes images, a point is an image of D channels and one pixel, by `to_images`.

    Raises:
        ValueError: two centres coincide, so that there are fewer modes than centres.
    """

    centres: np.ndarray
    """(K, D) float64."""
    std: np.ndarray
    """(K,) float64, above 0."""
    weights: np.ndarray
    """(K,) float64, summing to 1."""

    def __post_init__(self) -> None:
        distinct = len(np.unique(self.centres.round(9), axis=0))
        if distinct < len(self.centres):
            raise ValueError(f"centres: expected {len(self.centres)} different ones, got {distinct}")

    def sample(self, n: int, seed: int) -> np.ndarray:
        """Independent points, (n, D) float64."""
        random = np.random.default_rng(seed)
        mode = random.choice(len(self.weights), size=n, p=self.weights)
        return self.centres[mode] + self.std[mode, None] * random.standard_normal((n, self.centres.shape[1]))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """ln p(x), in nats: (N, D) -> (N,) float64.

        Raises:
            ValueError: not points of D dimensions.
        """
        squared = self._squared_distances(points) / self.std**2
        volume = self.centres.shape[1] * (np.log(self.std) + 0.5 * math.log(2 * math.pi))
        return np.logaddexp.reduce(np.log(self.weights) - volume - 0.5 * squared, axis=1)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest centre of each point and the distance to it, in that centre's std: (N, D) -> (N,) and (N,).

        Raises:
            ValueError: not points of D dimensions.
        """
        squared = self._squared_distances(points)
        mode = squared.argmin(axis=1)
        return mode, np.sqrt(squared[np.arange(len(mode)), mode]) / self.std[mode]

    def to_images(self, points: np.ndarray) -> Tensor:
        """Points as images in [0, 1]: (N, D) -> (N, D, 1, 1) float32.

        image = 0.5 + (x - middle) / (2 reach), with `middle` and `reach` such that every centre lies at least five of
        its std inside: not one sample in a million falls outside, and none is clamped.
        """
        values = 0.5 + (points - self.middle) / (2 * self.reach)
        return torch.from_numpy(values.astype(np.float32))[..., None, None]

    def to_points(self, images: Tensor) -> np.ndarray:
        """The inverse of `to_images`: (N, D, 1, 1) -> (N, D) float64."""
        return (images.detach().cpu().double().flatten(1).numpy() - 0.5) * (2 * self.reach) + self.middle

    @property
    def middle(self) -> np.ndarray:
        """(D,): the middle of the box around the centres."""
        return (self.centres.min(axis=0) + self.centres.max(axis=0)) / 2

    @property
    def reach(self) -> float:
        """How far from the middle an image's 0 and 1 lie, the same in every dimension."""
        return float((np.abs(self.centres - self.middle).max(axis=1) + 5 * self.std).max())

    def _squared_distances(self, points: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K)."""
        if points.ndim != 2 or points.shape[1] != self.centres.shape[1]:
            raise ValueError(f"expected points (N, {self.centres.shape[1]}), got {points.shape}")
        return np.square(points[:, None, :].astype(np.float64) - self.centres).sum(axis=2)


def ring(modes: int = 8, radius: float = 1.0, std: float = 0.02) -> Toy:
    """Equal Gaussians at equal angles on a circle: 2 pi k / modes for k = 0 ... modes - 1, no angle twice."""
    angles = 2 * np.pi * np.arange(modes) / modes
    return _equal(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), std)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Toy:
    """Equal Gaussians on a square grid of side x side, around the origin."""
    line = spacing * (np.arange(side) - (side - 1) / 2)
    return _equal(np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2), std)


def gaussian(mean: float = 0.0, std: float = 1.0) -> Toy:
    """One Gaussian on the line: two of them have f-divergences in closed form."""
    return _equal(np.array([[mean]]), std)


def two_gaussians() -> Toy:
    """.67 N(2, 1.415^2) + .33 N(-1, .255^2) on the line, to which one Gaussian is fitted.

    Reconstructed from the published fits of Nowozin et al. 2016, "f-GAN", univariate mixture,
    arXiv:1606.00709
    """
    return Toy(np.array([[2.0], [-1.0]]), np.array([1.415, 0.255]), np.array([0.67, 0.33]))


def _equal(centres: np.ndarray, std: float) -> Toy:
    count = len(centres)
    return Toy(centres, np.full(count, std), np.full(count, 1 / count))


TOYS = {"ring": ring, "grid": grid, "gaussian": gaussian, "two-gaussians": two_gaussians}
"""The toys by name, with their usual settings where none are given."""
