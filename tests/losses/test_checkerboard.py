"""Phase balance and phase bias: known answers, what they do not see; minimising them removes a checkerboard."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from losses import PhaseBalanceLoss, PhaseBiasLoss, PhaseEvennessLoss, phase_balance, phase_bias, phase_evenness
from srgan_kit.metrics.checkerboard import checkerboard_pattern, phase_imbalance


def test_known_answer() -> None:
    # Along x the image changes by 1, 3, 1, 3 and the target by 1 each; along y nothing changes in either.
    image = torch.tensor([0.0, 1.0, 4.0, 5.0, 8.0], dtype=torch.float64).expand(5, 5)
    target = torch.arange(5, dtype=torch.float64).expand(5, 5)
    one_phase_of_four = math.log(3.5 / 1.5)
    assert phase_balance(image, target, period=2, eps=0.5).item() == pytest.approx(one_phase_of_four / 4)
    assert phase_balance(image.mT, target.mT, period=2, eps=0.5).item() == pytest.approx(one_phase_of_four / 4)
    assert PhaseBalanceLoss(2, 0.5)(image, target).item() == pytest.approx(one_phase_of_four / 4)


def test_contrast_counts_by_its_logarithm() -> None:
    image = torch.rand(1, 3, 40, 40, dtype=torch.float64)
    assert phase_balance(2 * image, image, eps=1e-9).item() == pytest.approx(math.log(2), abs=1e-6)


@given(seed=st.integers(0, 10_000), shift=st.floats(-1, 1))
def test_brightness_does_not_count(seed: int, shift: float) -> None:
    image = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert phase_balance(image + shift, image).item() == pytest.approx(0, abs=1e-12)


@given(seed=st.integers(0, 10_000), period=st.integers(2, 4))
def test_a_whole_period_of_shift_does_not_count(seed: int, period: int) -> None:
    tile = torch.rand(1, period, period, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    image = tile.repeat(1, 5, 5)[:, : 3 * period + 1, : 3 * period + 1]  # each phase has equally many differences
    moved = tile.repeat(1, 5, 5)[:, period : 4 * period + 1, period : 4 * period + 1]
    assert phase_balance(image, moved, period).item() == pytest.approx(0, abs=1e-12)


def test_minimising_it_removes_a_checkerboard() -> None:
    torch.manual_seed(0)
    target = torch.rand(1, 3, 33, 33, dtype=torch.float64)
    gain = torch.ones(1, 1, 1, 33, dtype=torch.float64)
    gain[..., ::4] = 0.2
    image = (0.5 + (target - 0.5) * gain * gain.mT).requires_grad_()
    before = phase_imbalance(image.detach()).item()
    optimizer = torch.optim.Adam([image], lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        phase_balance(image, target).backward()
        optimizer.step()
    assert before > 1.3
    assert phase_imbalance(image.detach()).item() < 1.1 < before
    assert phase_balance(image, target).item() < 0.03


def test_gradients() -> None:
    image, target = torch.rand(2, 1, 1, 6, 7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: phase_balance(x, target, 2), (image.requires_grad_(),))


def test_flat_images_have_a_finite_loss_and_gradient() -> None:
    image = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    loss = phase_balance(image, torch.rand(1, 3, 8, 8))
    loss.backward()
    assert loss.isfinite()
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize(
    ("image", "target", "settings", "message"),
    [
        (torch.rand(1, 3, 8, 8), torch.rand(3, 8, 8), {}, "one shape"),
        (torch.zeros(8, 8, dtype=torch.uint8), torch.zeros(8, 8, dtype=torch.uint8), {}, "floating-point"),
        (torch.rand(4, 9), torch.rand(4, 9), {}, "sides of at least 5"),
        (torch.rand(9), torch.rand(9), {}, "sides of at least 5"),
        (torch.rand(9, 9), torch.rand(9, 9), {"period": 1}, "period: expected 2 or more, got 1"),
        (torch.rand(9, 9), torch.rand(9, 9), {"eps": 0.0}, "eps: expected a positive number"),
    ],
)
def test_errors(image, target, settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        phase_balance(image, target, **settings)


# --- phase evenness -------------------------------------------------------------------------------------------------


def test_evenness_by_hand() -> None:
    # As in the known answer above: along x the log ratios are ln(1.5 / 1.5) and ln(3.5 / 1.5), along y both are 0.
    image = torch.tensor([0.0, 1.0, 4.0, 5.0, 8.0], dtype=torch.float64).expand(5, 5)
    target = torch.arange(5, dtype=torch.float64).expand(5, 5)
    half_of_it = math.log(3.5 / 1.5) / 2  # from their mean, at two of four phases
    assert phase_evenness(image, target, period=2, eps=0.5).item() == pytest.approx(half_of_it / 2)
    assert PhaseEvennessLoss(2, 0.5)(image, target).item() == pytest.approx(half_of_it / 2)


@given(gain=st.floats(0.2, 3))
def test_contrast_does_not_count_for_evenness(gain: float) -> None:
    image = torch.rand(1, 3, 20, 20, dtype=torch.float64)
    assert phase_evenness(gain * image, image, eps=1e-12).item() == pytest.approx(0, abs=1e-9)
    assert phase_balance(gain * image, image, eps=1e-12).item() == pytest.approx(abs(math.log(gain)), abs=1e-9)


def test_evenness_gradients_and_errors() -> None:
    image, target = torch.rand(2, 1, 1, 6, 7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: phase_evenness(x, target, 2), (image.requires_grad_(),))
    with pytest.raises(ValueError, match="one shape"):
        phase_evenness(image, target[..., 1:])


# --- phase bias -----------------------------------------------------------------------------------------------------


def drawn(period: int, size: int, seed: int = 0) -> torch.Tensor:
    """A pattern of mean 0 and standard deviation 1 that each cell repeats."""
    cell = torch.randn(period, period, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    cell = (cell - cell.mean()) / cell.std(correction=0)
    return cell.repeat(size // period, size // period)


@given(period=st.integers(2, 4), strength=st.floats(0.01, 0.2), seed=st.integers(0, 1000))
def test_bias_is_the_pattern_s_standard_deviation(period: int, strength: float, seed: int) -> None:
    target = torch.rand(2, 3, 48, 48, dtype=torch.float64)
    image = target + strength * drawn(period, 48, seed)
    assert phase_bias(image, target, period, eps=1e-9).item() == pytest.approx(strength, abs=1e-6)
    assert PhaseBiasLoss(period, eps=1e-9)(image, target).item() == pytest.approx(strength, abs=1e-6)


def test_bias_by_hand() -> None:
    # one window of 2x2 cells of 2x2 pixels: the places' means are 3, 0, 0, 1, their mean 1, the deviations 2 -1 -1 0
    error = torch.tensor([[2.0, 0, 4, 0], [0, 1, 0, 1], [1, 0, 5, 0], [0, 1, 0, 1]], dtype=torch.float64)
    wanted = math.sqrt((4 + 1 + 1) / 4 + 0.25) - 0.5
    assert phase_bias(error, torch.zeros_like(error), period=2, window=2, eps=0.5).item() == pytest.approx(wanted)


def test_each_window_is_half_over_the_one_before() -> None:
    # twelve cells in a row, windows of 8 by 8: cells 0 to 7 have no pattern; of the second window's, 4 to 11, half have
    # one, which is half as strong in their mean
    pattern = 0.1 * drawn(2, 24)[:16]
    error = torch.cat([torch.zeros(16, 16, dtype=torch.float64), pattern[:, 16:]], dim=1)
    wanted = (0 + 0.05) / 2
    assert phase_bias(error, torch.zeros_like(error), period=2, window=8, eps=1e-9).item() == pytest.approx(wanted)


def test_bias_does_not_see_texture_or_brightness() -> None:
    target, texture = torch.rand(2, 1, 3, 256, 256, dtype=torch.float64)
    plain = phase_bias(texture + 0.3, target).item()
    std = math.sqrt(2 / 12)  # of the difference
    assert plain < 1.05 * std / 8  # 64 cells in a window
    assert phase_bias(texture + std * drawn(4, 256), target).item() > 7 * plain
    assert phase_bias(target + 0.3, target).item() == pytest.approx(0, abs=1e-12)


def test_balance_does_not_see_a_checkerboard_in_noise_and_bias_does() -> None:
    target = torch.rand(1, 1, 256, 256, dtype=torch.float64)
    image = torch.rand(1, 1, 256, 256, dtype=torch.float64)
    signs = (torch.arange(256)[:, None] + torch.arange(256)) % 2 * 2.0 - 1
    assert phase_balance(image + 0.1 * signs, target).item() < 0.15  # a louder image, at every phase alike
    assert phase_bias(image + 0.1 * signs, target).item() > 2 * phase_bias(image, target).item()


def test_minimising_bias_removes_a_pattern() -> None:
    torch.manual_seed(0)
    target = torch.rand(1, 3, 64, 64, dtype=torch.float64) * 0.2 + 0.4
    image = (target + 0.05 * drawn(4, 64)).requires_grad_()
    before = checkerboard_pattern(image.detach()).item()
    optimizer = torch.optim.Adam([image], lr=0.003)
    for _ in range(60):
        optimizer.zero_grad()
        phase_bias(image, target).backward()
        optimizer.step()
    assert checkerboard_pattern(image.detach()).item() < 1.2 * checkerboard_pattern(target).item() < before / 2


def test_bias_gradients() -> None:
    image, target = torch.rand(2, 1, 2, 9, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: phase_bias(x, target, 2, 3), (image.requires_grad_(),))
    same = target.clone().requires_grad_()
    phase_bias(same, target, 2, 3).backward()
    assert same.grad is not None
    assert (same.grad == 0).all()


@pytest.mark.parametrize(
    ("image", "target", "settings", "message"),
    [
        (torch.rand(1, 3, 32, 32), torch.rand(3, 32, 32), {}, "one shape"),
        (torch.zeros(32, 32, dtype=torch.uint8), torch.zeros(32, 32, dtype=torch.uint8), {}, "floating-point"),
        (torch.rand(31, 32), torch.rand(31, 32), {}, "sides of at least 32"),
        (torch.rand(32), torch.rand(32), {}, "sides of at least 32"),
        (torch.rand(32, 32), torch.rand(32, 32), {"period": 1}, "period: expected 2 or more, got 1"),
        (torch.rand(32, 32), torch.rand(32, 32), {"window": 1}, "window: expected 2 or more, got 1"),
        (torch.rand(32, 32), torch.rand(32, 32), {"eps": 0.0}, "eps: expected a positive number"),
    ],
)
def test_bias_errors(image, target, settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        phase_bias(image, target, **settings)
