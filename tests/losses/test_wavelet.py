"""The stationary wavelet transform: against PyWavelets, Parseval's theorem, shifts, answers by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from losses import StationaryWaveletLoss, stationary_wavelet
from losses.wavelet import LOW_PASS, wavelet_bands

WAVELETS = list(LOW_PASS)


def images(seed: int, side: int = 40) -> Tensor:
    return torch.randn(2, 1, 2, side, side + 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_bands_are_those_of_pywavelets(wavelet, levels: int) -> None:
    pywt = pytest.importorskip("pywt")
    image = images(0, 160 if wavelet == "sym19" else 40)[0]
    low, details = wavelet_bands(image, wavelet, levels)
    theirs = pywt.swt2(image.numpy(), wavelet, levels, axes=(-2, -1), trim_approx=True, norm=True)
    np.testing.assert_allclose(low.numpy(), theirs[0], atol=1e-12)
    for own, other in zip(details, reversed(theirs[1:]), strict=True):  # coarse to fine there
        np.testing.assert_allclose(own.numpy(), np.stack(other), atol=1e-12)
    assert len(details) == levels


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_filters_are_orthonormal_and_their_shifts_are(wavelet: str) -> None:
    low = np.array(LOW_PASS[wavelet])
    assert low.sum() == pytest.approx(2**0.5)
    for shift in range(0, len(low), 2):
        assert low[shift:] @ low[: len(low) - shift] == pytest.approx(float(shift == 0), abs=1e-10)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from(WAVELETS), st.integers(1, 2))
def test_bands_keep_the_sum_of_squares(seed: int, wavelet, levels: int) -> None:
    image = images(seed, 80)[0]
    low, details = wavelet_bands(image, wavelet, levels)
    total = low.square().sum() + sum(band.square().sum() for band in details)
    torch.testing.assert_close(total, image.square().sum())


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 7), st.integers(1, 7))
def test_an_error_costs_the_same_wherever_it_is_which_thinned_out_it_would_not(
    seed: int, down: int, right: int
) -> None:
    a, b = images(seed)
    moved, other = (image.roll((down, right), (2, 3)) for image in (a, b))
    torch.testing.assert_close(stationary_wavelet(moved, other, levels=2), stationary_wavelet(a, b, levels=2))


def test_answers_by_hand() -> None:
    """Haar: averages and differences of neighbours; one pixel is +-1/4 at four places of each band."""
    zero, one = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    one[0, 0, 3, 5] = 1.0
    assert stationary_wavelet(one, zero, "haar").item() == pytest.approx(1 / 64 + 1 / 64)
    assert stationary_wavelet(one, zero, "haar", approximation=0.0).item() == pytest.approx(1 / 64)
    stripes = (-1.0) ** torch.arange(8).expand(1, 1, 8, 8)
    assert stationary_wavelet(stripes, zero, "haar").item() == pytest.approx(1 / 3)  # in one detail of three alone
    assert stationary_wavelet(stripes, zero, "haar", levels=2).item() == pytest.approx(1 / 3)
    for wavelet in ("haar", "sym4"):
        flat = torch.full((1, 1, 8, 8), 0.7)
        assert stationary_wavelet(flat, zero, wavelet).item() == pytest.approx(0.7)  # all of it in the approximation


def test_a_detail_is_named_by_the_way_its_stripes_run() -> None:
    stripes = (-1.0) ** torch.arange(8)[:, None].expand(1, 1, 8, 8)  # each row alike, so they run horizontally
    _, (detail,) = wavelet_bands(stripes, "haar", 1)
    assert (detail.abs().amax(dim=(1, 2, 3, 4)) > 0.5).tolist() == [True, False, False]


def test_module_is_the_function_and_small_images_are_named() -> None:
    a, b = images(0)
    loss = StationaryWaveletLoss("haar", 2, 0.5, "none")
    assert torch.equal(loss(a, b), stationary_wavelet(a, b, "haar", 2, 0.5, "none"))
    with pytest.raises(
        ValueError, match=r"at least 37x37 pixels, as far as sym19 reaches with levels=1; got \(1, 2, 36"
    ):
        stationary_wavelet(a[..., :36, :], b[..., :36, :], "sym19")
    with pytest.raises(ValueError, match="wavelet: expected one of haar, sym4, sym19; got 'db2'"):
        stationary_wavelet(a, b, "db2")  # pyright: ignore[reportArgumentType]
