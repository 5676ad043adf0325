"""The linear classifier on features: its optimum, how its penalty is chosen, classes that it can and cannot tell."""

import pytest
import torch
from torch.nn import functional as F

from scripts.lib.linear_classifier import DECAYS, Labelled, fit, linear_error


def clouds(count: int, distance: float, seed: int, noise: int = 0) -> Labelled:
    """Two Gaussian classes `distance` apart along the first axis, and more axes that say nothing."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % 2
    features = torch.randn(count, 1 + noise, generator=generator)
    features[:, 0] += distance * (label - 0.5)
    return Labelled(features, label)


def test_a_fit_is_where_the_gradient_is_zero() -> None:
    data = clouds(200, 2.0, 0, noise=3)
    weight, bias = fit(data.features, data.label, 2, 0.1)
    weight.requires_grad_()
    bias.requires_grad_()
    loss = F.cross_entropy(data.features @ weight.T + bias, data.label) + 0.05 * weight.square().sum()
    for gradient in torch.autograd.grad(loss, [weight, bias]):
        assert gradient.abs().max() < 1e-4
    assert fit(data.features, data.label, 2, 1e6)[0].abs().max() < 1e-5


def test_two_gaussians_are_told_as_well_as_they_can_be() -> None:
    """The best rule errs on Phi(-distance / 2): 15.87 % at a distance of 2."""
    parts = (clouds(2000, 2.0, 1), clouds(500, 2.0, 2), clouds(20_000, 2.0, 3))
    assert linear_error(*parts) == pytest.approx(0.1587, abs=0.01)


def test_the_penalty_is_chosen_by_the_validation_part() -> None:
    """Noise that two axes share goes away in their difference, which takes weights that a large penalty forbids."""

    def noisy(seed: int) -> Labelled:
        data = clouds(1000, 8.0, seed)
        shared = 100 * torch.randn(1000, 1, generator=torch.Generator().manual_seed(seed + 10))
        return Labelled(torch.cat([data.features + shared, shared], dim=1), data.label)

    train, validation, test = noisy(1), noisy(2), noisy(3)
    alone = [linear_error(train, validation, test, [decay]) for decay in (1e-5, 10.0)]
    assert alone[0] < 0.01
    assert alone[1] > 0.3
    upside_down = Labelled(validation.features, 1 - validation.label)
    for part, expected in ((validation, alone[0]), (upside_down, alone[1])):
        assert linear_error(train, part, test, [1e-5, 10.0]) == expected


def test_more_features_than_images() -> None:
    """The solution in the space of the images is that of all features."""
    parts = [clouds(count, 3.0, seed, noise=99) for seed, count in enumerate((60, 60, 400))]
    for decay in (0.01, 1.0):
        train = parts[0].features
        scaled = [(part.features - train.mean(0)) / train.std(0) for part in parts]
        weight, bias = fit(scaled[0], parts[0].label, 2, decay)
        expected = ((scaled[2] @ weight.T + bias).argmax(1) != parts[2].label).double().mean().item()
        assert linear_error(*parts, decays=[decay]) == pytest.approx(expected, abs=1 / 400 + 1e-9)
        assert 0.05 < expected < 0.4


def test_constant_features_and_scales_do_not_matter() -> None:
    parts = [clouds(200, 2.0, seed, 1) for seed in range(3)]
    scaled = [Labelled(torch.cat([1000 * part.features + 5, torch.ones(200, 1)], dim=1), part.label) for part in parts]
    assert linear_error(*scaled, decays=DECAYS) == linear_error(*parts, decays=DECAYS)
