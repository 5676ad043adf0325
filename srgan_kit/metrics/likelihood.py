"""How likely a generative model finds images, in nats for each: exact, or bounds by importance sampling."""

import math

import torch
from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Variant
from srgan_kit.generators.model import Model

SAMPLES = 5000
"""Codes for each image in the estimate of Burda et al. 2015, sec. 5, arXiv:1509.00519."""
DECODED_AT_ONCE = 2048
"""As many codes are decoded in one batch."""
PREDICTED_AT_ONCE = 100
"""As many images go through an autoregressive network in one batch."""


@torch.no_grad()
def exact_nll(model: Model, image: Tensor) -> Tensor:
    """-ln p(image) of an autoregressive model in nats, given its code where there is one: (N, C, H, W) -> (N,).

    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", eq. 1, arXiv:1601.06759
    """
    found: list[Tensor] = []
    for part in image.split(PREDICTED_AT_ONCE):
        levels = model(Batch(part), needs_prior_sample=False).levels
        found.append(losses.categorical_pixel_nll(levels, part, reduction="none"))
    return torch.cat(found)


@torch.no_grad()
def bounds(
    model: Model, variant: Variant, image: Tensor, samples: int = SAMPLES, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Upper bounds of -ln p(image) in nats by draws of the posterior: (N, C, H, W) -> "elbo" and "iwae", (N,) each.

    elbo = -1/K sum_k ln w_k,  iwae = -ln(1/K sum_k w_k),  w_k = p(image, z_k) / q(z_k | image)

    With thousands of samples the second is the usual estimate of -ln p(image) itself. Images one after the other, codes
    in parts, so that memory is that of `DECODED_AT_ONCE` codes.
    Burda, Grosse and Salakhutdinov 2015, "Importance Weighted Autoencoders", sec. 3 and 5, arXiv:1509.00519

    Raises:
        ValueError: no samples, or a system without a likelihood given a code.
    """
    if samples < 1 or not variant.bounds_likelihood:
        raise ValueError(f"expected a system with a likelihood given the code, and a sample or more, got {samples}")
    together = max(1, DECODED_AT_ONCE // samples)
    found = [_bounds(model, variant, part, samples, generator) for part in image.split(together)]
    return {name: torch.cat([each[name] for each in found]) for name in ("elbo", "iwae")}


def _bounds(
    model: Model, variant: Variant, image: Tensor, samples: int, generator: torch.Generator | None
) -> dict[str, Tensor]:
    posterior = model.encode(image)
    total = log_total = None
    for start in range(0, samples, DECODED_AT_ONCE):
        count = min(DECODED_AT_ONCE, samples - start)
        draws = model.posterior_draws(posterior, count, generator=generator)
        log_weights = variant.log_weights(draws, posterior, image).double()
        part, log_part = log_weights.sum(dim=0), torch.logsumexp(log_weights, dim=0)
        total = part if total is None else total + part
        log_total = log_part if log_total is None else torch.logaddexp(log_total, log_part)
    assert total is not None and log_total is not None  # noqa: PT018
    return {"elbo": -total / samples, "iwae": math.log(samples) - log_total}


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """The mean of (N,) values and its standard error; the error of a single one is 0.

    >>> mean_and_error(torch.tensor([1.0, 3.0]))
    (2.0, 1.0)
    """
    values = values.double()
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else torch.zeros(())
    return float(values.mean()), float(error)
