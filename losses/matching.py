"""Matching statistics of two batches: the generator's images should have the real images' moments."""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ._distributed import gathered, global_mean
from ._settings import one_of, positive, whole
from ._tensors import check_tensors, in_full_precision

Features = Tensor | Sequence[Tensor]
TOTALS = ("sum", "mean")
ESTIMATES = ("biased", "unbiased")


def feature_matching(
    real_features: Features, fake_features: Features, reduction: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """Squared distance between the mean features of real and of fake images, in [0, inf).

    (N, ...) and (M, ...), or lists of such, one per layer -> scalar. The means are those of all processes' batches; the
    real features get no gradient. With reduction "mean", the mean over features, which does not grow with their number.

    sum over layers of || E f(real) - E f(fake) ||^2

    Salimans et al. 2016, "Improved Techniques for Training GANs", sec. 3.1, arXiv:1606.03498

    Raises:
        ValueError: different numbers of layers, layers of different shapes or empty, or no such reduction.

    >>> feature_matching(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [1.0]]))  # means 2 and 1
    tensor(1.)
    """
    one_of("reduction", reduction, TOTALS)
    real, fake = _layers("real_features", real_features), _layers("fake_features", fake_features)
    if len(real) != len(fake) or not real:
        raise ValueError(f"expected as many real as fake layers, at least one; got {len(real)} and {len(fake)}")
    terms: list[Tensor] = []
    for r, f in zip(real, fake, strict=True):
        _check_alike(r, f)
        squares = (_mean_feature(r.detach()) - _mean_feature(f)).square()
        terms.append(squares.sum() if reduction == "sum" else squares.mean())
    return torch.stack(terms).sum()


def moment_matching(real: Tensor, fake: Tensor, orders: int = 2) -> Tensor:
    """Squared distance between the moments of two batches, each feature by itself, in [0, inf).

    (N, ...) and (M, ...) -> scalar; real values get no gradient. Order 1 is the mean, order k >= 2 the central moment
    E[(x - E x)^k] over all processes' batches; the distances are averaged over features and summed over orders.
    Li, Swersky and Zemel 2015, "Generative moment matching networks", sec. 2, arXiv:1502.02761, whose kernel compares
    all moments: `maximum_mean_discrepancy`.

    Raises:
        ValueError: the shapes differ beyond the batch, an empty batch, or no order.

    >>> moment_matching(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [1.0]]))  # means 2, 1; variances 4, 0
    tensor(17.)
    """
    whole("orders", orders)
    _check_alike(real, fake)
    pairs = zip(_moments(real.detach(), orders), _moments(fake, orders), strict=True)
    return torch.stack([(r - f).square().mean() for r, f in pairs]).sum()


def maximum_mean_discrepancy(
    real: Tensor,
    fake: Tensor,
    bandwidths: Iterable[float] = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0),
    estimate: Literal["biased", "unbiased"] = "biased",
) -> Tensor:
    """Squared distance of two distributions in the space of a Gaussian kernel: 0 only where all moments agree.

    (N, ...) and (M, ...), flattened -> scalar; real values get no gradient. Over all processes' batches.

    Memory grows with N M times the number of values.

    E k(x, x') - 2 E k(x, y) + E k(y, y'),  k(a, b) = sum over bandwidths s of exp(-||a - b||^2 / (2 s^2))

    "biased" averages over all pairs and is >= 0; "unbiased" leaves out a sample with itself and is right on average.
    Gretton et al. 2012, "A kernel two-sample test", lemma 6; Li et al. 2015, eq. 2 and sec. 5, arXiv:1502.02761

    Raises:
        ValueError: the shapes differ beyond the batch, an empty batch, a bandwidth that is not positive, an unknown
            estimate, or a batch of one for the unbiased one.

    >>> points = torch.tensor([[0.0], [1.0]])
    >>> maximum_mean_discrepancy(points, points)
    tensor(0.)
    """
    bandwidths = _numbers("bandwidths", bandwidths)
    one_of("estimate", estimate, ESTIMATES)
    _check_alike(real, fake)
    x = gathered(in_full_precision(real.detach()), "maximum_mean_discrepancy").flatten(1)
    y = gathered(in_full_precision(fake), "maximum_mean_discrepancy").flatten(1)
    if estimate == "unbiased" and min(len(x), len(y)) < 2:
        raise ValueError(f"the unbiased estimate needs two samples of each, got {len(x)} and {len(y)}")
    within = _pair_mean(_kernel(x, x, bandwidths), estimate) + _pair_mean(_kernel(y, y, bandwidths), estimate)
    return within - 2 * _kernel(x, y, bandwidths).mean()


def _numbers(name: str, given: Iterable[float] | Tensor) -> list[float]:
    try:
        listed = [float(each) if isinstance(each, Tensor) else each for each in given]
    except TypeError:
        listed = []
    if not listed:
        raise ValueError(f"{name}: expected positive numbers, got {given!r}")
    return [positive(name, each) for each in listed]


def _moments(values: Tensor, orders: int) -> list[Tensor]:
    values = in_full_precision(values)
    mean = global_mean(values, "moment_matching")
    return [mean] + [global_mean((values - mean) ** order, "moment_matching") for order in range(2, orders + 1)]


def _mean_feature(features: Tensor) -> Tensor:
    return global_mean(in_full_precision(features), "feature_matching")


def _kernel(a: Tensor, b: Tensor, bandwidths: Sequence[float]) -> Tensor:
    squared = (a[:, None] - b[None]).square().sum(dim=2)
    return torch.stack([torch.exp(squared / (-2 * bandwidth**2)) for bandwidth in bandwidths]).sum(dim=0)


def _pair_mean(kernel: Tensor, estimate: Literal["biased", "unbiased"]) -> Tensor:
    if estimate == "biased":
        return kernel.mean()
    count = kernel.shape[0]
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))


def _layers(name: str, features: Features) -> Sequence[Tensor]:
    if not isinstance(features, Tensor | list | tuple):
        raise TypeError(f"{name}: expected a tensor or a list of tensors, got {type(features).__name__}")
    layers = [features] if isinstance(features, Tensor) else features
    for layer in layers:
        check_tensors(**{name: layer})
    return layers


def _check_alike(real: Tensor, fake: Tensor) -> None:
    check_tensors(real=real, fake=fake)
    if real.ndim < 2 or real.shape[1:] != fake.shape[1:]:
        shapes = f"{tuple(real.shape)} and {tuple(fake.shape)}"
        raise ValueError(f"expected (N, ...) and (M, ...) alike but for the batch, got {shapes}")
    if not (real.is_floating_point() and fake.is_floating_point()):
        raise ValueError(f"expected floating-point tensors, got {real.dtype} and {fake.dtype}")
