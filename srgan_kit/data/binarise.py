"""Black and white images of grey ones: a value is how likely white is, or is compared with one half."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Binarisation = Literal["none", "random", "fixed", "threshold"]
"""See `DataConfig.binarise`."""
WHITE = 255
TRAINED_ON, HELD_OUT = -1, -2
"""Seeds of the one draw of all training images and of all held-out ones; those of runs are not negative."""
WORDS_AT_ONCE = 2**20


def binarised(values: Tensor, how: Binarisation, seed: int) -> Tensor:
    """All images' values in a row made black and white once: uint8 (N,) -> uint8 (N,) of 0 and 255.

    "fixed" and "random" draw them from one stream of random numbers of the seed; "none" leaves them as they are.
    """
    if how == "none":
        return values
    if how == "threshold":
        return (values > WHITE // 2).to(torch.uint8) * WHITE
    parts = values.split(WORDS_AT_ONCE)
    return torch.cat([drawn(part[None], seed, [number])[0] for number, part in enumerate(parts)])


def drawn(images: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
    """Each value white by its chance, value / 255, else black: uint8 (N, ...) -> uint8 (N, ...) of 0 and 255.

    The draws of an image are a function of the seed and its index alone. Black stays black and white white; other
    chances are met to 1 in 65,536. Salakhutdinov and Murray 2008, "On the Quantitative Analysis of Deep Belief
    Networks", sec. 4.
    """
    values = images.reshape(len(images), -1).numpy()
    white = random_numbers(seed, indices, values.shape[1]) <= values.astype(np.uint16) * 257  # 65,535 / 255
    white &= values != 0
    return torch.from_numpy(-white.view(np.uint8)).view(images.shape)  # of a byte -1 is 255


def random_numbers(seed: int, indices: Sequence[int], count: int) -> np.ndarray:
    """For each index `count` whole numbers below 65,536 that depend on it and the seed alone: (N, count) uint16.

    A counter goes through a mixing function, so that many short streams cost no generators: Steele, Lea and Flood 2014,
    "Fast Splittable Pseudorandom Number Generators", sec. 5 (SplitMix64).
    """
    keys = np.random.SeedSequence(seed & (2**64 - 1)).generate_state(1, np.uint64)
    starts = _mixed(_mixed(np.array(indices, dtype=np.uint64)) ^ keys)
    steps = np.arange(1, -(-count // 4) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return _mixed(starts[:, None] + steps).view(np.uint16)[:, :count]


def _mixed(word: np.ndarray) -> np.ndarray:
    """SplitMix64's mixing function in place: uint64 (...), one to one."""
    shifted = word >> np.uint64(30)
    word ^= shifted
    word *= np.uint64(0xBF58476D1CE4E5B9)
    word ^= np.right_shift(word, np.uint64(27), out=shifted)
    word *= np.uint64(0x94D049BB133111EB)
    word ^= np.right_shift(word, np.uint64(31), out=shifted)
    return word
