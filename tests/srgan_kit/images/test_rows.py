"""Images of which some rows are there at a time."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srgan_kit.images.rows import PassingRows, gathered


def counted(heights: list[int], made: list[int]) -> tuple[np.ndarray, PassingRows]:
    """An image of numbered rows, and the same in bands of these heights; `made` gets the number of each one made."""
    whole = np.repeat(np.arange(sum(heights), dtype=np.uint8)[:, None, None], 2, axis=1)

    def bands() -> Iterator[np.ndarray]:
        place = 0
        for number, height in enumerate(heights):
            made.append(number)
            yield whole[place : place + height]
            place += height

    return whole, PassingRows(whole.shape, whole.dtype, bands)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.lists(st.integers(0, 80), min_size=1, max_size=12))
def test_any_rows_in_any_order(heights: list[int], edges: list[int]) -> None:
    whole, rows = counted(heights, [])
    for start, stop in pairwise(edges):
        if start < stop and start < len(whole):
            assert np.array_equal(rows[start:stop], whole[start:stop])


def test_bands_are_made_once_and_when_they_are_asked_for() -> None:
    made: list[int] = []
    _, rows = counted([4, 4, 4, 4], made)
    assert made == []
    assert len(rows[0:3]) == 3
    assert made == [0]
    assert len(rows[2:9]) == 7
    assert made == [0, 1, 2]
    assert rows[8:10][0, 0, 0] == 8
    assert made == [0, 1, 2]
    assert rows[0:1][0, 0, 0] == 0  # which has passed
    assert made == [0, 1, 2, 0]


def test_bands_that_end_early_are_an_error() -> None:
    rows = PassingRows((5, 1, 1), np.dtype(np.uint8), lambda: iter([np.zeros((3, 1, 1), np.uint8)]))
    assert len(rows[0:3]) == 3
    with pytest.raises(RuntimeError, match="5 rows ended after 3"):
        rows[2:4]


def test_all_bands_are_the_whole() -> None:
    whole, rows = counted([3, 1, 5], [])
    assert np.array_equal(gathered(whole.shape, whole.dtype, iter([rows[0:4], rows[4:9]])), whole)
