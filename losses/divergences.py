"""The f-divergences as data: for each its function, its conjugate, and two ways to make a witness from a raw score.

D_f(P || Q) = E_Q[f(p / q)], with f convex and f(1) = 0 (but for "gan", where f(1) = -log 4). Any function T gives a
lower bound E_P[T] - E_Q[f*(T)], which is tight where T = f'(p / q). Nowozin et al. 2016, "f-GAN", sec. 2 and
tables 1, 2 and 6, arXiv:1606.00709; the table was checked again by numeric suprema (the tests do it).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ._settings import number

Function = Callable[[Tensor], Tensor]

LOG2 = math.log(2)
LARGEST_EXPONENT = 60.0
"""Scores are bounded so that exponents up to 60 are exact and larger ones grow logarithmically: exp overflows fp32 at
88.7."""


@dataclass(frozen=True)
class Witness:
    """How a raw score v, any real number, becomes the witness T and its price f*(T); T rises with v."""

    value: Function
    """v -> T, inside the domain of f*."""
    price: Function
    """v -> f*(T), in a form that does not lose digits or overflow."""
    limit: float = math.inf
    """Scores beyond +-limit grow only logarithmically, so that nothing overflows; it remains a lower bound."""


@dataclass(frozen=True)
class Divergence:
    """One row of the table."""

    function: Function
    """u -> f(u), u > 0."""
    conjugate: Function
    """t -> f*(t) = sup_u (u t - f(u))."""
    supremum: float
    """Upper end of the domain of f*; its lower end is minus infinity."""
    paper: Witness
    """The f-GAN paper's choice."""
    log_ratio: Witness
    """v = log(p / q) at the optimum: T = f'(e^v), f*(T) = e^v f'(e^v) - f(e^v). One critic serves every divergence."""


def _total_variation_conjugate(t: Tensor) -> Tensor:
    return t.clamp(min=-0.5)


def _half_tanh(v: Tensor) -> Tensor:
    return v.tanh() / 2


def _half_sign(v: Tensor) -> Tensor:
    """sign(v) / 2, which has no gradient, with the gradient of tanh(v) / 2: so a critic can be trained on it."""
    smooth = _half_tanh(v)
    return smooth + (v.sign() / 2 - smooth).detach()


def _pearson_conjugate(t: Tensor) -> Tensor:
    return torch.where(t < -2, -torch.ones_like(t), t * t / 4 + t)


def _jeffrey_log_ratio(t: Tensor) -> Tensor:
    """The s with s + 1 - e^-s = t. Newton's method rises to it from the left, because the function is concave."""
    with torch.no_grad():
        s = torch.where(t > 1, t - 1, -torch.log1p((1 - t).clamp(min=0)))
        for _ in range(10):
            s = s + (t - s - 1 + torch.exp(-s)) / (1 + torch.exp(-s))
    # One more step, for the gradient ds/dt = 1 / (1 + e^-s).
    return s + (t - s - 1 + torch.exp(-s)) / (1 + torch.exp(-s))


def _jeffrey_price(v: Tensor) -> Tensor:
    return torch.expm1(v) + v


def _log_softplus(v: Tensor) -> Tensor:
    """log softplus(v), by its series log(log(1 + x)) = log x - x / 2 + ... where x = e^v is tiny."""
    tiny = v.clamp(max=-18)  # also where it is not taken exp must not overflow: its gradient would be NaN
    return torch.where(v < -18, tiny - tiny.exp() / 2, F.softplus(v.clamp(min=-18)).log())


def _logistic(shift: float) -> Witness:
    """ "gan" with shift 0 and Jensen-Shannon with log 2: both ways are the same."""
    return Witness(lambda v: shift - F.softplus(-v), lambda v: F.softplus(v) - shift)


def _identity(v: Tensor) -> Tensor:
    return v


DIVERGENCES: dict[str, Divergence] = {
    "kl": Divergence(
        function=lambda u: u * u.log(),
        conjugate=lambda t: (t - 1).exp(),
        supremum=math.inf,
        paper=Witness(_identity, lambda v: (v - 1).exp(), LARGEST_EXPONENT),
        log_ratio=Witness(lambda v: 1 + v, torch.exp, LARGEST_EXPONENT),
    ),
    "reverse-kl": Divergence(
        function=lambda u: -u.log(),
        conjugate=lambda t: -1 - (-t).log(),
        supremum=0.0,
        paper=Witness(lambda v: -(-v).exp(), lambda v: v - 1, LARGEST_EXPONENT),
        log_ratio=Witness(lambda v: -(-v).exp(), lambda v: v - 1, LARGEST_EXPONENT),
    ),
    "pearson": Divergence(
        function=lambda u: (u - 1).square(),
        conjugate=_pearson_conjugate,
        supremum=math.inf,
        paper=Witness(_identity, _pearson_conjugate),
        log_ratio=Witness(lambda v: 2 * v.expm1(), lambda v: (2 * v).expm1(), LARGEST_EXPONENT / 2),
    ),
    "neyman": Divergence(
        function=lambda u: (1 - u).square() / u,
        conjugate=lambda t: 2 - 2 * (1 - t).sqrt(),
        supremum=1.0,
        paper=Witness(lambda v: -(-v).expm1(), lambda v: -2 * (-v / 2).expm1(), LARGEST_EXPONENT),
        log_ratio=Witness(lambda v: -(-2 * v).expm1(), lambda v: -2 * (-v).expm1(), LARGEST_EXPONENT / 2),
    ),
    "squared-hellinger": Divergence(
        function=lambda u: (u.sqrt() - 1).square(),
        conjugate=lambda t: t / (1 - t),
        supremum=1.0,
        paper=Witness(lambda v: -(-v).expm1(), torch.expm1, LARGEST_EXPONENT),
        log_ratio=Witness(lambda v: -(-v / 2).expm1(), lambda v: (v / 2).expm1(), 2 * LARGEST_EXPONENT),
    ),
    "jensen-shannon": Divergence(
        function=lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        conjugate=lambda t: -(2 - t.exp()).log(),
        supremum=LOG2,
        paper=_logistic(LOG2),
        log_ratio=_logistic(LOG2),
    ),
    "gan": Divergence(
        function=lambda u: u * u.log() - (u + 1) * (u + 1).log(),
        conjugate=lambda t: -(-t.expm1()).log(),
        supremum=0.0,
        paper=_logistic(0.0),
        log_ratio=_logistic(0.0),
    ),
    "total-variation": Divergence(
        function=lambda u: (u - 1).abs() / 2,
        conjugate=_total_variation_conjugate,
        supremum=0.5,
        paper=Witness(_half_tanh, _half_tanh),
        log_ratio=Witness(_half_sign, _half_sign),
    ),
    "jeffrey": Divergence(
        function=lambda u: (u - 1) * u.log(),
        conjugate=lambda t: _jeffrey_price(_jeffrey_log_ratio(t)),
        supremum=math.inf,
        paper=Witness(_identity, lambda v: _jeffrey_price(_jeffrey_log_ratio(v)), LARGEST_EXPONENT),
        log_ratio=Witness(lambda v: v + 1 - (-v).exp(), _jeffrey_price, LARGEST_EXPONENT),
    ),
}
"""Every divergence without a parameter, by name."""


def alpha_divergence(alpha: float) -> Divergence:
    """f(u) = (u^alpha - 1 - alpha (u - 1)) / (alpha (alpha - 1)): Pearson / 2 at 2, Neyman / 2 at -1, 2 H^2 at 1/2.

    Raises:
        ValueError: alpha is 0 or 1 (the limits "reverse-kl" and "kl") or not finite.
    """
    if number("alpha", alpha) in (0, 1):
        raise ValueError(f"alpha: expected a number but 0 (that is 'reverse-kl') and 1 ('kl'), got {alpha}")
    power = alpha / (alpha - 1)

    def conjugate(t: Tensor) -> Tensor:
        return ((t * (alpha - 1) + 1).clamp(min=0).pow(power) - 1) / alpha

    if alpha > 1:
        paper = Witness(_identity, conjugate, math.expm1(min(LARGEST_EXPONENT / power, 80)) / (alpha - 1))
    else:
        paper = Witness(
            lambda v: 1 / (1 - alpha) - F.softplus(-v),
            lambda v: (power * (math.log(1 - alpha) + _log_softplus(-v))).expm1() / alpha,
            (LARGEST_EXPONENT - max(0.0, power * math.log(1 - alpha))) / max(1.0, abs(power)),
        )
    return Divergence(
        function=lambda u: (u.pow(alpha) - 1 - alpha * (u - 1)) / (alpha * (alpha - 1)),
        conjugate=conjugate,
        supremum=1 / (1 - alpha) if alpha < 1 else math.inf,
        paper=paper,
        log_ratio=Witness(
            lambda v: ((alpha - 1) * v).expm1() / (alpha - 1),
            lambda v: (alpha * v).expm1() / alpha,
            LARGEST_EXPONENT / max(1.0, abs(alpha), abs(alpha - 1)),
        ),
    )
