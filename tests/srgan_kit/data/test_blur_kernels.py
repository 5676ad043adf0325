"""Blur kernels against their closed forms: sums, widths, turns, fall-off, and what a sinc filter lets through."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from srgan_kit.data.blur_kernels import gaussian_kernel, plateau_kernel, sinc_kernel


def covariance(kernel: Tensor) -> Tensor:
    """(2, 2) of x (along rows) and y."""
    steps = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([(kernel * a * b).sum() for a in (x, y) for b in (x, y)]).view(2, 2)


@given(
    st.integers(1, 10),
    st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)),
    st.floats(0, math.pi),
    st.floats(0.5, 4),
    st.floats(0.2, 1),
)
def test_every_kernel_sums_to_one_and_is_symmetric(
    half: int, sigma: tuple[float, float], angle: float, shape: float, cutoff: float
) -> None:
    size = 2 * half + 1
    for kernel in (
        gaussian_kernel(size, sigma, angle, shape),
        plateau_kernel(size, sigma, angle, shape),
        sinc_kernel(size, cutoff),
    ):
        assert kernel.shape == (size, size)
        assert kernel.sum().item() == pytest.approx(1, abs=1e-12)
        torch.testing.assert_close(kernel, kernel.flip(0, 1))


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_a_gaussian_has_the_standard_deviation_asked_for(sigma: float) -> None:
    assert covariance(gaussian_kernel(31, (sigma, sigma))).allclose(sigma**2 * torch.eye(2).double(), atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 2.5])
def test_a_turned_gaussian_has_a_turned_covariance(angle: float) -> None:
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)  # x along rows, towards y
    expected = turn @ torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64) ** 2) @ turn.T
    torch.testing.assert_close(covariance(gaussian_kernel(41, (3.0, 1.0), angle)), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0, 4.0])
def test_a_generalised_gaussian_has_its_second_moment(shape: float) -> None:
    """E x² = sigma² 2^(1/b) Γ(2/b) / (2 Γ(1/b)) for a density ~ exp(-(r²/sigma²)^b / 2) in the plane."""
    sigma = 4.0
    expected = sigma**2 * 2 ** (1 / shape) * math.gamma(2 / shape) / (2 * math.gamma(1 / shape))
    found = covariance(gaussian_kernel(99, (sigma, sigma), shape=shape))
    assert found[0, 0].item() == pytest.approx(expected, rel=5e-3)
    assert found[1, 1].item() == pytest.approx(expected, rel=5e-3)


def test_a_plateau_falls_off_as_its_formula_says() -> None:
    kernel = plateau_kernel(9, (2.0, 1.0), shape=1.5)
    ratios = kernel[4, 4] / kernel
    assert ratios[4, 6].item() == pytest.approx(1 + 1**1.5)  # two pixels along a row: d = 1
    assert ratios[7, 4].item() == pytest.approx(1 + 9**1.5)  # three rows down: d = 3
    assert ratios[5, 6].item() == pytest.approx(1 + 2**1.5)  # d² = 1 + 1


@pytest.mark.parametrize("cutoff", [0.25, 0.5, 0.75])
def test_a_sinc_filter_passes_what_is_below_its_cutoff(cutoff: float) -> None:
    size, points = 99, 256
    response = torch.fft.fft2(sinc_kernel(size, cutoff), s=(points, points)).abs()
    frequency = 2 * torch.fft.fftfreq(points, dtype=torch.float64).abs()  # 1 is the highest
    radius = torch.hypot(frequency[:, None], frequency[None])
    assert response[radius < cutoff - 0.08].sub(1).abs().max() < 0.1
    assert response[(radius > cutoff + 0.08) & (radius < 1)].max() < 0.1
    at_the_edge = response[(radius - cutoff).abs() < 0.005].mean().item()
    assert at_the_edge == pytest.approx(0.5, abs=0.05)


def test_the_middle_of_a_sinc_filter_is_its_limit() -> None:
    """J1(w r) / r -> w / 2, and k(1) / k(0) = 2 J1(w) / w, with J1(pi / 2) = 0.566824..."""
    kernel = sinc_kernel(7, 0.5)
    assert (kernel[3, 4] / kernel[3, 3]).item() == pytest.approx(2 * 0.5668240889058739 / (math.pi / 2), abs=1e-9)
