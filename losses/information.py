"""InfoGAN: a lower bound on what an image tells about the code that it was made from, in nats.

I(c; x) >= L_I = H(c) + E[log Q(c | x)], with Q the critic's guess of the code. Each function gives L_I itself, which is
never above H(c) for classes: maximise it, that is, use its negative as the loss of whoever trains Q and the generator.
Chen et al. 2016, "InfoGAN", eq. 4-5, arXiv:1606.03657
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ._tensors import in_full_precision

LOG_2_PI = math.log(2 * math.pi)
GAUSSIAN_ENTROPY = (LOG_2_PI + 1) / 2
"""H of one code from N(0, 1), in nats."""


def categorical_entropy(classes: int) -> float:
    """H(c) = log K of one uniform code of K classes, in nats.

    Raises:
        ValueError: fewer than 1 class.

    >>> round(categorical_entropy(10), 4)
    2.3026
    """
    if classes < 1:
        raise ValueError(f"classes: expected 1 or more, got {classes}")
    return math.log(classes)


def uniform_entropy(low: float = -1.0, high: float = 1.0) -> float:
    """H(c) = log(high - low) of one code uniform on [low, high], in nats.

    Raises:
        ValueError: high is not above low.

    >>> round(uniform_entropy(), 4)
    0.6931
    """
    if not high > low:
        raise ValueError(f"expected low < high, got {low} and {high}")
    return math.log(high - low)


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """The bound for a uniform categorical code, in (-inf, log K] nats; 0 where Q knows nothing.

    Logits (N, K), code (N,) int64 classes or (N, K) one-hot -> scalar.

    log K + E[log softmax(logits)[code]]

    Raises:
        ValueError: shapes that do not fit, logits that are not floating-point.

    >>> categorical_information(torch.zeros(1, 4), torch.tensor([2]))
    tensor(0.)
    """
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(f"expected floating-point logits (N, K), got {tuple(logits.shape)} {logits.dtype}")
    log_probability = F.log_softmax(in_full_precision(logits), dim=1)
    if code.shape == logits.shape:
        given = (log_probability * code).sum(dim=1)
    elif code.shape == logits.shape[:1] and code.dtype == torch.int64:
        given = log_probability.gather(1, code[:, None])[:, 0]
    else:
        expected = f"({logits.shape[0]},) int64 or {tuple(logits.shape)} one-hot"
        raise ValueError(f"expected a code {expected}, got {tuple(code.shape)} {code.dtype}")
    return categorical_entropy(logits.shape[1]) + given.mean()


def uniform_information(mean: Tensor, code: Tensor, std: float = 1.0, low: float = -1.0, high: float = 1.0) -> Tensor:
    """The bound for codes uniform on [low, high], with Q a Gaussian of fixed standard deviation, in nats.

    (N, D) twice -> scalar: sum over the D codes, mean over the batch. As the deviation is not learned, it is at most
    D (log(high - low) - log(std sqrt(2 pi))), which a learned deviation would raise without end.

    D log(high - low) + E[sum_d log N(code_d; mean_d, std^2)]

    Raises:
        ValueError: shapes that do not fit, std not positive, high not above low.

    >>> uniform_information(torch.zeros(1, 1), torch.ones(1, 1))  # log 2 - log(2 pi) / 2 - 1 / 2
    tensor(-0.7258)
    """
    if not std > 0:
        raise ValueError(f"std: expected a positive number, got {std}")
    error = _error(mean, code) / std
    density = -(error.square() + LOG_2_PI) / 2 - math.log(std)
    return (uniform_entropy(low, high) + density).sum(dim=1).mean()


def gaussian_information(mean: Tensor, log_variance: Tensor, code: Tensor, least_std: float = 0.01) -> Tensor:
    """The bound for codes from N(0, 1), with Q a Gaussian of learned mean and variance, in nats.

    (N, D) three times -> scalar: sum over the D codes, mean over the batch.

    D log(2 pi e) / 2 + E[sum_d log N(code_d; mean_d, exp(log_variance_d))]

    A code that can be read without error carries infinitely many nats, and the likelihood of a learned variance has no
    upper bound; so the deviation is not let below `least_std`, which bounds it by D (1/2 - log least_std).

    Raises:
        ValueError: shapes that do not fit, least_std not positive.

    >>> gaussian_information(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1))
    tensor(0.5000)
    """
    if not least_std > 0:
        raise ValueError(f"least_std: expected a positive number, got {least_std}")
    error = _error(mean, code)
    if log_variance.shape != mean.shape:
        raise ValueError(f"expected a log variance {tuple(mean.shape)}, got {tuple(log_variance.shape)}")
    bounded = in_full_precision(log_variance).clamp(min=2 * math.log(least_std), max=60.0)
    density = -(error.square() * torch.exp(-bounded) + bounded + LOG_2_PI) / 2
    return (GAUSSIAN_ENTROPY + density).sum(dim=1).mean()


def _error(mean: Tensor, code: Tensor) -> Tensor:
    if mean.shape != code.shape or mean.ndim != 2:
        raise ValueError(f"expected a mean and a code (N, D) alike, got {tuple(mean.shape)} and {tuple(code.shape)}")
    return in_full_precision(code) - in_full_precision(mean)
