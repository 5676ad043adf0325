"""Distances that other losses take by name."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ._settings import one_of
from .pixel import charbonnier, l1, mse

Distance = Literal["l1", "l2", "charbonnier", "euclidean"]

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": lambda a, b: l1(a, b, "none"),
    "l2": lambda a, b: mse(a, b, "none"),
    "charbonnier": lambda a, b: charbonnier(a, b, reduction="none"),
    "euclidean": lambda a, b: mse(a, b, "none") / 2,
}
"""Distances per element. A sample's distance is their mean; with "euclidean" their sum, as in DeePSiM and VAE/GAN."""


def checked_distance(distance: Distance) -> Distance:
    """The distance itself.

    Raises:
        ValueError: no such one.
    """
    return one_of("distance", distance, DISTANCES)


def sample_distances(a: Tensor, b: Tensor, distance: Distance) -> Tensor:
    """The distance of that name of each sample: two tensors (N, ...) of one shape -> (N,).

    Raises:
        ValueError: no such distance, different shapes, empty, or no batch dimension.
    """
    values = DISTANCES[checked_distance(distance)](a, b)
    if values.ndim == 0:
        raise ValueError(f"expected a batch (N, ...), got {tuple(values.shape)}")
    values = values.reshape(len(values), -1)
    return values.sum(dim=1) if distance == "euclidean" else values.mean(dim=1)
