"""Which photographs are kept out of training: chosen by their names alone, with every crop that was cut from them."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from srgan_kit.data.unpack import PACKED_ENDING


def photograph_of(path: Path) -> str:
    """The photograph that a file is, or was cut from: NAME_1400_0_384.jpg is a part of NAME, reduced."""
    return re.sub(r"(_\d+){3}$", "", Path(path.name.removesuffix(PACKED_ENDING)).stem)


def split(paths: Sequence[Path], fraction: float) -> tuple[list[Path], list[Path]]:
    """The images to train on and those kept out, which have no photograph in common.

    Args:
        paths: the images of one source.
        fraction: how many of its photographs are kept out; at least one is.
    """
    names = sorted({photograph_of(path) for path in paths}, key=digest)
    kept_out = set(names[: max(1, round(fraction * len(names)))])
    training = [path for path in paths if photograph_of(path) not in kept_out]
    return training, [path for path in paths if photograph_of(path) in kept_out]


def digest(name: str) -> bytes:
    """What orders names in a way that has nothing to do with what the images show."""
    return hashlib.sha256(name.encode()).digest()
