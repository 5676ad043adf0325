"""Likelihoods of models that predict an image pixel by pixel: a softmax over levels, or a mixture of logistics.

In nats: summed over an image's pixels and channels, averaged over the batch; `categorical_pixel_nll` takes reduction
"none" for one of each image, (N,). The network sees to it that a pixel's parameters depend on earlier pixels only.
"""

import math
from numbers import Real
from typing import Literal, TypeVar

import torch
from torch import Tensor

from ._range import RangeWarning
from ._settings import whole
from ._tensors import check_classes, check_tensors, in_full_precision, spoilt_by
from .batch_parts import drawn_for_batch
from .variational import OverSamples, discretised_logistic_log_probability, levels, over_samples, sample_mean

Nats = TypeVar("Nats", float, Tensor)
_warn = RangeWarning()
PARAMETERS: dict[int, int] = {1: 3, 3: 10}
"""Parameters of one logistic by channels: its weight; a mean and a log scale for each channel; three couplings."""


def categorical_pixel_nll(logits: Tensor, image: Tensor, reduction: OverSamples = "mean") -> Tensor:
    """Negative log-likelihood of an image whose channels each have a softmax over L levels, in [0, inf).

    Logits (N, L, C, H, W); image (N, C, H, W), int64 levels or floats in [0, 1], of which each counts as the nearest
    level -> scalar.

    -sum over channels and pixels of log_softmax(logits)[level]

    Van den Oord et al. 2016, "Pixel Recurrent Neural Networks", eq. 1-2, arXiv:1601.06759

    Raises:
        ValueError: shapes that do not fit, fewer than two levels, logits not floating-point, another type of image, or
            a level that there is not.

    >>> categorical_pixel_nll(torch.zeros(2, 256, 1, 1, 1), torch.ones(2, 1, 1, 1))  # ln 256
    tensor(5.5452)
    """
    check_tensors(logits=logits, image=image)
    expected = (logits.shape[0], *logits.shape[2:]) if logits.ndim == 5 else None
    if image.shape != expected or logits.shape[1] < 2 or not logits.is_floating_point():
        got = f"{tuple(logits.shape)} {logits.dtype} and {tuple(image.shape)}"
        raise ValueError(f"expected floating-point logits (N, L, C, H, W), L >= 2, image (N, C, H, W); got {got}")
    log_p = torch.log_softmax(in_full_precision(logits), dim=1)
    level = _levels("categorical_pixel_nll", image, logits.shape[1])
    # A NaN is no index: it becomes one again after the look-up.
    nll = -log_p.gather(1, level.nan_to_num().long().unsqueeze(1))
    return spoilt_by(over_samples(nll, reduction), level)


def mixture_of_logistics_nll(parameters: Tensor, image: Tensor) -> Tensor:
    """Negative log-likelihood of 256 levels under a mixture of discretised logistics, in [0, inf).

    Parameters (N, P * M, H, W) of M logistics with P = 3 (grey) or 10 (RGB); image (N, C, H, W), C = 1 or 3, int64
    levels or floats in [0, 1] -> scalar.

    -sum over pixels of logsumexp_m(log_softmax(w)_m + sum_c ln P(x_c; mean_mc, scale_mc))

    Along dimension 1, M each: the weights w; the C means; the C log scales (at least -7); for RGB three couplings a, b,
    c. Means and scales live on [-1, 1], where a network's outputs start. A pixel's channels share one logistic; green's
    mean is moved by tanh(a) red, blue's by tanh(b) red + tanh(c) green.
    Salimans et al. 2017, "PixelCNN++", sec. 2.1-2.2, arXiv:1701.05517

    Raises:
        ValueError: shapes that do not fit, parameters not floating-point, another type of image, or a level that there
            is not.

    >>> mixture_of_logistics_nll(torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 1, 1))  # softplus(254 / 255)
    tensor(1.3104)
    """
    check_tensors(parameters=parameters, image=image)
    if (
        image.ndim != 4
        or parameters.ndim != 4
        or image.shape[0] != parameters.shape[0]
        or image.shape[2:] != parameters.shape[2:]
    ):
        got = f"{tuple(parameters.shape)} and {tuple(image.shape)}"
        raise ValueError(f"expected parameters (N, P * M, H, W) and image (N, C, H, W), got {got}")
    weights, means, log_scales, couplings = _split(parameters, image.shape[1])
    level = _levels("mixture_of_logistics_nll", image, 256).to(means.dtype).unsqueeze(2)
    moved = torch.stack([means[:, c] + _shift(level, couplings, c) for c in range(image.shape[1])], dim=1)
    # From [-1, 1] to [0, 1].
    log_p = discretised_logistic_log_probability((moved + 1) / 2, log_scales - math.log(2), level).sum(dim=1)
    return sample_mean(-torch.logsumexp(torch.log_softmax(weights, dim=1) + log_p, dim=1))


def sample_mixture_of_logistics(
    parameters: Tensor, channels: Literal[1, 3], generator: torch.Generator | None = None
) -> Tensor:
    """Draws every pixel of an image from the distribution that `mixture_of_logistics_nll` measures.

    Parameters (N, P * M, H, W) as there -> (N, channels, H, W) in [0, 1], each value one of 256 levels; no gradient.
    Pixels are independent given the parameters: to sample from a model, use only the pixel whose turn it is.

    Raises:
        ValueError: not 1 or 3 channels, parameters of another shape or not floating-point.

    >>> sample_mixture_of_logistics(torch.zeros(2, 50, 4, 4), channels=3).shape
    torch.Size([2, 3, 4, 4])
    """
    check_tensors(parameters=parameters)
    weights, means, log_scales, couplings = _split(parameters.detach(), channels)

    def standard_uniform(batch: Tensor) -> Tensor:
        return torch.rand(batch.shape, generator=generator, dtype=batch.dtype, device=batch.device)

    def uniform(like: Tensor) -> Tensor:
        # Never 0, where the logarithm would be infinite.
        return drawn_for_batch(like, standard_uniform).clamp(min=torch.finfo(like.dtype).tiny)

    # The largest of logits with Gumbel noise is a draw from their softmax.
    chosen = (weights - torch.log(-torch.log(uniform(weights)))).argmax(dim=1, keepdim=True)
    drawn: list[Tensor] = []
    for c in range(channels):
        mean, log_scale = (v[:, c].gather(1, chosen) for v in (means, log_scales.clamp(min=-7)))
        if c:
            shift = _shift(
                torch.stack(drawn, dim=1), couplings.gather(2, chosen.unsqueeze(1).expand(-1, 3, -1, -1, -1)), c
            )
            mean = mean + shift
        value = mean + torch.exp(log_scale) * torch.logit(uniform(mean))
        drawn.append(levels((value + 1) / 2, 256))
    unknown = weights.isnan().any(dim=1, keepdim=True)
    return torch.cat(drawn, dim=1).masked_fill(unknown, torch.nan) / 255


def bits_per_dimension(nats: Nats, dimensions: int) -> Nats:
    """An image's negative log-likelihood in bits for each of its values: nats / (dimensions ln 2).

    Raises:
        ValueError: no dimension.

    >>> round(bits_per_dimension(784 * math.log(2), 28 * 28), 4)
    1.0
    """
    if not isinstance(nats, Real):
        check_tensors(nats=nats)
    whole("dimensions", dimensions)
    return nats / (dimensions * math.log(2))


def _levels(loss: str, image: Tensor, number: int) -> Tensor:
    if image.dtype == torch.int64:
        check_classes("image", image, number)
        return image
    if not image.is_floating_point():
        raise ValueError(f"image: expected int64 levels or floats in [0, 1], got {image.dtype}")
    _warn(loss, image)
    return levels(image, number)


def _split(parameters: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights (N, M, H, W); means, log scales (N, C, M, H, W); couplings (N, 3, M, H, W), none for grey."""
    count = PARAMETERS.get(channels)
    if count is None:
        raise ValueError(f"channels: expected 1 or 3, got {channels}")
    if parameters.ndim != 4 or parameters.shape[1] % count or not parameters.is_floating_point():
        got = f"{tuple(parameters.shape)} {parameters.dtype}"
        raise ValueError(f"parameters: expected floating-point (N, {count} * M, H, W), got {got}")
    samples, _, height, width = parameters.shape
    rows = in_full_precision(parameters).reshape(samples, count, -1, height, width)
    last = 1 + 2 * channels
    return rows[:, 0], rows[:, 1 : 1 + channels], rows[:, 1 + channels : last], torch.tanh(rows[:, last:])


def _shift(level: Tensor, couplings: Tensor, channel: int) -> Tensor | float:
    """How far earlier channels, levels (N, C, 1, H, W), move a channel's means (N, M, H, W)."""
    value = level / 127.5 - 1
    if channel == 1:
        return couplings[:, 0] * value[:, 0]
    return couplings[:, 1] * value[:, 0] + couplings[:, 2] * value[:, 1] if channel == 2 else 0.0
