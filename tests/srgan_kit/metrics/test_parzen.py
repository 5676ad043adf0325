"""The Parzen window: one Gaussian and two in closed form, an independent mixture, the choice of sigma."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from srgan_kit.metrics.parzen import parzen_log_likelihood, parzen_sigma


def test_one_sample_is_a_gaussian_and_a_copy_of_it_changes_nothing() -> None:
    images, sample = torch.rand(4, 1, 3, 3), torch.rand(1, 1, 3, 3)
    expected = Normal(sample.double(), 0.2).log_prob(images.double()).flatten(1).sum(1)
    assert torch.allclose(parzen_log_likelihood(images, sample, 0.2), expected)
    assert torch.allclose(parzen_log_likelihood(images, sample.expand(5, -1, -1, -1), 0.2, chunk=3), expected)


def test_many_samples_are_a_mixture() -> None:
    images, samples = torch.rand(7, 1, 2, 2).double(), torch.rand(11, 1, 2, 2).double()
    law = MixtureSameFamily(Categorical(torch.ones(11)), Independent(Normal(samples.flatten(1), 0.3), 1))
    assert torch.allclose(parzen_log_likelihood(images, samples, 0.3, chunk=2), law.log_prob(images.flatten(1)))


def test_far_images_are_unlikely_but_not_impossible() -> None:
    value = parzen_log_likelihood(torch.ones(1, 784), torch.zeros(2, 784), 0.1).item()
    assert value == pytest.approx(-784 / 0.02 - 784 * math.log(0.1 * math.sqrt(2 * math.pi)))


def test_sigma_is_the_one_of_the_distribution() -> None:
    validation = 0.3 * torch.randn(500, 20)
    assert parzen_sigma(validation, torch.zeros(1, 20), (0.1, 0.2, 0.3, 0.5, 1.0)) == 0.3
    with pytest.raises(ValueError, match="at least one candidate"):
        parzen_sigma(validation, validation, ())


def test_what_cannot_be_compared_is_an_error() -> None:
    for samples in (torch.zeros(3, 5), torch.zeros(0, 4)):
        with pytest.raises(ValueError, match="expected images of one shape, at least one sample"):
            parzen_log_likelihood(torch.zeros(2, 4), samples, 0.1)
    with pytest.raises(ValueError, match="sigma above 0, got 0"):
        parzen_log_likelihood(torch.zeros(2, 4), torch.zeros(2, 4), 0)
