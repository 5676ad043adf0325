"""Labels from folders, and balanced subsets of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srgan_kit.data.image_files import FolderFiles
from srgan_kit.data.labels import labelled_subset, numbered_classes
from srgan_kit.errors import UserError


def test_the_first_inner_folder_is_the_class() -> None:
    files = FolderFiles(Path("data"), ["roses/a.png", "daisy/deep/b.png", "loose.png", "roses/c.png"])
    labels, classes = numbered_classes([files.class_of(number) for number in range(4)])
    assert classes == ("daisy", "roses")
    assert labels.tolist() == [1, 0, -1, 1]
    assert labels.dtype == np.int64


def test_without_inner_folders_there_are_no_classes() -> None:
    labels, classes = numbered_classes([None, None])
    assert classes == ()
    assert labels.tolist() == [-1, -1]


@given(count=st.integers(3, 60), seed=st.integers(0, 1000))
def test_a_count_is_spread_evenly(count: int, seed: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2, -1], [30, 20, 25, 40]))
    kept = labelled_subset(labels, 3, count, seed)
    numbers = np.bincount(kept[kept >= 0], minlength=3)
    assert numbers.sum() == count
    assert numbers.max() - numbers.min() <= 1
    assert (kept[kept >= 0] == labels[kept >= 0]).all()


@given(few=st.floats(0.01, 1), many=st.floats(0.01, 1), seed=st.integers(0, 1000))
def test_a_fraction_is_of_each_class_and_more_keeps_what_less_does(few: float, many: float, seed: int) -> None:
    few, many = sorted((few, many))
    labels = np.repeat([0, 1], [200, 10])
    less, more = (labelled_subset(labels, 2, amount, seed) for amount in (few, many))
    assert np.bincount(more[more >= 0]).tolist() == [max(1, round(200 * many)), max(1, round(10 * many))]
    assert (more[less >= 0] >= 0).all()


def test_seeds_choose_different_labels_and_the_same_seed_the_same() -> None:
    labels = np.repeat(np.arange(10), 100)
    first, again, other = (labelled_subset(labels, 10, 50, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (labels == np.repeat(np.arange(10), 100)).all(), "the labels given are not changed"


def test_one_is_a_count_and_one_point_zero_is_everything() -> None:
    labels = np.array([0, 0, 1, -1])
    assert np.array_equal(labelled_subset(labels, 2, 1.0, 0), labels)
    with pytest.raises(UserError, match=r"2 \(one per class\) ... 3 \(all\); got 1"):
        labelled_subset(labels, 2, 1, 0)


@pytest.mark.parametrize("amount", [0.0, -0.5, 1.5, float("nan"), 0, -3, 7])
def test_an_amount_out_of_range_is_an_error(amount: float) -> None:
    with pytest.raises(UserError, match=str(amount)):
        labelled_subset(np.array([0, 1, 0, 1, -1]), 2, amount, 0)


def test_too_few_labels_are_an_error() -> None:
    with pytest.raises(UserError, match="there are none"):
        labelled_subset(np.full(5, -1), 0, 0.5, 0)
    with pytest.raises(UserError, match="8 of them need 4 of class 1, which has 3"):
        labelled_subset(np.repeat([0, 1], [9, 3]), 2, 8, 0)
    with pytest.raises(UserError, match="need 1 of class 2, which has 0"):
        labelled_subset(np.array([0, 1]), 3, 0.5, 0)
    with pytest.raises(ValueError, match=r"expected -1 ... 1, got 0 ... 2"):
        labelled_subset(np.array([0, 1, 2]), 2, 0.5, 0)
