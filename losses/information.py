"""InfoGAN: how many nats of its latent code an image tells, bounded from below by a network Q that reads the code.

L = H(c) + E[ln Q(c | G(z, c))] <= I(c; G(z, c)), a sum over the code's dimensions, averaged over the batch. Higher is
better: the loss of the generator and of Q is its negative. Chen et al. 2016, "InfoGAN", eq. 4-5, arXiv:1606.03657

A categorical code has at most H(c) nats to tell. The differential entropy of a continuous code is no such limit.
"""

import math

import torch
from torch import Tensor

from ._settings import number, positive, whole
from ._tensors import check_classes, check_floating_point, check_tensors, in_full_precision
from .variational import gaussian_nll, sample_mean


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """Nats known of uniformly drawn categorical codes, in (-inf, ln K] for each code; 0 for a Q that knows nothing.

    Logits of Q (N, K), or (N, D, K) for D codes; code int64 classes (N,) or (N, D), or one-hot of the logits' shape
    -> scalar.

    sum over codes of (ln K + E[log_softmax(logits)[code]])

    Raises:
        ValueError: logits that are not floating-point (N, ..., K) with K >= 2, or a code of another shape or type, or
            of a class that there is not.

    >>> categorical_information(torch.tensor([[1e4, 0.0], [0.0, 1e4]]), torch.tensor([0, 1]))  # all of ln 2
    tensor(0.6931)
    """
    check_tensors(logits=logits, code=code)
    if logits.ndim < 2 or logits.shape[-1] < 2 or not logits.is_floating_point():
        raise ValueError(
            f"logits: expected floating-point (N, ..., K) with K >= 2, got {tuple(logits.shape)} {logits.dtype}"
        )
    log_q = torch.log_softmax(in_full_precision(logits), dim=-1)
    if code.shape == logits.shape and not code.is_complex():
        known = (log_q * code.to(log_q.dtype)).sum(dim=-1)
    elif code.shape == logits.shape[:-1] and code.dtype == torch.int64:
        check_classes("code", code, logits.shape[-1])
        known = log_q.gather(-1, code.unsqueeze(-1)).squeeze(-1)
    else:
        raise ValueError(
            f"code: expected int64 classes {tuple(logits.shape[:-1])} or one-hot {tuple(logits.shape)}, "
            f"got {tuple(code.shape)} {code.dtype}"
        )
    return sample_mean(known + categorical_entropy(logits.shape[-1]))


def uniform_information(mean: Tensor, code: Tensor, std: float = 1.0, low: float = -1.0, high: float = 1.0) -> Tensor:
    """Nats known of codes uniform on [low, high], by a Gaussian Q of one fixed standard deviation.

    Mean of Q and code, (N, D) of one shape -> scalar.

    D ln(high - low) + E[sum ln N(code; mean, std^2)]

    At most D (ln(high - low) - ln std - ln(2 pi) / 2): with std 1, as in the authors' experiments, the gradient is that
    of half a squared error and the value stays below -0.22 nats a dimension. For a bound near the information give the
    error that Q makes. The deviation is not learned: the NLL would fall without bound.

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point or empty, std <= 0 or high <= low.

    >>> uniform_information(torch.zeros(4, 2), torch.zeros(4, 2))  # 2 (ln 2 - 0.9189)
    tensor(-0.4516)
    """
    positive("std", std)
    check_tensors(mean=mean, code=code)
    nll = gaussian_nll(mean, code, 2 * math.log(std))
    return uniform_entropy(code[0].numel(), low, high) - nll


def gaussian_information(mean: Tensor, log_variance: Tensor, code: Tensor, smallest_std: float = 0.01) -> Tensor:
    """Nats known of codes drawn from N(0, 1), by a Gaussian Q that states its own variance.

    Mean and log variance of Q, and code, (N, D) of one shape -> scalar.

    D ln(2 pi e) / 2 + E[sum ln N(code; mean, exp(log_variance))]

    Deviations below `smallest_std` count as that: without a floor the value of a code that Q reads exactly would rise
    for ever. By default it allows 5.1 nats a dimension; below it the log variance gets no gradient.

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point or empty, or smallest_std <= 0.

    >>> gaussian_information(torch.zeros(4, 2), torch.zeros(4, 2), torch.ones(4, 2))  # the prior itself, c^2 = 1
    tensor(0.)
    """
    positive("smallest_std", smallest_std)
    check_floating_point(mean=mean, log_variance=log_variance, code=code)
    if log_variance.shape != mean.shape:
        raise ValueError(f"log_variance: expected shape {tuple(mean.shape)}, got {tuple(log_variance.shape)}")
    nll = gaussian_nll(mean, code, in_full_precision(log_variance).clamp(min=2 * math.log(smallest_std)))
    return gaussian_entropy(code[0].numel()) - nll


def categorical_entropy(classes: int, codes: int = 1) -> float:
    """H(c) in nats of uniform categorical codes: codes * ln(classes).

    Raises:
        ValueError: fewer than two classes, or no code.

    >>> round(categorical_entropy(10), 4)
    2.3026
    """
    return whole("codes", codes) * math.log(whole("classes", classes, 2))


def uniform_entropy(dimensions: int, low: float = -1.0, high: float = 1.0) -> float:
    """Differential entropy in nats of codes uniform on [low, high]: dimensions * ln(high - low).

    Raises:
        ValueError: no dimension, or high <= low.

    >>> round(uniform_entropy(2), 4)
    1.3863
    """
    if not number("high", high) > number("low", low):
        raise ValueError(f"expected low < high, got {low} and {high}")
    return whole("dimensions", dimensions) * math.log(high - low)


def gaussian_entropy(dimensions: int) -> float:
    """Differential entropy in nats of codes from N(0, 1): dimensions * ln(2 pi e) / 2.

    Raises:
        ValueError: no dimension.

    >>> round(gaussian_entropy(1), 4)
    1.4189
    """
    return whole("dimensions", dimensions) * math.log(2 * math.pi * math.e) / 2
