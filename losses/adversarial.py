"""Adversarial losses on raw critic scores: for each, the pure functions and a class with one method per player.

Every class has `critic_loss(real_score, fake_score)` and `generator_loss(fake_score, real_score=None)`, so that one can
take another's place. Scores are logits of any shape, one per image or one per position; results are scalars to be
minimised.
"""

from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from ._tensors import in_full_precision


class AdversarialLoss(Protocol):
    """What every class of this file offers."""

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """The critic's loss: real images should score high, fake ones low."""
        ...

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """The generator's loss: fake images should score high. Only losses that compare need the real scores."""
        ...


def binary_critic(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Cross entropy of the critic as a classifier of real and fake, in [0, inf); 2 log 2 where it knows nothing.

    Logits of any shapes -> scalar, in fp32 at least.

    E[softplus(-D(real))] + E[softplus(D(fake))] = -E[log sigmoid(D(real))] - E[log(1 - sigmoid(D(fake)))]

    Goodfellow et al. 2014, "Generative Adversarial Nets", eq. 1, arXiv:1406.2661

    >>> import torch
    >>> binary_critic(torch.zeros(4, 1), torch.zeros(4, 1))
    tensor(1.3863)
    """
    return F.softplus(-in_full_precision(real_score)).mean() + F.softplus(in_full_precision(fake_score)).mean()


def non_saturating_generator(fake_score: Tensor) -> Tensor:
    """Cross entropy of fake images with the label "real", in [0, inf): strong gradients where the critic is sure.

    Logits of any shape -> scalar, in fp32 at least.

    E[softplus(-D(fake))] = -E[log sigmoid(D(fake))]

    Goodfellow et al. 2014, "Generative Adversarial Nets", sec. 3, arXiv:1406.2661; SRGAN's eq. 6 but for its sum over
    images (Ledig et al. 2017, arXiv:1609.04802)

    >>> import torch
    >>> non_saturating_generator(torch.zeros(4, 1))
    tensor(0.6931)
    """
    return F.softplus(-in_full_precision(fake_score)).mean()


class NonSaturating:
    """`binary_critic` for the critic and `non_saturating_generator` for the generator.

    >>> import torch
    >>> NonSaturating().generator_loss(torch.zeros(4, 1))
    tensor(0.6931)
    """

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Logits of any shapes -> scalar."""
        return binary_critic(real_score, fake_score)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar; the real scores are not used."""
        return non_saturating_generator(fake_score)
