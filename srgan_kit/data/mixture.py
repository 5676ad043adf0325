"""Samples from several sources of images in given proportions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WHOLE = 2**20
"""Weights are kept as whole numbers of this, so that their sums are exact."""


@dataclass(frozen=True)
class Mixture:
    """Which source each sample is drawn from, as the weights say and as evenly as that goes: a function of its number.

    Of the samples before number i floor(p i) are from the first source, p its part of the weights. What is left is
    numbered anew and divided among the others in the same way.

    >>> [part.tolist() for part in Mixture.of([3.0, 1.0])(np.arange(8))]
    [[1, 0, 0, 0, 1, 0, 0, 0], [0, 0, 1, 2, 1, 3, 4, 5]]
    """

    parts: tuple[int, ...]
    """Of each source but the last, its part of what those before it leave, of `WHOLE`."""

    @classmethod
    def of(cls, weights: Sequence[float]) -> "Mixture":
        """A mixture of as many sources as there are weights, which are positive."""
        left = [weight / sum(weights[number:]) for number, weight in enumerate(weights[:-1])]
        return cls(tuple(min(max(round(WHOLE * part), 1), WHOLE - 1) for part in left))

    def __call__(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The source of each sample, and how many samples before it are of the same source: (N,) int64 twice."""
        sources, numbers = np.full(len(indices), len(self.parts)), indices.astype(np.int64)
        for source, part in enumerate(self.parts):
            open_ = sources == len(self.parts)
            before = numbers * part // WHOLE
            here = open_ & ((numbers + 1) * part // WHOLE > before)
            sources[here] = source
            numbers = np.where(here, before, np.where(open_, numbers - before, numbers))
        return sources, numbers


ONE_SOURCE = Mixture(())
"""All samples are of the same source."""


def ranges_of(source_of: np.ndarray, sources: int) -> np.ndarray:
    """Each source's first image and how many it has: from (N,) numbers of sources, rising, to (sources, 2)."""
    starts = np.searchsorted(source_of, np.arange(sources + 1))
    return np.stack([starts[:-1], np.diff(starts)], axis=1)
