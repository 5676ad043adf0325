"""Back-projection: the result, reduced again, is what it was made from."""

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.images.resize import resize
from srgan_kit.upscaling.back_projection import back_project


def smooth_noise(height: int, width: int, dtype: str) -> np.ndarray:
    """Random, without black and white, and with detail down to the pixel."""
    random = np.random.default_rng(0)
    peak = np.iinfo(dtype).max
    return random.uniform(0.3 * peak, 0.7 * peak, (height, width, 3)).astype(dtype)


def enlarged_badly(small: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest neighbours, a few levels darker: nothing of it is consistent."""
    rows = np.arange(height) * len(small) // height
    columns = np.arange(width) * small.shape[1] // width
    return (small[rows][:, columns].astype(np.float64) * 0.95).astype(small.dtype)


def reduced(large: np.ndarray, height: int, width: int) -> np.ndarray:
    planes = torch.from_numpy(large.astype(np.float64)).permute(2, 0, 1)
    return resize(planes, (height, width)).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    ("small", "large"),
    [((1, 1), (4, 4)), ((1, 30), (4, 120)), ((70, 65), (280, 260)), ((70, 65), (140, 195)), ((64, 64), (100, 171))],
)
def test_reducing_the_result_gives_the_input(small: tuple[int, int], large: tuple[int, int], dtype: str) -> None:
    given = smooth_noise(*small, dtype)
    result = enlarged_badly(given, *large)
    deviation = back_project(result, given)
    left = np.abs(reduced(result, *small) - given).max()
    assert left == pytest.approx(deviation, abs=0.02)
    assert deviation < 0.75  # rounding the result costs a quarter of a level, three quarters where it is hardly larger


def test_a_consistent_picture_is_left_alone() -> None:
    given = np.full((20, 30, 3), 77, np.uint8)
    result = np.full((80, 120, 3), 77, np.uint8)
    assert back_project(result, given) < 1e-3
    assert (result == 77).all()


def test_what_black_and_white_make_impossible_is_told() -> None:
    given = (np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None]  # no bicubic reduction is so sharp
    result = np.asarray(Image.fromarray(given[:, :, 0]).resize((64, 64), Image.Resampling.BICUBIC)).copy()[:, :, None]
    deviation = back_project(result, given)
    assert deviation > 20
    assert np.abs(reduced(result, 16, 16) - given).max() == pytest.approx(deviation, abs=0.02)
