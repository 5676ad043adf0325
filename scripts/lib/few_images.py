"""A small part of an .npz of images, for experiments that only show that they work."""

from pathlib import Path

import numpy as np

from scripts.lib.experiment import Experiment

FEW = 100


def images_of(exp: Experiment, file: str) -> Path:
    """The .npz of that name in the data folder; in a smoke test one with about a hundred of its images."""
    whole = exp.data / "gan" / file
    if not exp.smoke:
        return whole
    part = exp.work / "images" / file
    if not part.exists():
        part.parent.mkdir(parents=True, exist_ok=True)
        with np.load(whole) as arrays:
            np.savez(part, **{name: _spread(arrays[name]) for name in arrays.files})  # pyright: ignore
    return part


def _spread(array: np.ndarray) -> np.ndarray:
    """Rows at equal distances: files are sorted by class, and images and labels stay together."""
    return array[:: max(1, len(array) // FEW)] if len(array) > FEW else array
