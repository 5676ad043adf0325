"""Likelihood of images under a Parzen window on a generator's samples."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def parzen_log_likelihood(images: Tensor, samples: Tensor, sigma: float, chunk: int = 500) -> Tensor:
    """log p of each image in nats, p a mixture of equal Gaussians around the samples.

    (N, ...) and (M, ...), M >= 1 -> (N,) float64. Memory is that of `chunk` times M distances. A generator that copies
    training images scores well, sharp images that are shifted by a pixel badly: see Theis et al. 2016, "A note on the
    evaluation of generative models", arXiv:1511.01844, sec. 3.2.

    log 1/M sum_m N(x; s_m, sigma^2 I)
    Breuleux, Bengio and Vincent 2011, "Quickly generating representative samples from an RBM-derived process";
    Goodfellow et al. 2014, "Generative adversarial nets", arXiv:1406.2661, sec. 5

    Raises:
        ValueError: no samples, samples of another shape, or sigma not above 0.
    """
    if images.shape[1:] != samples.shape[1:] or not len(samples):
        shapes = f"{tuple(images.shape)} and {tuple(samples.shape)}"
        raise ValueError(f"parzen_log_likelihood: expected images of one shape, at least one sample, got {shapes}")
    if not sigma > 0:
        raise ValueError(f"parzen_log_likelihood: expected sigma above 0, got {sigma}")
    centres = samples.detach().double().flatten(1)
    size = centres.shape[1]
    constant = math.log(len(centres)) + size * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    rows = images.detach().double().flatten(1)
    found = [
        torch.logsumexp(-torch.cdist(part, centres).square() / (2 * sigma**2), dim=1) for part in rows.split(chunk)
    ]
    return torch.cat(found) - constant if found else rows.new_zeros(0)


def parzen_sigma(validation: Tensor, samples: Tensor, candidates: Sequence[float]) -> float:
    """The candidate under which images that are neither trained on nor tested are most likely.

    (N, ...) and (M, ...). See `parzen_log_likelihood`; the published figures choose it in this way, for each model.

    Raises:
        ValueError: no candidates; and what `parzen_log_likelihood` says.
    """
    if not candidates:
        raise ValueError("parzen_sigma: expected at least one candidate")
    return max(candidates, key=lambda sigma: parzen_log_likelihood(validation, samples, sigma).mean().item())
