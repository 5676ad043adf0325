"""Distances that other losses take by name."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from .pixel import charbonnier, l1, mse
from .variational import learned_similarity

Distance = Literal["l1", "l2", "charbonnier", "euclidean"]

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "l2": mse,
    "charbonnier": charbonnier,
    "euclidean": learned_similarity,
}
"""Means over all elements; "euclidean" is half the sum of squares over a sample's, as in DeePSiM and VAE/GAN."""


def distance_named(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance of that name, two tensors (N, ...) of one shape -> scalar.

    Raises:
        ValueError: no such distance.
    """
    if name not in DISTANCES:
        raise ValueError(f"distance: expected one of {', '.join(DISTANCES)}; got {name!r}")
    return DISTANCES[name]
