"""Critics that sort images into classes: CatGAN's entropies, and semi-supervised learning with a class "fake".

Both take the K logits of a classifier, (N, K); entropies are in nats. Means are those of the global batch.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._distributed import gathered, global_mean
from ._settings import not_negative, shown
from ._tensors import check_classes, check_tensors, in_full_precision


def entropy_from_logits(logits: Tensor) -> Tensor:
    """How unsure the classifier is of an image, on average: 0 for one certain class, ln K for none.

    (N, K) -> scalar in [0, ln K], with p = softmax(logits).

    E_N[-sum_k p_k ln p_k]

    Springenberg 2015, "Categorical generative adversarial networks", sec. 3.2, arXiv:1511.06390

    Raises:
        ValueError: not floating-point (N, K) with N >= 1 and K >= 2.

    >>> entropy_from_logits(torch.zeros(4, 10))
    tensor(2.3026)
    """
    return _entropy(_finite(_log_probabilities(logits))).mean()


def marginal_entropy(logits: Tensor) -> Tensor:
    """How evenly the batch as a whole uses the classes: 0 for one class only, ln K for all alike.

    (N, K) -> scalar in [0, ln K], over all processes' samples, of which each must bring equally many.

    -sum_k m_k ln m_k,  ln m_k = logsumexp_N(log_softmax(logits)_k) - ln N

    Estimated from N samples it is too low, by about (K - 1) / 2N where classes are certain: for K = 10 by 0.26 nats at
    N = 20, 0.045 at 100. Use large batches. Springenberg 2015, sec. 3.2, arXiv:1511.06390

    Raises:
        ValueError: not floating-point (N, K) with N >= 1 and K >= 2.

    >>> marginal_entropy(torch.tensor([[1e4, 0.0], [0.0, 1e4]]))  # each is certain, together they use both: ln 2
    tensor(0.6931)
    """
    log_p = gathered(_finite(_log_probabilities(logits)), "marginal_entropy")
    log_marginal = torch.logsumexp(log_p, dim=0) - math.log(log_p.shape[0])
    return _entropy(log_marginal)


def labelled_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Cross entropy of the samples that have a label, in [0, inf); 0 without a gradient where none has.

    Logits (N, K) and int64 labels (N,), -1 for unlabelled -> scalar, the mean over the labelled of all processes.

    -E[log_softmax(logits)[label]]

    Raises:
        ValueError: logits not floating-point (N, K), labels not int64 (N,) or not below K.

    >>> labelled_cross_entropy(torch.zeros(3, 10), torch.tensor([7, -1, -1]))
    tensor(2.3026)
    """
    log_p = _log_probabilities(logits)
    check_tensors(label=label)
    if label.shape != logits.shape[:1] or label.dtype != torch.int64:
        raise ValueError(f"label: expected int64 ({logits.shape[0]},), got {tuple(label.shape)} {label.dtype}")
    check_classes("label", label.clamp(min=0), logits.shape[1])  # unlabelled ones are negative
    labelled = label >= 0
    nll = -log_p.gather(1, label.clamp(min=0).unsqueeze(1)).squeeze(1)
    share = global_mean(labelled.to(nll.dtype), "labelled_cross_entropy")
    broken = log_p.isnan().any(dim=1)  # which counts without a label too
    seen = nll.where(labelled, torch.where(broken, torch.nan, torch.zeros_like(nll)))
    return global_mean(seen, "labelled_cross_entropy") / (share + (share == 0))


def real_logit(logits: Tensor) -> Tensor:
    """The logit of "real" in K logits of real classes, where the class "fake" has the logit 0: (N, K) -> (N,).

    logsumexp_k(logits); sigmoid of it is the share of the K classes in a softmax over all K + 1.

    Salimans et al. 2016, "Improved Techniques for Training GANs", sec. 5, arXiv:1606.03498

    Raises:
        ValueError: not floating-point (N, K) with N >= 1 and K >= 2.

    >>> real_logit(torch.zeros(1, 4))  # ln 4
    tensor([1.3863])
    """
    return torch.logsumexp(_checked(logits), dim=1)


def unlabelled_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Half the cross entropy of real against fake, in [0, inf), with `real_logit` as the critic's score.

    (N, K) and (M, K) -> scalar.

    1/2 (E[softplus(-real_logit(real))] + E[softplus(real_logit(fake))])

    Salimans et al. 2016, sec. 5, arXiv:1606.03498, where it is not halved; the authors' released code halves it.

    Raises:
        ValueError: not floating-point (N, K) with N >= 1 and K >= 2.

    >>> sure = torch.full((4, 10), -1e4)  # of fake
    >>> unlabelled_loss(-sure, sure)
    tensor(0.)
    """
    return (F.softplus(-_score(real_logits)).mean() + F.softplus(_score(fake_logits)).mean()) / 2


class CategoricalGAN(nn.Module):
    """CatGAN: the critic is sure of real images' classes and unsure of fake ones'; both players use all classes evenly.

    Critic:    E[H(p(y | real))] - H(E[p(y | real)]) - E[H(p(y | fake))] + label_weight * labelled cross entropy
    Generator: E[H(p(y | fake))] - H(E[p(y | fake)])

    In [-2 ln K, 0] without labels, and [-ln K, 0]. Springenberg 2015, sec. 3.2-3.3, arXiv:1511.06390

    Args:
        label_weight: the weight of the labelled samples.

    Raises:
        ValueError: a negative weight.

    >>> CategoricalGAN().generator_loss(torch.tensor([[1e4, 0.0], [0.0, 1e4]]))  # sure, and even: -ln 2
    tensor(-0.6931)
    """

    def __init__(self, label_weight: float = 1.0) -> None:
        super().__init__()
        self.label_weight = not_negative("label_weight", label_weight)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "label_weight")

    def critic_loss(self, real_logits: Tensor, fake_logits: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, K), (M, K) and labels of the real images, int64 (N,), -1 for unlabelled -> scalar."""
        sure = entropy_from_logits(real_logits) - marginal_entropy(real_logits) - entropy_from_logits(fake_logits)
        return sure if labels is None else sure + self.label_weight * labelled_cross_entropy(real_logits, labels)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """(N, K) -> scalar; the real logits are not used."""
        return entropy_from_logits(fake_logits) - marginal_entropy(fake_logits)


class SemiSupervised(nn.Module):
    """A classifier of K real classes and one for fake images: all real images train it, the labelled ones by class.

    Critic:    labelled cross entropy over K classes + `unlabelled_loss` of all real and fake images, in [0, inf)
    Generator: E[softplus(-real_logit(fake))], in [0, inf): fake images should be of a real class, whichever

    The generator of the paper matches features instead (`feature_matching`). Salimans et al. 2016, sec. 5,
    arXiv:1606.03498

    >>> SemiSupervised().critic_loss(torch.tensor([[1e4, 0.0]]), torch.full((1, 2), -1e4), torch.tensor([0]))
    tensor(0.)
    """

    def critic_loss(self, real_logits: Tensor, fake_logits: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, K), (M, K) and labels of the real images, int64 (N,), -1 for unlabelled -> scalar."""
        unlabelled = unlabelled_loss(real_logits, fake_logits)
        return unlabelled if labels is None else labelled_cross_entropy(real_logits, labels) + unlabelled

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """(N, K) -> scalar; the real logits are not used."""
        return F.softplus(-_score(fake_logits)).mean()


def _entropy(log_p: Tensor) -> Tensor:
    """(..., K) -> (...)."""
    return -(log_p.exp() * log_p).sum(dim=-1)


def _finite(log_p: Tensor) -> Tensor:
    """So that 0 ln 0 is 0, for a class that a logit of minus infinity rules out."""
    return log_p.clamp(min=torch.finfo(log_p.dtype).min)


def _score(logits: Tensor) -> Tensor:
    """`real_logit`, or NaN where it is infinite: such logits have no softmax, and no gradient."""
    score = real_logit(logits)
    return score * torch.where(score.isfinite(), 1, torch.nan)


def _checked(logits: Tensor) -> Tensor:
    check_tensors(logits=logits)
    if logits.ndim != 2 or logits.shape[1] < 2 or not logits.is_floating_point():
        got = f"{tuple(logits.shape)} {logits.dtype}"
        raise ValueError(f"logits: expected floating-point (N, K) with N >= 1 and K >= 2, got {got}")
    return in_full_precision(logits)


def _log_probabilities(logits: Tensor) -> Tensor:
    return torch.log_softmax(_checked(logits), dim=1)
