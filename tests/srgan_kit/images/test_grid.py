"""Sheets of images: how they are laid out, and the titles of their columns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.images.grid import TITLE_HEIGHT, grid, same_size, save_sheet


def test_images_of_any_size_become_as_large_as_the_largest_with_white_around() -> None:
    wide, high = torch.zeros(3, 2, 5), torch.full((3, 4, 1), 0.5)
    both = same_size([wide, high])
    assert both.shape == (2, 3, 4, 5)
    assert both[0, :, :2].eq(0).all()
    assert both[0, :, 2:].eq(1).all()
    assert both[1, :, :, 0].eq(0.5).all()
    assert both[1, :, :, 1:].eq(1).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_titles_stand_above_their_columns_and_the_sheet_is_untouched(channels: int, tmp_path: Path) -> None:
    sheet = grid(torch.rand(4, channels, 40, 60), columns=4)
    save_sheet(sheet, ("input", "", "output", "a title that is far too long"), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    below = pixels[TITLE_HEIGHT:].transpose(2, 0, 1)
    assert np.array_equal(below, (sheet.expand(3, -1, -1) * 255).round().byte().numpy())
    dark = pixels[:TITLE_HEIGHT].min(axis=(0, 2)) < 128  # by column of pixels
    parts = np.array_split(dark, 4)
    assert [bool(part.any()) for part in parts] == [True, False, True, True]
    middle = np.flatnonzero(parts[0]).mean()
    assert abs(middle - len(parts[0]) / 2) < 5
    small = np.flatnonzero(parts[2])
    assert small[-1] - small[0] < 50
