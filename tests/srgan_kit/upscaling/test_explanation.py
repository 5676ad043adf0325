"""What a map of departures measures, and its colours."""

import numpy as np
import pytest
import torch

from srgan_kit.images.overlay import NARROWEST, RAMP, colour_of, overlay
from srgan_kit.images.resize import resize
from srgan_kit.upscaling.explanation import departure


def image(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[:, :, None], 3, axis=2).round().clip(0, 255).astype(np.uint8)


def reduced(large: np.ndarray, factor: int) -> np.ndarray:
    light = torch.from_numpy(large[:, :, 0].astype(np.float64))
    return image(resize(light, 1 / factor).numpy())


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    rows, columns = np.mgrid[0:64, 0:80]
    return image(128 + 40 * np.sin(rows / 15) * np.cos(columns / 20))


def test_what_the_input_gives_departs_nowhere(smooth: np.ndarray) -> None:
    flat = np.full((64, 80, 3), 90, np.uint8)
    assert departure(flat, flat, np.full((16, 20, 3), 90, np.uint8)).max() < 1e-3
    assert departure(smooth, smooth, reduced(smooth, 4)).max() < 4 * 0.6  # half a level of rounding, four times


def test_texture_that_reduction_removes_counts_as_it_is(smooth: np.ndarray) -> None:
    """A checkerboard of +-6 levels in a corner vanishes at a fourth of the size: it is 6 levels there, 0 elsewhere."""
    texture = np.zeros((64, 80))
    texture[:24, :24] = 6 * (1 - 2 * (np.indices((24, 24)).sum(axis=0) % 2))
    found = departure(image(smooth[:, :, 0] + texture), smooth, reduced(smooth, 4))
    assert found[4:16, 4:16].mean() == pytest.approx(6, rel=0.1)
    assert found[40:, 40:].max() < 4 * 0.6


def test_what_the_input_contradicts_counts_scale_times(smooth: np.ndarray) -> None:
    """A result that is brighter by 3 levels all over is 3 * 4 levels from its input, and adds no texture."""
    brighter = image(smooth[:, :, 0] + 3.0)
    found = departure(brighter, smooth, reduced(smooth, 4))
    assert found.mean() == pytest.approx(12, rel=0.1)


def test_grey_16_bits_and_other_shapes() -> None:
    random = np.random.default_rng(0)
    result, fidelity = (random.integers(0, 256, (30, 50, 1), dtype=np.uint8) for _ in range(2))
    small = random.integers(0, 256, (12, 20, 1), dtype=np.uint8)
    plain = departure(result, fidelity, small)
    assert plain.shape == (30, 50)
    deep = departure(*(each.astype(np.uint16) * 257 for each in (result, fidelity, small)))
    assert np.allclose(plain, deep, atol=1e-3)
    assert departure(result[:1, :1], fidelity[:1, :1], small[:1, :1]).shape == (1, 1)
    with pytest.raises(ValueError, match="one size"):
        departure(result, fidelity[:9], small)


def test_the_ramp_is_told_apart_without_colour_and_by_the_colour_blind() -> None:
    """Ever lighter; and its steps stay apart as protanopes and deuteranopes see them (Vienot et al. 1999)."""
    colours = colour_of(np.linspace(0, 1, 33)) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0).all()
    for seen in (
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ):
        blind = np.cbrt((linear @ np.array(seen).T).clip(0))
        assert np.linalg.norm(np.diff(blind[::8], axis=0), axis=1).min() > 0.15
    assert np.array_equal(colour_of(np.array([0.0, 1.0])), RAMP[[0, -1]])


def test_an_overlay_has_the_image_and_a_legend() -> None:
    below, values = np.full((40, 60, 3), 128, np.uint8), np.zeros((40, 60), np.float32)
    values[:, 30:] = 50
    drawn = overlay(below, values, 20, "title")
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] == NARROWEST
    assert drawn.shape[0] > 40
    assert len(np.unique(drawn[:40, :30].reshape(-1, 3), axis=0)) == 1
    grey, coloured = drawn[0, 0].astype(int), drawn[0, 59].astype(int)
    assert np.ptp(grey) == 0
    assert np.abs(coloured - RAMP[-1]).max() < 30
    assert len(np.unique(drawn[40:].reshape(-1, 3), axis=0)) > 50  # the ramp
    assert np.array_equal(overlay(below.astype(np.uint16) * 257, values, 20, "title"), drawn)
