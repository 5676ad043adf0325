"""Likelihoods of models for which they are known in closed form, and bounds that training minimises."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from srgan_kit.contracts import Batch, Critique, Gaussian
from srgan_kit.generators.autoregressive.pixelcnn import PixelCNN
from srgan_kit.generators.model import LatentConfig, Model
from srgan_kit.losses import categorical_pixel_nll
from srgan_kit.metrics.likelihood import bounds, exact_nll, mean_and_error
from srgan_kit.variants.gan import GAN
from srgan_kit.variants.vae import VAE

STD = 0.5
SIDE, LATENT = 2, 2


class Linear(nn.Module):
    """x = W z + b as an image of 2x2: with a Gaussian likelihood, x ~ N(b, W W^T + std^2 I)."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(SIDE**2, LATENT, generator=generator, dtype=torch.float64))
        self.bias = nn.Parameter(torch.randn(SIDE**2, generator=generator, dtype=torch.float64))

    def forward(self, latent: Tensor) -> Tensor:
        return (latent @ self.weight.T + self.bias).view(-1, 1, SIDE, SIDE)


class Posterior(nn.Module):
    """The exact posterior of a `Linear` decoder where W^T W is diagonal, moved and made wider."""

    def __init__(self, decoder: Linear, shift: float, wider: float) -> None:
        super().__init__()
        self.decoder, self.shift, self.wider = decoder, shift, wider

    def forward(self, image: Tensor) -> Gaussian:
        weight = self.decoder.weight
        precision = weight.T @ weight / STD**2 + torch.eye(LATENT)
        assert (precision - precision.diag().diag()).abs().max() < 1e-6
        mean = (image.double().flatten(1) - self.decoder.bias) @ weight / STD**2 / precision.diag()
        log_variance = -precision.diag().log().expand_as(mean) + 2 * math.log(self.wider)
        return Gaussian(mean + self.shift, log_variance)


def linear_model(shift: float = 0.0, wider: float = 1.0, draws: int = 1) -> tuple[Model, Tensor, Tensor]:
    """The model, images that it makes, and -ln p(x) of each."""
    decoder = Linear()
    with torch.no_grad():
        decoder.weight.copy_(torch.linalg.qr(decoder.weight)[0] * torch.tensor([1.5, 0.7]))
    model = Model(
        decoder, Posterior(decoder, shift, wider), LatentConfig(noise=LATENT), "posterior", (1, SIDE, SIDE), draws
    )
    covariance = decoder.weight @ decoder.weight.T + STD**2 * torch.eye(SIDE**2)
    law = MultivariateNormal(decoder.bias, covariance)
    torch.manual_seed(1)
    x = law.sample((60,)).detach()
    return model.requires_grad_(False), x.view(-1, 1, SIDE, SIDE), -law.log_prob(x).detach()


VARIANT = VAE(likelihood="gaussian", std=STD)


@pytest.mark.parametrize("samples", [1, 3, 5000])
def test_with_the_exact_posterior_every_draw_gives_the_likelihood(samples: int) -> None:
    model, image, exact = linear_model()
    found = bounds(model, VARIANT, image[: 60 if samples < 100 else 3], samples)
    for value in found.values():
        torch.testing.assert_close(value, exact[: len(value)], atol=2e-5, rtol=0)


def test_with_another_posterior_the_estimate_falls_to_the_likelihood_and_the_elbo_stays() -> None:
    model, image, exact = linear_model(shift=0.3, wider=1.5)
    torch.manual_seed(2)
    few, many = (bounds(model, VARIANT, image, samples) for samples in (5, 5000))
    # KL of the posterior used from the exact one, N(shift, wider^2) from N(0, 1) in units of its deviations.
    deviation = (-model.encode(image[:1]).log_variance / 2).exp() * 1.5
    gap = ((1.5**2 + (0.3 * deviation).square() - 1) / 2 - math.log(1.5)).sum().item()
    assert (many["elbo"] - exact).mean().item() == pytest.approx(gap, abs=0.02)
    torch.testing.assert_close(many["iwae"], exact, atol=0.08, rtol=0)
    assert many["iwae"].mean().item() == pytest.approx(exact.mean().item(), abs=0.005)
    assert exact.mean() + 0.02 < few["iwae"].mean() < few["elbo"].mean()


def test_parts_of_the_samples_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image, _ = linear_model(shift=0.3)
    whole = bounds(model, VARIANT, image[:1], 90, torch.Generator().manual_seed(0))
    monkeypatch.setattr("srgan_kit.metrics.likelihood.DECODED_AT_ONCE", 40)
    parts = bounds(model, VARIANT, image[:1], 90, torch.Generator().manual_seed(0))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=0)


def test_training_with_k_draws_minimises_the_bound_and_more_draws_a_lower_one() -> None:
    nothing = Critique(score=torch.zeros(0))

    def term(k: int) -> float:
        """The variant's own term, the mean over many draws."""
        model, image, _ = linear_model(shift=0.5, wider=1.5, draws=k)
        variant = VAE(likelihood="gaussian", std=STD, samples=k)
        assert variant.posterior_draws() == k
        values: list[Tensor] = []
        for _ in range(300):
            sample = model(Batch(image.float()), needs_prior_sample=False)
            values.append(sum(variant.generator_terms(None, nothing, Batch(image.float()), sample).values()))  # pyright: ignore
        return float(torch.stack(values).mean())

    exact = linear_model()[2].mean().item()
    torch.manual_seed(3)
    one, five, fifty = map(term, (1, 5, 50))
    assert exact < fifty < five < one
    model, image, _ = linear_model(shift=0.5, wider=1.5)
    found = bounds(model, VARIANT, image, 5000)["elbo"].mean().item()
    assert one == pytest.approx(found, abs=0.03)


def test_k_draws_of_the_exact_posterior_are_the_likelihood_and_the_term_replaces_both() -> None:
    model, image, exact = linear_model(draws=7)
    variant = VAE(likelihood="gaussian", std=STD, samples=7)
    sample = model(Batch(image.float()), needs_prior_sample=False)
    terms = variant.generator_terms(None, Critique(score=torch.zeros(0)), Batch(image.float()), sample)
    assert terms.keys() == variant.weights.keys() == {"iwae"}
    assert terms["iwae"].item() == pytest.approx(exact.mean().item(), abs=2e-5)
    assert sample.draws is not None
    assert sample.draws.image.shape == (7, 60, 1, SIDE, SIDE)
    assert torch.equal(sample.paired, sample.draws.image[0])
    assert VAE().weights == {"nll": 1.0, "kl": 1.0}
    with pytest.raises(ValueError, match="samples: expected at least 1, got 0"):
        VAE(samples=0)


def test_exact_likelihoods_are_those_of_training_image_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = PixelCNN(1, 2, channels=2, layers=1)
    model = Model(network, None, LatentConfig(), "prior", (1, 4, 4)).requires_grad_(False)
    image = (torch.rand(5, 1, 4, 4) > 0.5).float()
    monkeypatch.setattr("srgan_kit.metrics.likelihood.PREDICTED_AT_ONCE", 2)
    found = exact_nll(model, image)
    expected = torch.stack([categorical_pixel_nll(network(one), one) for one in image.split(1)])
    torch.testing.assert_close(found, expected)


def test_mean_and_standard_error() -> None:
    mean, error = mean_and_error(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert (mean, error) == (3.0, pytest.approx(math.sqrt(14 / 3) / 2))
    assert mean_and_error(torch.tensor([4.0])) == (4.0, 0.0)


def test_mistakes_are_named() -> None:
    model, image, _ = linear_model()
    for variant, samples in ((VARIANT, 0), (GAN(), 5)):
        with pytest.raises(ValueError, match="expected a system with a likelihood given the code"):
            bounds(model, variant, image, samples)
