"""Which photographs are kept out of training: chosen by their names alone, with every crop that was cut from them."""

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from srgan_kit.data.image_folder import find_images
from srgan_kit.data.unpack import PACKED_ENDING

SOURCES = ("bsds", "cc0")
HELD_OUT, MEASURED = 0.1, 24
"""Part of each source's photographs that is kept out, and how many of their images are measured on."""


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


def training_and_measured(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The images to train on and those to measure on, which have no photograph in common; chosen by names alone."""
    training, kept_out = split(paths, HELD_OUT)
    return training, sorted(kept_out, key=lambda path: digest(path.name))[:MEASURED]


def link_images(data: Path, target: Path) -> None:
    """Links in target/training/SOURCE and target/validation/SOURCE to the images of data/SOURCE.

    Raises:
        UserError: a source is missing.
    """
    for source in SOURCES:
        for purpose, files in zip(
            ("training", "validation"), training_and_measured(find_images(data / source)), strict=True
        ):
            folder = target / purpose / source
            folder.mkdir(parents=True, exist_ok=True)
            for path in files:
                with contextlib.suppress(FileExistsError):
                    (folder / path.name).symlink_to(path.resolve())


def validation_images(images: Path, each: int = MEASURED // len(SOURCES)) -> list[Path]:
    """The first images of each source that `link_images` put aside."""
    return [path for source in SOURCES for path in find_images(images / "validation" / source)[:each]]
