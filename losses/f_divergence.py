"""f-GAN: train a generator to minimise any f-divergence, and measure divergences with a critic."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ._settings import one_of, shown
from ._tensors import Reduction, check_tensors, checked_reduction, reduced
from .adversarial import both_sides, logits
from .divergences import DIVERGENCES, LARGEST_EXPONENT, Divergence, Witness, alpha_divergence

Parametrisation = Literal["paper", "log-ratio"]
GeneratorStep = Literal["minimax", "alternative"]
PARAMETRISATIONS = ("paper", "log-ratio")
GENERATOR_STEPS = ("minimax", "alternative")


def divergence(name: str, alpha: float | None = None) -> Divergence:
    """The divergence of that name; "alpha" needs its parameter.

    Raises:
        ValueError: no such divergence, "alpha" without alpha or alpha with another, an alpha of 0 or 1.
    """
    if isinstance(name, str) and name == "alpha":  # pyright: ignore[reportUnnecessaryIsInstance]
        if alpha is None:
            raise ValueError("alpha: the divergence 'alpha' needs a number, got None")
        return alpha_divergence(alpha)
    one_of("divergence", name, (*DIVERGENCES, "alpha"))
    if alpha is not None:
        raise ValueError(f"alpha: only the divergence 'alpha' has one, {name!r} got {alpha}")
    return DIVERGENCES[name]


class FDivergence(nn.Module):
    """The critic measures an f-divergence from below, the generator makes it small.

    With T the witness made from the score v and f* the conjugate:

    critic:     -E[T(D(real))] + E[f*(T(D(fake)))], minus the lower bound on D_f(real || fake), in nats
    generator:  "minimax"      -E[f*(T(D(fake)))]
                "alternative"  -E[T(D(fake))], stronger where the critic is sure

    Two parametrisations of T: the paper's output activations, or "log-ratio", in which every critic aims at
    v = log(p / q), so that 0 separates real from fake and one critic can report all divergences
    (`estimate_divergence`). "total-variation" in log-ratio form is worth its step sign(v) / 2 and has the gradient of
    tanh(v) / 2. Where an exponential would overflow, beyond about |v| = 60, scores are compressed logarithmically.
    Nowozin, Cseke and Tomioka 2016, "f-GAN", eq. 4-6 and alg. 1 with sec. 3.2, arXiv:1606.00709

    Args:
        name: kl, reverse-kl, pearson, neyman, squared-hellinger, jensen-shannon (twice the usual one), gan (that minus
            log 4), total-variation, jeffrey or alpha.
        parametrisation: "paper" or "log-ratio".
        generator: "minimax" or "alternative".
        alpha: the parameter of "alpha", any number but 0 and 1.
        reduction: over the scores.

    Raises:
        ValueError: an unknown name or reduction, or a missing, needless or impossible alpha.

    >>> loss = FDivergence("kl", parametrisation="log-ratio")
    >>> loss.critic_loss(torch.zeros(4, 1), torch.zeros(4, 1))  # a ratio of 1 everywhere: no divergence
    tensor(0.)
    """

    def __init__(
        self,
        name: str,
        parametrisation: Parametrisation = "paper",
        generator: GeneratorStep = "minimax",
        alpha: float | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        row = divergence(name, alpha)
        self.name, self.alpha = name, alpha
        self.parametrisation: Parametrisation = one_of("parametrisation", parametrisation, PARAMETRISATIONS)
        self.generator: GeneratorStep = one_of("generator", generator, GENERATOR_STEPS)
        self.reduction: Reduction = checked_reduction(reduction)
        if parametrisation == "paper" and row.paper.limit < 1:
            raise ValueError(
                f"alpha: {alpha} is so close to 1 that the paper's form overflows; use 'log-ratio' or 'kl'"
            )

    @property
    def witness(self) -> Witness:
        """How a score becomes T and f*(T). Looked up at each use: its functions could not be pickled."""
        row = divergence(self.name, self.alpha)
        return row.paper if self.parametrisation == "paper" else row.log_ratio

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "name", "parametrisation", "generator", "alpha", "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Scores of any shapes -> scalar."""
        witness = self.witness
        return both_sides(-_values(witness, real_score), _prices(witness, fake_score), self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Scores of any shape -> scalar; the real scores are not used."""
        terms = _prices if self.generator == "minimax" else _values
        return reduced(-terms(self.witness, fake_score), self.reduction)


def estimate_divergence(
    name: str, log_ratio_real: Tensor, log_ratio_fake: Tensor, alpha: float | None = None
) -> tuple[Tensor, Tensor]:
    """A divergence measured with a critic's log ratios, from below: (value in nats, its standard error).

    Log ratios v ~ log(p / q), (N, ...) and (M, ...), N and M >= 2 -> two scalars. With T = f'(e^v):

    E_real[T] - E_fake[f*(T)],  error sqrt(var_real[T] / N + var_fake[f*(T)] / M)

    Scores of one image's positions are not independent, so an image's T is their mean before the variance is taken.

    Its expectation is a lower bound of the divergence for any critic, if the samples are not those it was trained on;
    it is the divergence where v = log(p / q). In one process: gather the scores before calling it.
    Nguyen, Wainwright and Jordan 2010, arXiv:0809.0853, sec. 2; Nowozin et al. 2016, eq. 4, arXiv:1606.00709

    Raises:
        ValueError: an unknown name, a missing, needless or impossible alpha, fewer than two log ratios.

    >>> value, error = estimate_divergence("kl", torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    >>> value  # mean of 1 + v over real, minus that of e^v over fake: 3 - 1
    tensor(2.)
    """
    witness = divergence(name, alpha).log_ratio
    check_tensors(log_ratio_real=log_ratio_real, log_ratio_fake=log_ratio_fake)
    if any(ratio.ndim == 0 or len(ratio) < 2 for ratio in (log_ratio_real, log_ratio_fake)):
        shapes = f"{tuple(log_ratio_real.shape)} and {tuple(log_ratio_fake.shape)}"
        raise ValueError(f"expected at least two log ratios of real and of fake samples, got {shapes}")
    values = _values(witness, log_ratio_real).reshape(len(log_ratio_real), -1).mean(dim=1)
    prices = _prices(witness, log_ratio_fake).reshape(len(log_ratio_fake), -1).mean(dim=1)
    error = (values.var() / len(values) + prices.var() / len(prices)).sqrt()
    return values.mean() - prices.mean(), error


def _values(witness: Witness, score: Tensor) -> Tensor:
    return witness.value(_bounded(logits(score), witness.limit))


def _prices(witness: Witness, score: Tensor) -> Tensor:
    return witness.price(_bounded(logits(score), witness.limit))


def _bounded(score: Tensor, limit: float) -> Tensor:
    """The score itself within +-limit, growing logarithmically beyond: still increasing, so still a witness."""
    if math.isinf(limit):
        return score
    inside = score.clamp(-limit, limit)
    excess, per_exponent = score - inside, limit / LARGEST_EXPONENT
    return inside + excess.sign() * torch.log1p(excess.abs() / per_exponent) * per_exponent
