"""Adversarial losses on raw critic scores: for each, the pure functions and a class with one method per player.

Every class has `critic_loss(real_score, fake_score)` and `generator_loss(fake_score, real_score=None)`, so that one can
take another's place, in a `ModuleDict` too. Scores are logits of any shape, one per image or one per position; results
are to be minimised, in fp32 at least: scalars, or with reduction "none" of the scores' shape, the critic's real and
fake term at each place added. Losses that compare real with fake are in `relativistic.py`, f-divergences in
`f_divergence.py`, energies in `energy.py`.
"""

from typing import Literal, Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from ._settings import one_of, shown
from ._tensors import Reduction, check_tensors, checked_reduction, in_full_precision, reduced, with_nan_gradients

Smoothing = Literal["none", "one-sided", "two-sided"]

LABELS: dict[str, tuple[float, float]] = {"none": (1.0, 0.0), "one-sided": (0.9, 0.0), "two-sided": (0.9, 0.1)}
"""What the critic is told of real and of fake images. One-sided smoothing leaves the fake label at 0: the optimal
critic is then .9 p / (p + q), while a smoothed fake label would draw it towards the generator's own mistakes (Salimans
et al. 2016, "Improved Techniques for Training GANs", sec. 3.4, arXiv:1606.03498)."""


class AdversarialLoss(Protocol):
    """What the objectives on scores of a critic (discriminator) offer; those on class logits take labels too."""

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """The critic's loss: real images should score high, fake ones low (`EnergyMargin`: the other way round)."""
        ...

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """The generator's loss: fake images should score high. Only losses that compare need the real scores."""
        ...


def binary_critic(
    real_score: Tensor,
    fake_score: Tensor,
    real_label: float = 1.0,
    fake_label: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross entropy of the critic as a classifier of real and fake, in [0, inf); 2 log 2 where it knows nothing.

    Logits of any shapes -> scalar. With c(v, y) = y softplus(-v) + (1 - y) softplus(v) = -log of the probability of y:

    E[c(D(real), real_label)] + E[c(D(fake), fake_label)]

    Goodfellow et al. 2014, "Generative Adversarial Nets", eq. 1, arXiv:1406.2661

    Raises:
        ValueError: a label outside [0, 1], scores that are not floating-point, or an unknown reduction.

    >>> import torch
    >>> binary_critic(torch.zeros(4, 1), torch.zeros(4, 1))
    tensor(1.3863)
    """
    return both_sides(_cross_entropy(real_score, real_label), _cross_entropy(fake_score, fake_label), reduction)


def non_saturating_generator(fake_score: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Cross entropy of fake images with the label "real", in [0, inf): strong gradients where the critic is sure.

    Logits of any shape -> scalar.

    E[softplus(-D(fake))] = -E[log sigmoid(D(fake))]

    Goodfellow et al. 2014, "Generative Adversarial Nets", sec. 3, arXiv:1406.2661; SRGAN's eq. 6 but for its sum over
    images (Ledig et al. 2017, arXiv:1609.04802)

    >>> import torch
    >>> non_saturating_generator(torch.zeros(4, 1))
    tensor(0.6931)
    """
    return reduced(F.softplus(-logits(fake_score)), reduction)


def minimax_generator(fake_score: Tensor, reduction: Reduction = "mean") -> Tensor:
    """What the critic loses on fake images, negated, in (-inf, 0]: gradients vanish where the critic is sure.

    Logits of any shape -> scalar.

    -E[softplus(D(fake))] = E[log(1 - sigmoid(D(fake)))]

    Goodfellow et al. 2014, "Generative Adversarial Nets", eq. 1, arXiv:1406.2661

    >>> import torch
    >>> minimax_generator(torch.zeros(4, 1))
    tensor(-0.6931)
    """
    return reduced(-F.softplus(logits(fake_score)), reduction)


class Minimax(nn.Module):
    """`binary_critic` for the critic and `minimax_generator` for the generator: the zero-sum game of the first paper.

    Args:
        smoothing: the critic's labels, by name: see `LABELS`.
        reduction: over the scores.

    Raises:
        ValueError: no such smoothing or reduction.

    >>> import torch
    >>> Minimax().generator_loss(torch.zeros(4, 1))
    tensor(-0.6931)
    """

    def __init__(self, smoothing: Smoothing = "none", reduction: Reduction = "mean") -> None:
        super().__init__()
        self.smoothing: Smoothing = smoothing
        self.real_label, self.fake_label = labels(smoothing)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "smoothing", "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Logits of any shapes -> scalar."""
        return binary_critic(real_score, fake_score, self.real_label, self.fake_label, self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar; the real scores are not used."""
        return minimax_generator(fake_score, self.reduction)


class NonSaturating(nn.Module):
    """`binary_critic` for the critic and `non_saturating_generator` for the generator.

    Args:
        smoothing: the critic's labels, by name: see `LABELS`.
        reduction: over the scores.

    Raises:
        ValueError: no such smoothing or reduction.

    >>> import torch
    >>> NonSaturating().generator_loss(torch.zeros(4, 1))
    tensor(0.6931)
    """

    def __init__(self, smoothing: Smoothing = "none", reduction: Reduction = "mean") -> None:
        super().__init__()
        self.smoothing: Smoothing = smoothing
        self.real_label, self.fake_label = labels(smoothing)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "smoothing", "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Logits of any shapes -> scalar."""
        return binary_critic(real_score, fake_score, self.real_label, self.fake_label, self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar; the real scores are not used."""
        return non_saturating_generator(fake_score, self.reduction)


class LeastSquares(nn.Module):
    """Half the squared distance of scores from labels: gradients that grow with the distance, on either side.

    Critic: 1/2 E[(D(real) - b)^2] + 1/2 E[(D(fake) - a)^2]; generator: 1/2 E[(D(fake) - 1)^2], with b = 1 and a = 0
    where labels are not smoothed. In [0, inf). Mao et al. 2017, "Least Squares GANs", eq. 9, arXiv:1611.04076

    Args:
        smoothing: the critic's labels b and a, by name: see `LABELS`.

    Raises:
        ValueError: no such smoothing.

    >>> import torch
    >>> LeastSquares().critic_loss(torch.ones(4, 1), torch.ones(4, 1))
    tensor(0.5000)
    """

    def __init__(self, smoothing: Smoothing = "none", reduction: Reduction = "mean") -> None:
        super().__init__()
        self.smoothing: Smoothing = smoothing
        self.real_label, self.fake_label = labels(smoothing)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "smoothing", "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Scores of any shapes -> scalar."""
        real, fake = logits(real_score) - self.real_label, logits(fake_score) - self.fake_label
        return both_sides(real.square() / 2, fake.square() / 2, self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Scores of any shape -> scalar; the real scores are not used."""
        return reduced((logits(fake_score) - 1).square() / 2, self.reduction)


class Hinge(nn.Module):
    """The critic learns only from scores within the margin; the generator raises its score without end.

    Critic: E[relu(1 - D(real))] + E[relu(1 + D(fake))], in [0, inf); generator: -E[D(fake)].
    Lim and Ye 2017, "Geometric GAN", sec. 3, arXiv:1705.02894

    >>> import torch
    >>> Hinge().critic_loss(torch.ones(4, 1), torch.zeros(4, 1))
    tensor(1.)
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Scores of any shapes -> scalar."""
        return both_sides(F.relu(1 - logits(real_score)), F.relu(1 + logits(fake_score)), self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Scores of any shape -> scalar; the real scores are not used."""
        return reduced(-logits(fake_score), self.reduction)


class Wasserstein(nn.Module):
    """Difference of mean scores: the earth mover's distance, if the critic is kept 1-Lipschitz by other means.

    Critic: E[D(fake)] - E[D(real)]; generator: -E[D(fake)]. Any real number. Keep the critic 1-Lipschitz with
    `gradient_penalty` or spectral normalisation. Arjovsky et al. 2017, "Wasserstein GAN", eq. 2, arXiv:1701.07875

    >>> import torch
    >>> Wasserstein().critic_loss(torch.ones(4, 1), torch.zeros(4, 1))
    tensor(-1.)
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Scores of any shapes -> scalar."""
        return both_sides(-logits(real_score), logits(fake_score), self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Scores of any shape -> scalar; the real scores are not used."""
        return reduced(-logits(fake_score), self.reduction)


def both_sides(real: Tensor, fake: Tensor, reduction: Reduction) -> Tensor:
    """A critic's two terms, each reduced by itself, together.

    Raises:
        ValueError: no such reduction, or "none" for other numbers of real than of fake terms.
    """
    if reduction == "none" and real.shape != fake.shape:
        shapes = f"{tuple(real.shape)} and {tuple(fake.shape)}"
        raise ValueError(f"reduction: 'none' needs real and fake scores of one shape, got {shapes}")
    return reduced(real, reduction) + reduced(fake, reduction)


def logits(score: Tensor) -> Tensor:
    """The scores in fp32 at least.

    Raises:
        TypeError: they are not a tensor.
        ValueError: they are not floating-point, or there are none.
    """
    check_tensors(score=score)
    if not score.is_floating_point():
        raise ValueError(f"expected floating-point scores, got {tuple(score.shape)} {score.dtype}")
    return with_nan_gradients(in_full_precision(score))


def labels(smoothing: Smoothing) -> tuple[float, float]:
    """(real, fake) labels of that name."""
    return LABELS[one_of("smoothing", smoothing, LABELS)]


def _cross_entropy(score: Tensor, label: float) -> Tensor:
    if not 0 <= label <= 1:
        raise ValueError(f"label: expected a number in [0, 1], got {label}")
    values = logits(score)
    if label in (0, 1):  # one softplus: an infinite score times 0 would be NaN
        return F.softplus(-values if label else values)
    return label * F.softplus(-values) + (1 - label) * F.softplus(values)
