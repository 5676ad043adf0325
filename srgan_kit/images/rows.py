"""Images that are never whole in memory: some rows at a time, from the top to the bottom."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

Shape = tuple[int, int, int]


class Rows(Protocol):
    """What is needed of an image, (H, W, C), by whoever reads it from the top to the bottom; an array is one too."""

    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> np.dtype: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class PassingRows:
    """An image whose rows are made when they are asked for, and forgotten when later ones are.

    Args:
        shape: (H, W, C).
        dtype: of its pixels.
        bands: all rows in order, some at a time. It is called again when rows are asked for that have passed.
    """

    def __init__(self, shape: Shape, dtype: np.dtype, bands: Callable[[], Iterator[np.ndarray]]) -> None:
        self.shape, self.dtype = shape, dtype
        self._make = bands
        self._bands: Iterator[np.ndarray] = iter(())
        self._kept: list[np.ndarray] = []
        self._first = self._end = 0
        self._begun = False

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows start ... stop - 1; rows before them are forgotten."""
        start, stop, _ = rows.indices(len(self))
        if not self._begun or start < self._first:
            self._bands, self._kept, self._first, self._end, self._begun = self._make(), [], 0, 0, True
        while self._end < stop:
            band = next(self._bands, None)
            if band is None:
                raise RuntimeError(f"an image of {len(self)} rows ended after {self._end}")
            self._kept.append(band)
            self._end += len(self._kept[-1])
            self._forget_before(start)
        self._forget_before(start)
        parts, place = [], self._first
        for band in self._kept:
            parts.append(band[max(start - place, 0) : max(stop - place, 0)])
            place += len(band)
        parts = [part for part in parts if len(part)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _forget_before(self, start: int) -> None:
        while self._kept and self._first + len(self._kept[0]) <= start:
            self._first += len(self._kept.pop(0))


def gathered(shape: Shape, dtype: np.dtype, bands: Iterator[np.ndarray]) -> np.ndarray:
    """The whole image."""
    whole, place = np.empty(shape, dtype), 0
    for band in bands:
        whole[place : place + len(band)] = band
        place += len(band)
    return whole
