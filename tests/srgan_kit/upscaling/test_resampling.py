"""Resampling: what it computes, and that an image in parts comes out as a whole one does."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from srgan_kit.images.rows import PassingRows
from srgan_kit.upscaling.resampling import resample, resampled_rows
from srgan_kit.upscaling.transparency import ROWS_AT_ONCE, fill_hidden

SIZES = [(80, 48), (333, 217), (41, 300), (171, 131), (1, 1), (171, 20), (20, 131)]


def noise(height: int, width: int, dtype: str, channels: int = 3) -> np.ndarray:
    peak = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, peak, (height, width, channels), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("height", "size"), [*((131, size) for size in SIZES), (900, (171, 150)), (900, (90, 1200))])
def test_it_is_torchs_antialiased_bicubic(height: int, size: tuple[int, int], dtype: str) -> None:
    image = noise(height, 171, dtype)
    peak = np.iinfo(dtype).max
    planes = torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None]
    for shape in ((height, size[0]), (size[1], size[0])):
        planes = F.interpolate(planes, size=shape, mode="bicubic", antialias=True, align_corners=False)
        planes = planes.round().clamp(0, peak)
    expected = planes[0].permute(1, 2, 0).numpy()
    assert np.abs(resample(image, size) - expected).max() <= 1
    assert (resample(image, size) == expected).mean() > 0.99


@pytest.mark.parametrize("size", SIZES)
def test_parts_give_what_the_whole_gives(size: tuple[int, int]) -> None:
    image = noise(131, 171, "uint8")
    passing = PassingRows(image.shape, image.dtype, lambda: (image[start : start + 7] for start in range(0, 131, 7)))
    rows = resampled_rows(passing, size)
    assert rows.shape == (size[1], size[0], 3)
    made = [rows[start : start + 10] for start in range(0, size[1], 10)]
    assert np.array_equal(np.concatenate(made), resample(image, size))


def pull_push(weighted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Gortler's algorithm on whole planes."""
    colour = weighted / weight.clamp(min=1e-12)
    if max(weight.shape[-2:]) == 1 or float(weight.min()) == 1:
        return colour
    coarse = pull_push(*(F.avg_pool2d(plane, 2, ceil_mode=True) for plane in (weighted, weight)))
    smooth = F.interpolate(coarse, size=weight.shape[-2:], mode="bilinear", align_corners=False)
    return torch.lerp(smooth, colour, weight)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 1), (37, 50), (2 * ROWS_AT_ONCE + 5, 61)])
def test_hidden_colour_is_filled_by_pull_push(height: int, width: int, dtype: str) -> None:
    image, peak = noise(height, width, dtype), np.iinfo(dtype).max
    alpha = (noise(height, width, dtype, 1) // (peak // 3) * (peak // 40)).astype(dtype)
    alpha[height // 2 :, width // 3 :] = 0
    planes, weight = (torch.from_numpy(each.astype(np.float64)).permute(2, 0, 1)[None] for each in (image, alpha))
    weight = (weight / (8 / 255 * peak)).clamp(max=1)
    expected = pull_push(planes / peak * weight, weight).mul(peak).round().clamp(0, peak)[0].permute(1, 2, 0).numpy()
    assert np.abs(fill_hidden(image, alpha) - expected).max() <= (1 if dtype == "uint8" else 2)
