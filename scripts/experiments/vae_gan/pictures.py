"""The page's pictures."""

import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.experiments.vae_gan.measures import Arithmetic
from srgan_kit.images.grid import grid

COLUMNS = 10


def reconstruction_sheet(originals: Tensor, made: list[Tensor]) -> Tensor:
    """Originals in the first row, each system's reconstructions of them below: (3, h, w)."""
    rows = [each[:COLUMNS] for each in (originals, *made)]
    return grid(torch.cat(rows), columns=len(rows[0]), smallest_side=96)


def arithmetic_sheet(originals: Tensor, systems: list[Arithmetic], digits: int = 3) -> Tensor:
    """Three digits a system; each row an original, then what becomes of it for the classes 0 to 9: (1, h, w)."""
    chosen = [int(row) for row in _of_different_classes(systems[0].label, digits)]
    rows = [torch.cat([originals[row : row + 1], each.images[row]]) for each in systems for row in chosen]
    return grid(torch.cat(rows), columns=COLUMNS + 1, smallest_side=56)


def _of_different_classes(label: Tensor, count: int) -> Tensor:
    """The first image of each of some classes, which differ much: 7, 2, 4, ..."""
    return torch.stack([(label == digit).nonzero()[0, 0] for digit in (7, 2, 4, 0, 1)[:count]])


def one_below_another(sheets: list[Tensor]) -> Tensor:
    """Sheets (1 or 3, h, w) in one image, each at the left on white."""
    width = max(sheet.shape[2] for sheet in sheets)
    return torch.cat([F.pad(s.expand(3, -1, -1), (0, width - s.shape[2], 0, 8), value=1.0) for s in sheets], dim=1)
