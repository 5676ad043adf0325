"""Likelihoods of pixels one after another (PixelRNN, PixelCNN++): nats, summed over pixels, averaged over images."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ._tensors import in_full_precision
from .variational import discretised_logistic_log_probability


def pixel_levels(image: Tensor, levels: int = 256) -> Tensor:
    """Pixels in [0, 1] as int64 levels 0 ... levels - 1, the nearest of k / (levels - 1).

    >>> pixel_levels(torch.tensor([0.0, 0.6, 1.0]), levels=2)
    tensor([0, 1, 1])
    """
    return (image.clamp(0, 1) * (levels - 1)).round().to(torch.int64)


def categorical_pixel_nll(logits: Tensor, image: Tensor) -> Tensor:
    """Negative log likelihood of pixels with one softmax over their levels each, in [0, inf) nats.

    Logits (N, levels, C, H, W); image (N, C, H, W), int64 levels or [0, 1] -> scalar.

    E_x sum_i -log softmax(logits_i)[x_i].  Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", sec. 2 and 3.4,
    arXiv:1601.06759. The logits of a pixel must not depend on it or on later ones: that is the network's part.

    Raises:
        ValueError: shapes that do not fit.

    >>> categorical_pixel_nll(torch.zeros(1, 2, 1, 1, 3), torch.zeros(1, 1, 1, 3))  # 3 log 2
    tensor(2.0794)
    """
    if logits.ndim != 5 or image.shape != (logits.shape[0], *logits.shape[2:]):
        shapes = f"{tuple(logits.shape)} and {tuple(image.shape)}"
        raise ValueError(f"expected logits (N, levels, C, H, W) and an image (N, C, H, W), got {shapes}")
    levels = pixel_levels(image, logits.shape[1]) if image.is_floating_point() else image
    log_probability = F.log_softmax(in_full_precision(logits), dim=1)
    return -log_probability.gather(1, levels[:, None]).flatten(1).sum(dim=1).mean()


def mixture_of_logistics_nll(parameters: Tensor, image: Tensor, levels: int = 256) -> Tensor:
    """Negative log likelihood of pixels under a mixture of discretised logistics, in [0, inf) nats.

    Parameters (N, P, H, W), image (N, C, H, W) in [0, 1], C = 1 or 3 -> scalar. With M components, P is M (1 + 2C) for
    grey images: M weights (as logits), C M means, C M log scales; and for RGB 3 M coefficients more, by which green's
    mean follows red, and blue's red and green. Means and scales are in units of the [0, 1] range.

    E_x sum_pixels -log sum_m w_m prod_c P(x_c in its bin | mean_mc, scale_mc)

    Salimans et al. 2017, "PixelCNN++", eq. 1-3, arXiv:1701.05517

    Raises:
        ValueError: shapes that do not fit.

    >>> mixture_of_logistics_nll(torch.zeros(1, 3, 1, 1), torch.ones(1, 1, 1, 1), levels=2)  # -log sigmoid(-1/2)
    tensor(0.9741)
    """
    weights, means, log_scales = _mixture(parameters, image)
    pixel = discretised_logistic_log_probability(means, log_scales, in_full_precision(image)[:, :, None], levels)
    joint = F.log_softmax(weights, dim=1) + pixel.sum(dim=1)
    return -torch.logsumexp(joint, dim=1).flatten(1).sum(dim=1).mean()


@torch.no_grad()
def sample_mixture_of_logistics(
    parameters: Tensor, channels: int, levels: int = 256, generator: torch.Generator | None = None
) -> Tensor:
    """Pixels drawn from the mixture: parameters (N, P, H, W) as above -> (N, C, H, W), levels in [0, 1].

    Raises:
        ValueError: channels other than 1 and 3, or a P that does not fit.

    >>> sample_mixture_of_logistics(torch.zeros(2, 10, 4, 4), channels=3).shape
    torch.Size([2, 3, 4, 4])
    """
    n, _, height, width = parameters.shape
    weights, means, log_scales, coefficients = _split(parameters, channels)

    def uniform(shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=generator, device=parameters.device).clamp(1e-5, 1 - 1e-5)

    gumbel = -torch.log(-torch.log(uniform(tuple(weights.shape))))
    chosen = (weights + gumbel).argmax(dim=1, keepdim=True)[:, None]

    def of_component(values: Tensor) -> Tensor:
        return values.gather(2, chosen.expand(-1, values.shape[1], -1, -1, -1))[:, :, 0]

    mean, log_scale, coefficient = (of_component(v) for v in (means, log_scales, coefficients))
    position = uniform((n, channels, height, width))
    noise = torch.exp(log_scale) * (torch.log(position) - torch.log1p(-position))
    drawn: list[Tensor] = []
    for channel in range(channels):
        follows = [coefficient[:, k] * drawn[j] for k, j in _FOLLOWS[channel]]
        value = torch.stack([mean[:, channel], *follows]).sum(dim=0) + noise[:, channel]
        drawn.append(pixel_levels(value, levels) / (levels - 1))
    return torch.stack(drawn, dim=1)


def bits_per_dimension(nats: Tensor, dimensions: int) -> Tensor:
    """Nats per image as bits per pixel and channel: nats / (dimensions log 2).

    Raises:
        ValueError: fewer than 1 dimension.

    >>> bits_per_dimension(torch.tensor(2.0), 2)
    tensor(1.4427)
    """
    if dimensions < 1:
        raise ValueError(f"dimensions: expected 1 or more, got {dimensions}")
    return nats / (dimensions * math.log(2))


_FOLLOWS: tuple[tuple[tuple[int, int], ...], ...] = ((), ((0, 0),), ((1, 0), (2, 1)))
"""For each channel, which coefficient multiplies which earlier channel: green red; blue red and green."""


def _split(parameters: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights (N, M, H, W), means and log scales (N, C, M, H, W), coefficients (N, 0 or 3, M, H, W)."""
    per_component = {1: 3, 3: 10}.get(channels)
    if per_component is None or parameters.ndim != 4 or parameters.shape[1] % per_component:
        expected = "1 or 3 channels and parameters (N, P, H, W), P a multiple of 3 (grey) or 10 (RGB)"
        raise ValueError(f"expected {expected}; got {channels} channels and {tuple(parameters.shape)}")
    n, _, height, width = parameters.shape
    groups = in_full_precision(parameters).reshape(n, per_component, -1, height, width)
    return groups[:, 0], groups[:, 1 : 1 + channels], groups[:, 1 + channels : 1 + 2 * channels], groups[:, 7:].tanh()


def _mixture(parameters: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, and the means and log scales of every channel given the earlier ones."""
    if image.ndim != 4 or image.shape[0] != parameters.shape[0] or image.shape[2:] != parameters.shape[2:]:
        shapes = f"{tuple(parameters.shape)} and {tuple(image.shape)}"
        raise ValueError(f"expected parameters (N, P, H, W) and an image (N, C, H, W), got {shapes}")
    weights, means, log_scales, coefficients = _split(parameters, image.shape[1])
    pixels = in_full_precision(image)
    rows: list[Tensor] = []
    for channel in range(image.shape[1]):
        follows = [coefficients[:, k] * pixels[:, j, None] for k, j in _FOLLOWS[channel]]
        rows.append(torch.stack([means[:, channel], *follows]).sum(dim=0))
    return weights, torch.stack(rows, dim=1), log_scales
