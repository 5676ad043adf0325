"""Class labels: from the names of folders, and only some of them, for semi-supervised training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srgan_kit.errors import UserError


def numbered_classes(names: Sequence[str | None]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The class of each image by number, and the classes' names, sorted.

    -> (N,) int64, -1 for images without a class.
    """
    classes = tuple(sorted({name for name in names if name is not None}))
    number = {name: index for index, name in enumerate(classes)}
    return np.array([-1 if name is None else number[name] for name in names], dtype=np.int64), classes


def labelled_subset(labels: np.ndarray, classes: int, amount: int | float, seed: int) -> np.ndarray:
    """The labels with some of them kept, the same from every class, and the others set to -1.

    (N,) int64 in -1 ... classes - 1 -> (N,) int64. A fraction is of each class, rounded, but at least one; a count is
    of all, spread over the classes as evenly as it goes. With the same seed a larger amount keeps what a smaller one
    does.

    Args:
        labels: -1 = unlabelled, and so it stays.
        classes: how many there are.
        amount: a float is a fraction in (0, 1], an int a count of at least one per class.
        seed: which labels are kept.

    Raises:
        UserError: there are no labels, the amount is out of range, or a class has too few.
        ValueError: a label is not a class.
    """
    if labels.size and not -1 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels: expected -1 ... {classes - 1}, got {labels.min()} ... {labels.max()}")
    available = np.bincount(labels[labels >= 0], minlength=classes)
    if not available.sum():
        raise UserError("labels: there are none; name folders after classes, or give an .npz with labels")
    random = np.random.default_rng(seed)
    wanted = _per_class(available, amount, random.permutation(classes))
    kept = np.full_like(labels, -1)
    for number, count in enumerate(wanted):
        if count > available[number]:
            raise UserError(f"labels: {amount} of them need {count} of class {number}, which has {available[number]}")
        chosen = random.permutation(np.flatnonzero(labels == number))[:count]
        kept[chosen] = number
    return kept


@dataclass(frozen=True)
class LabelledDraws:
    """Which samples are drawn from the labelled images alone: a share of them, or a batch after each batch of others.

    >>> draws = LabelledDraws(share=0.5)
    >>> [draws(index) for index in range(4)]
    [(0, False), (0, True), (1, False), (1, True)]
    >>> draws = LabelledDraws(others=2, batch=1)
    >>> [draws(index) for index in range(6)]
    [(0, False), (0, False), (0, True), (1, False), (1, False), (1, True)]
    """

    share: float = 0.0
    """Fraction of the samples, spread evenly; where there is no batch."""
    others: int = 0
    """Samples of a batch that is drawn from all images, ..."""
    batch: int = 0
    """... and of the labelled one that follows it."""

    def __call__(self, index: int) -> tuple[int, bool]:
        """Of the samples before sample `index`, how many are drawn from the labelled images, and whether it is too."""
        before, labelled = self.of(np.array([index]))
        return int(before[0]), bool(labelled[0])

    def of(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of many samples: (N,) int64 -> (N,) int64 and (N,) bool."""
        if self.batch:
            turn, place = np.divmod(indices, self.others + self.batch)
            return turn * self.batch + np.maximum(0, place - self.others), place >= self.others
        before = np.floor(indices * self.share).astype(np.int64)
        return before, np.floor((indices + 1) * self.share) > before


FROM_ALL = LabelledDraws()
"""All samples are drawn from all images."""


def _per_class(available: np.ndarray, amount: int | float, order: np.ndarray) -> np.ndarray:
    """How many labels of each class; `order` says which classes get one more where a count leaves a remainder."""
    if isinstance(amount, float):
        if not 0 < amount <= 1:
            raise UserError(f"labels: expected a fraction above 0 and up to 1, or a whole number, got {amount}")
        return np.maximum(1, (available * amount).round().astype(np.int64))
    total = available.sum()
    if not len(available) <= amount <= total:
        limits = f"{len(available)} (one per class) ... {total} (all)"
        raise UserError(f"labels: expected a fraction with a point, such as 0.1, or a count in {limits}; got {amount}")
    wanted = np.full(len(available), amount // len(available))
    wanted[order[: amount % len(available)]] += 1
    return wanted
