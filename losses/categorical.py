"""Critics that classify: CatGAN's entropies, and the K + 1 classes of semi-supervised GANs."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ._distributed import gathered
from ._tensors import in_full_precision


def entropy_from_logits(logits: Tensor) -> Tensor:
    """Mean over the batch of the entropy of each prediction, in [0, log K] nats: 0 where every one is sure.

    (N, K) -> scalar.    E_x[H[p(y | x)]],  H[p] = -sum_y p(y) log p(y)

    Springenberg 2015, "CatGAN", sec. 3.1, arXiv:1511.06390

    Raises:
        ValueError: not floating-point (N, K).

    >>> entropy_from_logits(torch.zeros(2, 4))  # log 4
    tensor(1.3863)
    """
    log_probability = _log_probability(logits)
    return -(log_probability.exp() * log_probability).sum(dim=1).mean()


def marginal_entropy(logits: Tensor) -> Tensor:
    """Entropy of the mean prediction, in [0, log K] nats: log K where all classes are used equally.

    (N, K) -> scalar; the mean is that over all processes' batches.    H[E_x p(y | x)]

    Of N samples it is too low on average, by about (K - 1) / (2 N) where predictions are sure: use large batches.
    Springenberg 2015, sec. 3.1, arXiv:1511.06390

    Raises:
        ValueError: not floating-point (N, K).

    >>> marginal_entropy(torch.tensor([[100.0, 0.0], [0.0, 100.0]]))  # sure of either class, once: log 2
    tensor(0.6931)
    """
    log_probability = gathered(_log_probability(logits))
    log_mean = torch.logsumexp(log_probability, dim=0) - math.log(log_probability.shape[0])
    return -(log_mean.exp() * log_mean).sum()


def labelled_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross entropy of the labelled samples only, in [0, inf); 0, with no gradient, where none is labelled.

    Logits (N, K), label (N,) int64, -1 = unlabelled -> scalar: the mean over the labelled samples.

    Raises:
        ValueError: shapes that do not fit, labels that are not int64.

    >>> labelled_cross_entropy(torch.zeros(3, 4), torch.tensor([1, -1, -1]))
    tensor(1.3863)
    """
    log_probability = _log_probability(logits)
    if label.shape != logits.shape[:1] or label.dtype != torch.int64:
        raise ValueError(f"expected labels ({logits.shape[0]},) int64, got {tuple(label.shape)} {label.dtype}")
    labelled = label >= 0
    given = log_probability.gather(1, label.clamp(min=0)[:, None])[:, 0]
    return -torch.where(labelled, given, 0).sum() / labelled.sum().clamp(min=1)


class CategoricalGAN:
    """A critic that sorts real images into K classes, surely and evenly, and is at a loss about fake ones.

    critic:     E_real H[p(y|x)] - H[E_real p(y|x)] - E_fake H[p(y|x)]  (+ cross entropy of labelled images)
    generator:  E_fake H[p(y|x)] - H[E_fake p(y|x)]

    Logits (N, K), scalars out. Springenberg 2015, "Unsupervised and Semi-supervised Learning with Categorical
    Generative Adversarial Networks", eq. 7-9, arXiv:1511.06390

    >>> loss = CategoricalGAN()
    >>> loss.generator_loss(torch.tensor([[100.0, 0.0], [0.0, 100.0]]))  # sure, and even: 0 - log 2
    tensor(-0.6931)
    """

    def __init__(self, labelled_weight: float = 1.0) -> None:
        self.labelled_weight = labelled_weight

    def critic_terms(self, real_logits: Tensor, fake_logits: Tensor, label: Tensor | None = None) -> dict[str, Tensor]:
        """The critic's terms by name, unweighted; `labelled` only where labels (N,), -1 = unlabelled, are given."""
        terms = {
            "real_entropy": entropy_from_logits(real_logits),
            "marginal": -marginal_entropy(real_logits),
            "fake_entropy": -entropy_from_logits(fake_logits),
        }
        if label is not None:
            terms["labelled"] = labelled_cross_entropy(real_logits, label)
        return terms

    def critic_loss(self, real_logits: Tensor, fake_logits: Tensor, label: Tensor | None = None) -> Tensor:
        """The sum of the critic's terms, the labelled one times its weight."""
        terms = self.critic_terms(real_logits, fake_logits, label)
        weights = {"labelled": self.labelled_weight}
        return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()

    def generator_terms(self, fake_logits: Tensor) -> dict[str, Tensor]:
        """The generator's terms by name, unweighted."""
        return {"fake_entropy": entropy_from_logits(fake_logits), "marginal": -marginal_entropy(fake_logits)}

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """The sum of the generator's terms."""
        return torch.stack(list(self.generator_terms(fake_logits).values())).sum()


def real_logit(logits: Tensor) -> Tensor:
    """Logit of "real" from a classifier of K classes, the fake class's logit being fixed at 0: (N, K) -> (N,).

    log sum_k exp(logits_k).  Salimans et al. 2016, arXiv:1606.03498, sec. 5

    >>> real_logit(torch.zeros(1, 4))  # four classes against one: log 4
    tensor([1.3863])
    """
    _log_probability(logits)
    return torch.logsumexp(in_full_precision(logits), dim=1)


class SemiSupervised:
    """A classifier of K real classes and, with its logit fixed at 0, one of fake images.

    With z(x) = log sum_k exp(logits_k), so that p(real | x) = sigmoid(z):

    critic:  CE(labelled) + 1/2 (E_real softplus(-z) + E_fake softplus(z))

    Logits (N, K), scalars out. Salimans et al. 2016, "Improved Techniques for Training GANs", sec. 5, arXiv:1606.03498,
    whose generator is trained by `feature_matching`; `generator_loss` is the non-saturating alternative.

    >>> loss = SemiSupervised()
    >>> loss.critic_loss(torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([0, -1]))  # one class: log 2
    tensor(0.6931)
    """

    def critic_terms(self, real_logits: Tensor, fake_logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The critic's terms by name, unweighted; label (N,), -1 = unlabelled."""
        real, fake = F.softplus(-real_logit(real_logits)).mean(), F.softplus(real_logit(fake_logits)).mean()
        return {"labelled": labelled_cross_entropy(real_logits, label), "unlabelled": (real + fake) / 2}

    def critic_loss(self, real_logits: Tensor, fake_logits: Tensor, label: Tensor) -> Tensor:
        """The sum of the critic's terms."""
        terms = self.critic_terms(real_logits, fake_logits, label)
        return terms["labelled"] + terms["unlabelled"]

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """E_fake softplus(-z): fake images should look like some real class."""
        return F.softplus(-real_logit(fake_logits)).mean()


def _log_probability(logits: Tensor) -> Tensor:
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(f"expected floating-point logits (N, K), got {tuple(logits.shape)} {logits.dtype}")
    return F.log_softmax(in_full_precision(logits), dim=1)
