"""Samples of finished runs, and sheets of them."""

from pathlib import Path

import torch
from torch import Tensor

from srgan_kit.images.grid import grid
from srgan_kit.models.generative import load_saved
from srgan_kit.training.results import MODEL

PART = 500
"""Images that are made at once."""


@torch.no_grad()
def samples_of(folder: Path, count: int, seed: int = 1) -> Tensor:
    """Images of a run's averaged generator, (count, C, H, W) in [0, 1], a function of the seed."""
    model = load_saved(folder / MODEL).model.eval()
    noise, codes = model.draw(count, torch.device("cpu"), torch.Generator().manual_seed(seed))
    latent = model.vector(noise, codes)
    assert latent is not None
    return torch.cat([model.generate(part) for part in latent.split(PART)]).clamp(0, 1)


def rows_of(folders: list[Path], columns: int) -> Tensor:
    """A row of samples for each run, below each other."""
    return grid(torch.cat([samples_of(folder, columns) for folder in folders]), columns)
