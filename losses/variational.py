"""Variational auto-encoders: the divergence from the prior, likelihoods of images, and bounds on log p(x).

All are in nats: summed over a sample's elements, averaged over the batch; the likelihoods take reduction "none" for one
of each sample, (N,). A log variance or log scale may be a tensor of the mean's shape, a number, or a tensor without
dimensions (a learned constant).
"""

import math
from numbers import Real
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ._range import RangeWarning
from ._settings import one_of, whole
from ._tensors import check_floating_point, check_tensors, difference, in_full_precision
from .batch_parts import drawn_for_batch

OverSamples = Literal["mean", "none"]
"""What becomes of the samples of a batch."""
_warn = RangeWarning()
SMALLEST_LOG_SCALE = -7.0 - math.log(2)
"""The floor of a logistic's log scale on [0, 1], about a ninth of a level: -7 on [-1, 1], as in PixelCNN++'s code."""


def gaussian_kl(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor | float = 0.0, prior_log_variance: Tensor | float = 0.0
) -> Tensor:
    """Kullback-Leibler divergence of a diagonal Gaussian from a second one, by default N(0, I); in [0, inf).

    (N, ...), twice -> scalar. With log variances l and m, means mu and nu:

    1/2 sum(exp(l - m) + (mu - nu)^2 exp(-m) - 1 - (l - m))

    Kingma and Welling 2013, "Auto-Encoding Variational Bayes", app. B, arXiv:1312.6114

    Raises:
        ValueError: the shapes differ, or a tensor is not floating-point or empty.

    >>> gaussian_kl(torch.full((4, 2), 1.0), torch.zeros(4, 2))  # twice 1/2
    tensor(1.)
    """
    check_tensors(mean=mean)
    prior_log_variance = _scale_like(mean, prior_log_variance, "prior_log_variance")
    shift = difference(mean, _scale_like(mean, prior_mean, "prior_mean").expand_as(mean))
    ratio = _scale_like(mean, log_variance, "log_variance") - prior_log_variance
    # expm1: exp(l) - 1 - l loses all its digits near l = 0, where a posterior that ignores the image ends.
    return sample_mean((torch.expm1(ratio) - ratio + shift.square() * torch.exp(-prior_log_variance)) / 2)


def reparameterise(
    mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None, batch_dim: int = 0
) -> Tensor:
    """A sample of the Gaussian through which gradients reach its mean and log variance.

    Two tensors of one shape -> a sample of that shape, in the mean's type. `batch_dim` is the dimension of the images,
    whose rows are drawn as for the whole batch (`batch_part`): 1 for several draws (K, N, D).

    mean + exp(log_variance / 2) * e,  e ~ N(0, I)

    Kingma and Welling 2013, sec. 2.4, arXiv:1312.6114. With a generator of its own it cannot be compiled by torch.

    Raises:
        ValueError: the shapes differ, a tensor is not floating-point, or there is no such dimension.

    >>> reparameterise(torch.ones(1, 2), torch.full((1, 2), -1e4))  # no variance
    tensor([[1., 1.]])
    """
    check_tensors(mean=mean)
    if whole("batch_dim", batch_dim, 0) >= max(1, mean.ndim):
        raise ValueError(f"batch_dim: expected a dimension of {tuple(mean.shape)}, got {batch_dim}")
    centre, spread = in_full_precision(mean), torch.exp(_scale_like(mean, log_variance, "log_variance") / 2)

    def standard_normal(batch: Tensor) -> Tensor:
        return torch.randn(batch.shape, generator=generator, dtype=batch.dtype, device=batch.device)

    noise = drawn_for_batch(centre, standard_normal, dim=batch_dim)
    return (centre + spread * noise).to(mean.dtype)


def bernoulli_nll(logits: Tensor, target: Tensor, reduction: OverSamples = "mean") -> Tensor:
    """Negative log-likelihood of binary pixels, in [0, inf); grey targets count as probabilities.

    Logits (N, ...), target in [0, 1] of that shape -> scalar.

    sum(softplus(logits) - target * logits)

    Kingma and Welling 2013, app. C.1, arXiv:1312.6114

    Raises:
        ValueError: the shapes differ, or a tensor is not floating-point or empty.

    >>> bernoulli_nll(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2))  # 4 ln 2
    tensor(2.7726)
    """
    check_same(logits, target, "logits")
    _warn("bernoulli_nll", target)
    logits, target = in_full_precision(logits), in_full_precision(target)
    values = F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")
    return over_samples(values, reduction)


def gaussian_nll(
    mean: Tensor, target: Tensor, log_variance: Tensor | float = 0.0, reduction: OverSamples = "mean"
) -> Tensor:
    """Negative log-density of a diagonal Gaussian: any real number.

    (N, ...), two of one shape -> scalar.

    1/2 sum((target - mean)^2 exp(-log_variance) + log_variance + ln(2 pi))

    A learned log variance makes it unbounded below where the mean can match the target exactly, and overflows below
    about -80: bound it in the network. Kingma and Welling 2013, app. C.2, arXiv:1312.6114

    Raises:
        ValueError: the shapes differ, or a tensor is not floating-point or empty.

    >>> gaussian_nll(torch.zeros(4, 1), torch.zeros(4, 1))  # 1/2 ln(2 pi)
    tensor(0.9189)
    """
    check_same(mean, target)
    log_variance = _scale_like(mean, log_variance, "log_variance")
    squared = difference(mean, target).square()
    return over_samples((squared * torch.exp(-log_variance) + log_variance + math.log(2 * math.pi)) / 2, reduction)


def discretised_logistic_nll(
    mean: Tensor, target: Tensor, log_scale: Tensor | float, reduction: OverSamples = "mean"
) -> Tensor:
    """Negative log-probability of 256 grey levels, each the logistic mass of its bin; in [0, inf).

    Mean and target on [0, 1], (N, ...) of one shape, in `gaussian_nll`'s order -> scalar. With s = exp(log_scale), at
    least e^-7.69:

    -sum ln(sigmoid((x + 1/510 - mean) / s) - sigmoid((x - 1/510 - mean) / s))

    for x the level nearest to the target; level 0 takes all mass below it, level 255 all above it. Exact for every
    scale and distance. Kingma et al. 2016, "Inverse Autoregressive Flow", appendix, arXiv:1606.04934; Salimans et al.
    2017, "PixelCNN++", sec. 2.1, arXiv:1701.05517

    Raises:
        ValueError: the shapes differ, or a tensor is not floating-point or empty.

    >>> discretised_logistic_nll(torch.zeros(1, 1), torch.zeros(1, 1), -20.0) < 0.02  # nearly all mass on level 0
    tensor(True)
    """
    check_same(mean, target)
    _warn("discretised_logistic_nll", target)
    level = levels(target, 256)
    log_scale = _scale_like(mean, log_scale, "log_scale")
    return over_samples(-discretised_logistic_log_probability(in_full_precision(mean), log_scale, level), reduction)


def discretised_logistic_log_probability(mean: Tensor, log_scale: Tensor, level: Tensor) -> Tensor:
    """What `discretised_logistic_nll` sums: ln P(level) of each element; levels 0 to 255, shapes that broadcast."""
    log_scale = log_scale.clamp(min=SMALLEST_LOG_SCALE)
    precision = torch.exp(-log_scale)
    above = ((level + 0.5) / 255 - mean) * precision
    below = ((level - 0.5) / 255 - mean) * precision
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - e^-(a - b)): no difference of nearly equal numbers.
    log_width = -log_scale - math.log(255)
    wide = torch.log(-torch.expm1(-torch.exp(log_width.clamp(min=-10))))
    mass = torch.where(log_width > -10, wide, log_width - torch.exp(log_width) / 2)
    lower_tail, upper_tail = F.logsigmoid(above), F.logsigmoid(-below)
    return torch.where(level <= 0, lower_tail, torch.where(level >= 255, upper_tail, lower_tail + upper_tail + mass))


def negative_elbo(nll: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """The loss of a variational auto-encoder: the likelihood term plus the posterior's divergence from N(0, I).

    A scalar such as `bernoulli_nll`'s, and the posterior (N, D) twice -> scalar, an upper bound of -E[ln p(x)].

    nll + gaussian_kl(mean, log_variance)

    Kingma and Welling 2013, eq. 10, arXiv:1312.6114

    Raises:
        ValueError: the shapes of the posterior differ, the likelihood is not one number, or a tensor is empty or not
            floating-point.

    >>> negative_elbo(torch.tensor(90.0), torch.full((4, 2), 1.0), torch.zeros(4, 2))
    tensor(91.)
    """
    check_floating_point(nll=nll)
    if nll.numel() > 1:
        raise ValueError(f"nll: expected the mean over the batch, one number, got {tuple(nll.shape)}")
    return in_full_precision(nll) + gaussian_kl(mean, log_variance)


def iwae_bound(log_weights: Tensor) -> Tensor:
    """The importance-weighted lower bound of ln p(x): the ELBO for K = 1, tighter with every sample. Higher is better.

    (K, N), ln(p(x, z_k) / q(z_k | x)) of K samples for each image, in nats -> scalar, the mean over the images.

    E_N[ln(1/K sum_k exp(log_weights_k))]

    Burda, Grosse and Salakhutdinov 2015, "Importance Weighted Autoencoders", sec. 3, arXiv:1509.00519

    Raises:
        ValueError: not two dimensions, empty, or not floating-point.

    >>> iwae_bound(torch.tensor([[0.0], [math.log(3.0)]]))  # ln((1 + 3) / 2)
    tensor(0.6931)
    """
    check_tensors(log_weights=log_weights)
    if log_weights.ndim != 2 or not log_weights.is_floating_point():
        got = f"{tuple(log_weights.shape)} {log_weights.dtype}"
        raise ValueError(f"log_weights: expected floating-point (K, N), at least one of each; got {got}")
    weights = in_full_precision(log_weights)
    return (torch.logsumexp(weights, dim=0) - math.log(weights.shape[0])).mean()


def importance_log_weights(log_likelihood: Tensor, code: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """How much each draw of the posterior N(mean, exp(log_variance)) counts for p(x), in logarithms; prior N(0, I).

    ln p(x | z_k) of each draw and image, (K, N); the draws z_k, (K, N, D); the posterior (N, D), twice -> (K, N).

    ln p(x | z_k) + ln p(z_k) - ln q(z_k | x)

    Burda, Grosse and Salakhutdinov 2015, sec. 3, arXiv:1509.00519

    Raises:
        ValueError: shapes that do not fit, or a tensor that is not floating-point or empty.

    >>> importance_log_weights(torch.full((2, 1), -3.0), torch.ones(2, 1, 4), torch.zeros(1, 4), torch.zeros(1, 4))
    tensor([[-3.],
            [-3.]])
    """
    check_floating_point(log_likelihood=log_likelihood, code=code, mean=mean, log_variance=log_variance)
    shapes = [tuple(each.shape) for each in (log_likelihood, code, mean, log_variance)]
    if len(shapes[1]) != 3 or not code.numel() or shapes != [shapes[1][:2], shapes[1], shapes[1][1:], shapes[1][1:]]:
        raise ValueError(f"expected (K, N), (K, N, D), (N, D) and (N, D), got {', '.join(map(str, shapes))}")
    log_likelihood, code, mean, log_variance = map(in_full_precision, (log_likelihood, code, mean, log_variance))
    noise = (code - mean).square() * torch.exp(-log_variance)
    return log_likelihood + (noise + log_variance - code.square()).sum(dim=2) / 2


def learned_similarity(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Reconstruction error in a critic's features, in [0, inf): a Gaussian's log-density but for its constant.

    (N, ...), two of one shape -> scalar.

    1/2 sum((real - fake)^2)

    Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", eq. 7, arXiv:1512.09300

    Raises:
        ValueError: the shapes differ, or a tensor is not floating-point or empty.

    >>> learned_similarity(torch.zeros(2, 8), torch.ones(2, 8))
    tensor(4.)
    """
    check_tensors(real_features=real_features, fake_features=fake_features)
    return sample_mean(difference(real_features, fake_features).square() / 2)


def sample_mean(values: Tensor) -> Tensor:
    """The sum over each sample's elements, averaged over the batch: (N, ...) -> scalar.

    Raises:
        ValueError: no batch dimension, or empty.
    """
    if values.ndim == 0 or values.numel() == 0:
        raise ValueError(f"expected a batch (N, ...) of at least one element, got {tuple(values.shape)}")
    return values.sum() / values.shape[0]


def over_samples(values: Tensor, reduction: OverSamples) -> Tensor:
    """The sum over each sample's elements: the mean over the batch, or with "none" each of them, (N, ...) -> (N,).

    Raises:
        ValueError: no batch dimension, empty, or no such reduction.
    """
    if one_of("reduction", reduction, ("mean", "none")) == "mean":
        return sample_mean(values)
    if values.ndim == 0:
        raise ValueError("expected a batch (N, ...), got a tensor without dimensions")
    return values.reshape(values.shape[0], -1).sum(dim=1)


def levels(image: Tensor, number: int) -> Tensor:
    """[0, 1] -> the nearest of `number` grey levels, whole floating-point numbers; values outside count as 0 or 1."""
    return (in_full_precision(image) * (number - 1)).round().clamp(0, number - 1)


def check_same(prediction: Tensor, target: Tensor, name: str = "mean") -> None:
    """Raises TypeError or ValueError unless both are floating-point tensors of one shape, and not empty."""
    check_tensors(**{name: prediction, "target": target})
    difference(prediction, target)


def _scale_like(mean: Tensor, value: Tensor | float, name: str) -> Tensor:
    """One number, or a tensor of the mean's shape, as a tensor in fp32 at least."""
    if not mean.is_floating_point():
        raise ValueError(f"expected a floating-point mean, got {mean.dtype}")
    if not isinstance(value, Tensor):
        if not isinstance(value, Real):
            raise TypeError(f"{name}: expected a number or a tensor, got {type(value).__name__}")
        value = torch.tensor(value, dtype=torch.promote_types(mean.dtype, torch.float32), device=mean.device)
    check_tensors(**{name: value})
    if not value.is_floating_point() or (value.ndim > 0 and value.shape != mean.shape):
        got = f"{tuple(value.shape)} {value.dtype}"
        raise ValueError(
            f"{name}: expected one number or a floating-point tensor of shape {tuple(mean.shape)}, got {got}"
        )
    return in_full_precision(value)
