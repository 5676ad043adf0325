"""SSIM against scikit-image, MS-SSIM against a plain NumPy version, and where other implementations go wrong."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn import functional as F

from losses import MSSSIMLoss, SSIMLoss, ms_ssim, ssim

C1, C2 = 0.01**2, 0.03**2


def smooth(seed: int, shape: tuple[int, ...], coarseness: int = 4) -> Tensor:
    """Images in [0, 1] with structure at several scales, float64."""
    generator = torch.Generator().manual_seed(seed)
    n, c, height, width = shape
    coarse = torch.rand(n, c, height // coarseness + 2, width // coarseness + 2, generator=generator)
    fine = torch.rand(shape, generator=generator)
    return (0.7 * F.interpolate(coarse, size=(height, width), mode="bilinear") + 0.3 * fine).double()


def window(sigma: float = 1.5) -> np.ndarray:
    offset = np.arange(-5, 6)
    gaussian = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * sigma**2))
    return gaussian / gaussian.sum()


def factors(a: np.ndarray, b: np.ndarray, sigma: float = 1.5, mode: str = "valid") -> tuple[np.ndarray, np.ndarray]:
    """Luminance, and contrast times structure, of two single-channel images, by two-dimensional convolution."""

    def mean(x: np.ndarray) -> np.ndarray:
        return convolve2d(x, window(sigma), mode)

    covariance = mean(a * b) - mean(a) * mean(b)
    variances = mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2
    luminance = (2 * mean(a) * mean(b) + C1) / (mean(a) ** 2 + mean(b) ** 2 + C1)
    return luminance, (2 * covariance + C2) / (variances + C2)


def halved(x: np.ndarray) -> np.ndarray:
    x = np.pad(x, [(0, x.shape[0] % 2), (0, x.shape[1] % 2)], mode="edge")
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def ms_ssim_by_hand(a: np.ndarray, b: np.ndarray, weights=(0.0448, 0.2856, 0.3001, 0.2363, 0.1333)) -> float:
    value = 1.0
    for weight in weights[:-1]:
        value *= max(factors(a, b)[1].mean(), 0) ** weight
        a, b = halved(a), halved(b)
    luminance, structure = factors(a, b)
    return value * max((luminance * structure).mean(), 0) ** weights[-1]


# --- references -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(11, 11), (17, 40), (64, 33)])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_is_scikit_images(shape: tuple[int, int], data_range: float) -> None:
    a, b = (data_range * smooth(seed, (3, 3, *shape)) for seed in (0, 1))
    expected = [
        structural_similarity(
            x, y, data_range=data_range, channel_axis=0, gaussian_weights=True, use_sample_covariance=False
        )
        for x, y in zip(a.numpy(), b.numpy(), strict=True)
    ]
    assert ssim(a, b, data_range=data_range, reduction="none").tolist() == pytest.approx(expected, abs=1e-9)
    assert ssim(a.float(), b.float(), data_range=data_range, reduction="none").tolist() == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("size", [(161, 161), (176, 192), (163, 205)])
def test_ms_ssim_is_the_formula_computed_with_numpy(size: tuple[int, int]) -> None:
    a = smooth(0, (2, 2, *size))
    b = (a + 0.3 * (smooth(1, (2, 2, *size)) - 0.5)).clamp(0, 1)
    expected = [
        np.mean([ms_ssim_by_hand(x, y) for x, y in zip(image, other, strict=True)])
        for image, other in zip(a.numpy(), b.numpy(), strict=True)
    ]
    assert 0.1 < expected[0] < 0.99
    assert ms_ssim(a, b, reduction="none").tolist() == pytest.approx(expected, abs=1e-9)
    assert ms_ssim(a.float(), b.float(), reduction="none").tolist() == pytest.approx(expected, abs=1e-5)
    assert ms_ssim(255 * a, 255 * b, data_range=255, reduction="none").tolist() == pytest.approx(expected, abs=1e-9)


def test_two_flat_images_differ_in_luminance_only() -> None:
    a, b = torch.full((1, 1, 176, 176), 0.2).double(), torch.full((1, 1, 176, 176), 0.8).double()
    luminance = (2 * 0.2 * 0.8 + C1) / (0.2**2 + 0.8**2 + C1)
    assert ssim(a, b).item() == pytest.approx(luminance)
    assert ms_ssim(a, b).item() == pytest.approx(luminance**0.1333)


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_border_is_not_padded() -> None:
    """A window that reaches over the edge sees an edge that is in neither image."""
    flat, brighter = np.full((24, 24), 0.2), np.full((24, 24), 0.8)
    expected = (2 * 0.2 * 0.8 + C1) / (0.2**2 + 0.8**2 + C1)
    luminance, structure = factors(flat, brighter, mode="same")
    assert abs((luminance * structure).mean() - expected) > 0.1
    a, b = (torch.from_numpy(x)[None, None] for x in (flat, brighter))
    assert ssim(a, b).item() == pytest.approx(expected)
    assert ssim(a[..., :11, :11], b[..., :11, :11]).item() == pytest.approx(expected)


@settings(max_examples=10)
@given(st.permutations(range(3)))
def test_every_colour_is_treated_alike(order: list[int]) -> None:
    a, b = smooth(0, (1, 3, 161, 161)), smooth(1, (1, 3, 161, 161))
    for function in (ssim, ms_ssim):
        torch.testing.assert_close(function(a[:, order], b[:, order]), function(a, b))


def test_a_window_of_another_width_for_each_colour_would_not_treat_them_alike() -> None:
    a, b = smooth(0, (1, 3, 32, 32))[0].numpy(), smooth(1, (1, 3, 32, 32))[0].numpy()

    def grouped(order: tuple[int, ...]) -> float:
        return np.mean(
            [np.prod(factors(a[i], b[i], s), axis=0).mean() for i, s in zip(order, (0.5, 2, 8), strict=True)]
        ).item()

    assert abs(grouped((0, 1, 2)) - grouped((2, 1, 0))) > 1e-3


def test_opposite_structure_has_a_finite_gradient_where_a_plain_power_has_none() -> None:
    a = smooth(0, (1, 1, 176, 176), coarseness=32).requires_grad_()
    b = 1 - a.detach()
    value = ms_ssim(a, b)
    (gradient,) = torch.autograd.grad(value, a)
    assert value == 0
    assert gradient.isfinite().all()
    negative = torch.tensor(-0.1, requires_grad=True)
    assert negative.pow(0.2856).isnan()


def test_gradient_is_finite_for_equal_and_for_flat_images() -> None:
    for image in (smooth(0, (1, 1, 176, 176)), torch.zeros(1, 1, 176, 176), torch.ones(1, 1, 176, 176)):
        for function in (ssim, ms_ssim):
            x = image.clone().requires_grad_()
            value = function(x, image)
            (gradient,) = torch.autograd.grad(value, x)
            assert value.item() == pytest.approx(1, abs=1e-6)
            assert gradient.abs().max() < 1e-3  # the largest value there is


# --- properties -------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(11, 20), st.integers(11, 20))
def test_ssim_is_symmetric_at_most_one_and_the_same_for_mirrored_images(seed: int, height: int, width: int) -> None:
    a, b = smooth(seed, (2, 3, height, width)), smooth(seed + 1, (2, 3, height, width))
    value = ssim(a, b)
    torch.testing.assert_close(ssim(b, a), value)
    torch.testing.assert_close(ssim(a.flip(-1), b.flip(-1)), value)
    torch.testing.assert_close(ssim(a.mT, b.mT), value)
    assert -1 <= value < 1
    assert ssim(a, a).item() == pytest.approx(1)
    assert ssim(a, 1 - a).item() < value  # nothing is less alike than the negative


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_ms_ssim_is_symmetric_and_between_zero_and_one(seed: int) -> None:
    a, b = smooth(seed, (1, 1, 161, 170)), smooth(seed + 1, (1, 1, 161, 170))
    value = ms_ssim(a, b)
    torch.testing.assert_close(ms_ssim(b, a), value)
    assert 0 <= value < 1
    assert ms_ssim(a, a).item() == pytest.approx(1)


@pytest.mark.parametrize("function", [ssim, ms_ssim])
def test_more_noise_is_less_similar(function) -> None:
    image, noise = smooth(0, (1, 3, 176, 176)), torch.randn(1, 3, 176, 176).double()
    values = [function(image, image + strength * noise).item() for strength in (0.01, 0.05, 0.2)]
    assert 1 > values[0] > values[1] > values[2] > 0


@pytest.mark.parametrize(("function", "module"), [(ssim, SSIMLoss), (ms_ssim, MSSSIMLoss)])
def test_reductions_agree_and_the_module_is_one_less_the_function(function, module) -> None:
    a, b = smooth(0, (3, 1, 161, 161)), smooth(1, (3, 1, 161, 161))
    each = function(a, b, reduction="none")
    assert each.shape == (3,)
    torch.testing.assert_close(function(a, b), each.mean())
    torch.testing.assert_close(function(a, b, reduction="sum"), each.sum())
    for i in range(3):
        torch.testing.assert_close(each[i], function(a[i : i + 1], b[i : i + 1]))
    for reduction, expected in (("mean", 1 - each.mean()), ("sum", 3 - each.sum()), ("none", 1 - each)):
        torch.testing.assert_close(module(reduction=reduction)(a, b), expected)
    torch.testing.assert_close(module(data_range=255.0)(255 * a, 255 * b), 1 - each.mean())


def test_gradient_is_the_slope_for_both_images() -> None:
    a, b = (smooth(seed, (1, 2, 12, 13)).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(ssim, (a, b))


def test_a_step_along_the_gradient_makes_images_more_alike() -> None:
    target = smooth(0, (1, 1, 176, 176))
    for module in (SSIMLoss(), MSSSIMLoss()):
        image = smooth(1, (1, 1, 176, 176)).requires_grad_()
        before = module(image, target)
        (gradient,) = torch.autograd.grad(before, image)
        assert module(image - 0.1 * gradient / gradient.norm(), target) < before


@pytest.mark.parametrize(
    ("function", "smallest"), [(ssim, 11), (ms_ssim, 11), (lambda *args, **kw: ms_ssim(*args, **kw, scales=5), 161)]
)
def test_wrong_input_is_a_value_error_that_says_what_came(function, smallest: int) -> None:
    good = torch.rand(1, 3, 161, 161)
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 161, 161\) and \(1, 3, 160, 161\)"):
        function(good, good[..., 1:, :])
    with pytest.raises(ValueError, match=r"got \(3, 161, 161\)"):
        function(good[0], good[0])
    with pytest.raises(ValueError, match=rf"at least {smallest}x{smallest} pixels, got \(1, 3, 161, {smallest - 1}\)"):
        function(good[..., : smallest - 1], good[..., : smallest - 1])
    with pytest.raises(ValueError, match=r"floating-point images, got torch\.uint8"):
        function(good.byte(), good)
    with pytest.raises(ValueError, match="data_range: expected a positive number, got 0"):
        function(good, good, data_range=0)
    with pytest.raises(ValueError, match="'average'"):
        function(good, good, reduction="average")
    with pytest.raises(TypeError, match="positional"):  # where other libraries have the window
        function(good, good, 11)
    for module in (SSIMLoss, MSSSIMLoss):
        with pytest.raises(ValueError, match="data_range: expected a positive number, got -1"):
            module(data_range=-1)


# --- fewer scales -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "scales"), [(11, 1), (20, 1), (21, 2), (40, 2), (41, 3), (80, 3), (81, 4), (160, 4)])
def test_a_small_patch_has_as_many_scales_as_fit_with_the_published_weights_renormalised(side: int, scales) -> None:
    a = smooth(0, (2, 2, side, side + 7))
    b = (a + 0.3 * (smooth(1, (2, 2, side, side + 7)) - 0.5)).clamp(0, 1)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363][:scales])
    expected = [
        np.mean([ms_ssim_by_hand(x, y, weights / weights.sum()) for x, y in zip(image, other, strict=True)])
        for image, other in zip(a.numpy(), b.numpy(), strict=True)
    ]
    assert 0.1 < expected[0] < 0.99
    assert ms_ssim(a, b, reduction="none").tolist() == pytest.approx(expected, abs=1e-9)
    assert torch.equal(ms_ssim(a, b, scales=scales), ms_ssim(a, b))
    assert torch.equal(MSSSIMLoss(scales=scales)(a, b), MSSSIMLoss()(a, b))
    with pytest.raises(ValueError, match=rf"expected at least {10 * 2**scales + 1}x{10 * 2**scales + 1} pixels, got"):
        ms_ssim(a, b, scales=scales + 1)


def test_from_161_pixels_on_there_are_five_scales_with_the_weights_as_published_and_fewer_on_demand() -> None:
    a, b = smooth(0, (1, 1, 161, 200)), smooth(1, (1, 1, 161, 200))
    assert torch.equal(ms_ssim(a, b), ms_ssim(a, b, scales=5))
    assert ms_ssim(a, b).item() == pytest.approx(ms_ssim_by_hand(a[0, 0].numpy(), b[0, 0].numpy()), abs=1e-9)
    weights = np.array([0.0448, 0.2856]) / 0.3304
    by_hand = ms_ssim_by_hand(a[0, 0].numpy(), b[0, 0].numpy(), weights)
    assert ms_ssim(a, b, scales=2).item() == pytest.approx(by_hand, abs=1e-9)
    torch.testing.assert_close(ms_ssim(a, b, scales=1), ssim(a, b))


def test_a_network_learns_from_a_patch_of_128_pixels() -> None:
    target = smooth(0, (2, 3, 128, 128)).float()
    blurred = F.avg_pool2d(target, 3, stride=1, padding=1)
    network = torch.nn.Conv2d(3, 3, 5, padding=2)
    torch.nn.init.dirac_(network.weight)  # the loss has no slope where structures are opposite
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    values: list[float] = []
    for _ in range(30):
        value = MSSSIMLoss()(network(blurred), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]


@pytest.mark.parametrize("scales", [0, 6, 2.5, True, "5"])
def test_another_number_of_scales_is_a_value_error_where_the_loss_is_made(scales) -> None:
    with pytest.raises(ValueError, match="scales: expected"):
        MSSSIMLoss(scales=scales)


# --- what is no image -------------------------------------------------------------------------------------------------


def test_a_pixel_that_is_no_number_leaves_only_its_own_image_without_a_value() -> None:
    a, b = smooth(0, (3, 1, 176, 176)), smooth(1, (3, 1, 176, 176))
    a[1, 0, 50, 60] = torch.nan
    for function in (ssim, ms_ssim):
        assert function(a, b, reduction="none").isnan().tolist() == [False, True, False]
        assert function(b, a).isnan()
        assert function(torch.full_like(a, torch.nan), b).isnan()


@pytest.mark.parametrize("loss", [ssim, ms_ssim, SSIMLoss(), MSSSIMLoss()])
def test_images_of_another_range_get_one_warning(loss) -> None:
    a, b = smooth(0, (1, 1, 32, 32)), smooth(1, (1, 1, 32, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(a, b + 0.3)  # some overshoot
    with pytest.warns(UserWarning, match=r"in \[0, 1\], got values far outside; divide 8-bit values by 255") as caught:
        loss(255 * a, 255 * b)
    assert len(caught) == 1
    if isinstance(loss, torch.nn.Module):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss(255 * a, 255 * b)


def test_the_range_is_the_one_that_was_named() -> None:
    a, b = smooth(0, (1, 1, 32, 32)), smooth(1, (1, 1, 32, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ssim(255 * a, 255 * b, data_range=255)
        SSIMLoss(data_range=255)(255 * a, 255 * b)
    with pytest.warns(UserWarning, match="got values far outside"):
        SSIMLoss()(2 * a - 1, 2 * b - 1)  # as a tanh leaves them
