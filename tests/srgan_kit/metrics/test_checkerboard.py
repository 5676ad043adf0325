"""The phase imbalance: 1 without a checkerboard, what a drawn one scores, and photographs."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srgan_kit.data.image_folder import find_images, read_rgb
from srgan_kit.images.resize import crop_to_multiple, resize, resize_8bit
from srgan_kit.metrics.checkerboard import checkerboard_pattern, phase_imbalance


def noise(count: int = 2, side: int = 256) -> torch.Tensor:
    return torch.rand(count, 3, side, side) * 0.8 + 0.1


def test_noise_has_no_checkerboard() -> None:
    ratios = phase_imbalance(noise())
    assert ratios.shape == (2,)
    assert ratios.dtype == torch.float64
    assert ((ratios >= 1) & (ratios < 1.03)).all()


def test_a_drawn_grid_is_found_at_its_own_period_only() -> None:
    images = noise(1)
    images[..., ::4] += 0.2
    images[..., ::4, :] += 0.2
    assert phase_imbalance(images).item() > 1.1
    assert phase_imbalance(images, period=3).item() < 1.03


@given(step=st.floats(0.1, 0.9), phase=st.integers(0, 3))
def test_a_ramp_with_one_step_per_period_scores_what_it_says(step: float, phase: int) -> None:
    # along x the luma rises by 1 + step at one of four phases and by 1 at the others; along y it does not change
    rise = torch.ones(40, dtype=torch.float64)
    rise[phase::4] += step
    line = torch.cat([torch.zeros(1, dtype=torch.float64), rise.cumsum(0)]) / 100
    assert phase_imbalance(line.expand(1, 1, 9, 41)).item() == pytest.approx((1 + step + 1) / 2)
    assert phase_imbalance(line.expand(1, 1, 9, 41).mT).item() == pytest.approx((1 + step + 1) / 2)


def test_flat_images_score_one_and_nearest_neighbour_enlargement_infinity() -> None:
    assert phase_imbalance(torch.full((1, 3, 8, 8), 77, dtype=torch.uint8)).item() == 1
    blocks = noise(1, 8).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    assert phase_imbalance(blocks).item() == torch.inf


def test_grey_is_rgb_of_equal_channels_and_a_batch_is_its_images() -> None:
    grey = noise(3, 33)[:, :1]
    together = phase_imbalance(grey)
    assert torch.allclose(phase_imbalance(grey.expand(-1, 3, -1, -1)), together)
    assert torch.allclose(torch.cat([phase_imbalance(image[None]) for image in grey]), together)


@pytest.mark.parametrize(("shape", "period"), [((3, 8, 8), 4), ((1, 2, 8, 8), 4), ((1, 3, 4, 8), 4), ((1, 3, 8, 8), 1)])
def test_what_has_no_phases_is_an_error(shape: tuple[int, ...], period: int) -> None:
    with pytest.raises(ValueError, match="sides > period >= 2"):
        phase_imbalance(torch.zeros(shape), period)


def test_photographs_score_1_04_and_bicubic_enlargement_more(data_folder: Path) -> None:
    ratios, enlarged = [], []
    for path in find_images(data_folder / "sr_test" / "B100" / "HR")[:20]:
        image = crop_to_multiple(read_rgb(path), 4)
        ratios.append(phase_imbalance(image[None]))
        low = resize_8bit(image, 0.25)
        enlarged.append(phase_imbalance(resize(low.float() / 255, 4.0)[None]))
    mean = torch.cat(ratios).mean().item()
    assert mean == pytest.approx(1.04, abs=0.006)
    assert torch.cat(enlarged).mean().item() > mean + 0.05


def test_a_pattern_scores_its_standard_deviation_whatever_is_smooth_below_it() -> None:
    pattern = torch.tensor([[3.0, -1.0], [-1.0, -1.0]], dtype=torch.float64).repeat(20, 20)  # standard deviation √3
    ramp = torch.linspace(50, 150, 40, dtype=torch.float64) + torch.linspace(0, 70, 40, dtype=torch.float64)[:, None]
    levels = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64).sum() / 255  # of luma for one of grey
    image = ((ramp + pattern) / 255)[None, None]
    assert checkerboard_pattern(image, 2).item() == pytest.approx(float(3**0.5 * levels))
    assert checkerboard_pattern(ramp[None, None] / 255, 2).item() == pytest.approx(0, abs=1e-9)


def test_a_checkerboard_is_seen_by_the_pattern_and_not_by_the_ratio() -> None:
    signs = (torch.arange(128)[:, None] + torch.arange(128)) % 2 * 2.0 - 1
    image = noise(1, 128)
    drawn = image + 0.02 * signs
    assert phase_imbalance(drawn).item() < 1.03
    assert checkerboard_pattern(drawn).item() > checkerboard_pattern(image).item() + 1


@given(period=st.integers(2, 4))
def test_noise_all_but_cancels_in_a_window(period: int) -> None:
    torch.manual_seed(period)
    image = 0.5 + 0.1 * torch.randn(1, 1, 40 * period, 40 * period, dtype=torch.float64)
    spread = 0.1 * 219 / 8  # of the mean of 64 independent pixels, in levels of luma
    assert 0.7 * spread < checkerboard_pattern(image, period).item() < spread


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((3, 64, 64), {}),
        ((1, 2, 64, 64), {}),
        ((1, 3, 64, 35), {}),
        ((1, 3, 64, 64), {"period": 1}),
        ((1, 3, 64, 64), {"window": 1}),
    ],
)
def test_the_pattern_says_what_it_needs(shape: tuple[int, ...], settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="checkerboard_pattern: expected"):
        checkerboard_pattern(torch.zeros(shape), **settings)
