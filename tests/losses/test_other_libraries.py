"""What `docs/guide/losses.md` says under "Coming from another library": the factor between a loss there and here.

kornia comes with the package; piq and torchmetrics with its extra `test`. BasicSR does not import beside a current
torchvision: its formulas are written down here as its source has them.
"""

from typing import Any

import kornia
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import losses


def pair(height: int, width: int, count: int = 2) -> tuple[Tensor, Tensor]:
    """Images with structure at several scales and others near them, float64."""
    coarse, fine = torch.rand(count, 3, height // 4 + 2, width // 4 + 2), torch.rand(2, count, 3, height, width)
    image = 0.7 * F.interpolate(coarse, size=(height, width), mode="bilinear") + 0.3 * fine[0]
    return image.double(), (image + 0.3 * (fine[1] - 0.5)).clamp(0, 1).double()


def network() -> nn.Sequential:
    """A small network with maps of 5 and 7 channels; layers "1" and "3"."""
    layers = [nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 7, 3, padding=1)]
    return nn.Sequential(*layers).double().requires_grad_(False)


def maps_of(model: nn.Sequential, image: Tensor) -> dict[str, Tensor]:
    shallow = model[1](model[0](image))
    return {"1": shallow, "3": model[3](model[2](shallow))}


# --- piq --------------------------------------------------------------------------------------------------------------


def test_piqs_ssim_is_ours_once_it_does_not_reduce_images() -> None:
    piq = pytest.importorskip("piq")
    a, b = pair(64, 70, count=1)
    assert piq.ssim(a, b).item() == pytest.approx(losses.ssim(a, b).item(), abs=1e-9)
    assert piq.SSIMLoss()(a, b).item() == pytest.approx(losses.SSIMLoss()(a, b).item(), abs=1e-9)
    a, b = (each.float() for each in pair(390, 384, count=1))  # from 384 pixels on it halves them first
    assert piq.ssim(a, b, downsample=False).item() == pytest.approx(losses.ssim(a, b).item(), abs=1e-5)
    halved = losses.ssim(F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)).item()
    assert piq.ssim(a, b).item() == pytest.approx(halved, abs=1e-5)
    assert losses.ssim(a, b).item() != pytest.approx(halved, abs=1e-4)


def test_piqs_ms_ssim_is_ours_where_every_scale_has_even_sides() -> None:
    piq = pytest.importorskip("piq")
    for size, alike in (((176, 192), True), ((161, 161), False), ((170, 182), False)):
        a, b = pair(*size, count=1)
        ours = losses.ms_ssim(a, b, scales=5).item()
        assert (piq.multi_scale_ssim(a, b).item() == pytest.approx(ours, abs=1e-9)) is alike


def test_piqs_content_loss_is_ours_times_the_channels() -> None:
    piq, model = pytest.importorskip("piq"), network()
    a, b = pair(16, 20)
    for layer, channels in (("1", 5), ("3", 7)):
        for distance, here in (("mse", "l2"), ("mae", "l1")):
            there = piq.ContentLoss(model, [layer], [1.0], distance=distance, mean=[0.0] * 3, std=[1.0] * 3)
            ours = losses.FeatureLoss(lambda image: maps_of(model, image), {layer: 1.0}, here)  # pyright: ignore
            assert there(a, b).item() == pytest.approx(channels * ours(a, b).item())


def test_piqs_style_loss_is_ours_times_the_places_squared() -> None:
    piq, model = pytest.importorskip("piq"), network()
    a, b = pair(16, 20)
    for layer, places in (("1", 16 * 20), ("3", 8 * 10)):
        there = piq.StyleLoss(model, [layer], [1.0], mean=[0.0] * 3, std=[1.0] * 3)
        ours = losses.StyleLoss(layer, extractor=lambda image: maps_of(model, image))
        assert there(a, b).item() == pytest.approx(places**2 * ours(a, b).item())


def test_piqs_total_variation_is_the_sum_of_an_image() -> None:
    piq = pytest.importorskip("piq")
    a, _ = pair(16, 20)
    for there, here in (("l1", "anisotropic"), ("l2_squared", "squared")):
        ours = losses.total_variation(a, here, reduction="sum") / len(a)  # pyright: ignore[reportArgumentType]
        assert piq.TVLoss(there)(a).item() == pytest.approx(ours.item())


# --- kornia -----------------------------------------------------------------------------------------------------------


def test_kornias_ssim_loss_is_half_of_ours_where_it_does_not_pad() -> None:
    a, b = pair(64, 70)
    ours = losses.SSIMLoss()(a, b).item()
    assert 2 * kornia.losses.ssim_loss(a, b, 11, padding="valid").item() == pytest.approx(ours, abs=1e-6)
    assert 2 * kornia.losses.ssim_loss(a, b, 11).item() != pytest.approx(ours, abs=1e-4)


def test_kornias_total_variation_is_that_of_each_channel() -> None:
    a, _ = pair(16, 20)
    assert kornia.losses.total_variation(a).sum().item() == pytest.approx(
        losses.total_variation(a, reduction="sum").item()
    )
    mean = kornia.losses.total_variation(a, reduction="mean").mean()
    assert mean.item() == pytest.approx(losses.total_variation(a).item())


def test_kornias_charbonnier_is_barrons_with_eps_1_and_its_ms_ssim_another_thing() -> None:
    a, b = pair(176, 176, count=1)
    there = kornia.losses.charbonnier_loss(a, b, reduction="mean")
    assert there.item() == pytest.approx(losses.charbonnier(a, b, 1.0, "barron").item())
    other = kornia.losses.MS_SSIMLoss()(a.float(), b.float())
    assert other.item() > 5 * losses.MSSSIMLoss()(a, b).item()


# --- torchmetrics -----------------------------------------------------------------------------------------------------


def test_torchmetrics_ssim_counts_a_mirrored_border_too() -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    a, b = pair(64, 70)
    there, places = image.structural_similarity_index_measure(a, b, data_range=1.0, return_full_image=True)
    ours = losses.ssim(a, b, reduction="none")
    assert places[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)).tolist() == pytest.approx(ours.tolist(), abs=1e-9)
    assert there.item() != pytest.approx(ours.mean().item(), abs=1e-5)
    mirrored = losses.ssim(F.pad(a, [5] * 4, mode="reflect"), F.pad(b, [5] * 4, mode="reflect"))
    assert mirrored.item() == pytest.approx(there.item(), abs=1e-9)


def test_torchmetrics_total_variation_is_the_sum() -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    a, _ = pair(16, 20)
    assert image.total_variation(a).item() == pytest.approx(losses.total_variation(a, reduction="sum").item())


# --- PyTorch and BasicSR ----------------------------------------------------------------------------------------------


def test_pytorchs_huber_is_ours_and_its_smooth_l1_is_that_over_beta() -> None:
    a, b = pair(16, 20)
    assert nn.HuberLoss(delta=0.1)(a, b).item() == pytest.approx(losses.huber(a, b, 0.1).item())
    assert nn.SmoothL1Loss(beta=0.1)(a, b).item() == pytest.approx(losses.huber(a, b, 0.1).item() / 0.1)


def test_basicsrs_charbonnier_has_the_square_of_our_eps() -> None:
    a, b = pair(16, 20)
    there = torch.sqrt((a - b) ** 2 + 1e-6).mean()
    assert losses.charbonnier(a, b, eps=1e-3).item() == pytest.approx(there.item())


def test_basicsrs_weighted_tv_is_ours_as_a_mean() -> None:
    a, _ = pair(16, 20)
    there = F.l1_loss(a[..., :-1, :], a[..., 1:, :]) + F.l1_loss(a[..., :-1], a[..., 1:])
    assert losses.total_variation(a).item() == pytest.approx(there.item())


def test_basicsrs_perceptual_loss_is_ours_and_its_style_loss_the_mean_of_absolute_values() -> None:
    model = network()
    a, b = pair(16, 20)
    one, other = maps_of(model, a), maps_of(model, b)
    weights = {"1": 0.1, "3": 1.0}
    there = sum(weight * F.l1_loss(one[layer], other[layer]) for layer, weight in weights.items())
    assert losses.feature_distance(one, other, weights).item() == pytest.approx(float(there))
    gram, wanted = (each["3"].flatten(2) @ each["3"].flatten(2).mT / each["3"][0].numel() for each in (one, other))
    ours = losses.gram_matrix(one["3"]) - losses.gram_matrix(other["3"])
    assert ours.abs().mean().item() == pytest.approx(F.l1_loss(gram, wanted).item())


def test_basicsrs_least_squares_and_its_gradient_penalty_have_no_half() -> None:
    real, fake = torch.randn(2, 4, 1, dtype=torch.float64)
    there = F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, torch.zeros_like(fake))
    assert there.item() == pytest.approx(2 * losses.LeastSquares().critic_loss(real, fake).item())
    image = torch.rand(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    score = image.square().sum(dim=(1, 2, 3))
    (slope,) = torch.autograd.grad(score.sum(), image, create_graph=True)
    penalty = slope.pow(2).view(len(slope), -1).sum(1).mean()
    assert penalty.item() == pytest.approx(losses.r1_penalty(score, image, gamma=2.0).item())


def test_basicsrs_relativistic_critic_is_half_of_ours() -> None:
    """Of ESRGAN's model, which takes the mean of its two terms; its generator does too."""
    real, fake = torch.randn(2, 4, 1, dtype=torch.float64)
    entropy: Any = F.binary_cross_entropy_with_logits
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    critic = (entropy(real - fake.mean(), one) + entropy(fake - real.mean(), zero)) / 2
    generator = (entropy(real - fake.mean(), zero) + entropy(fake - real.mean(), one)) / 2
    ours = losses.RelativisticAverage()
    assert ours.critic_loss(real, fake).item() == pytest.approx(2 * critic.item())
    assert ours.generator_loss(fake, real).item() == pytest.approx(2 * generator.item())
