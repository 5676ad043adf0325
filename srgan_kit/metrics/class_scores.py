"""What a classifier says of generated images: whether each is one of the classes, and all together all of them."""

import math

import torch
from torch import Tensor


def inception_score(logits: Tensor) -> float:
    """exp of the information that an image gives about its class, in [1, K]: K for sure images of all classes alike.

    (N, K) logits of a classifier, N >= 1, K >= 2. The name is that of the network that it was proposed with.

    exp(E_x KL(p(y|x) || p(y))), p(y) = E_x p(y|x)
    Salimans et al. 2016, "Improved techniques for training GANs", arXiv:1606.03498, sec. 4

    Raises:
        ValueError: not (N, K) logits.
    """
    each, mean = _log_probabilities(logits)
    return math.exp((each.exp() * (each - mean)).sum(dim=1).mean().item())


def modified_inception_score(logits: Tensor) -> float:
    """I' of EBGAN, in [0, inf): 0 for images that all look alike to the classifier, or all of them like nothing.

    (N, K) logits of a classifier, N >= 1, K >= 2. It has no largest value: it grows with how sure the classifier is,
    so only values of one classifier compare, and real images show what it can be.

    E_x KL(p(y) || p(y|x)), p(y) = E_x p(y|x)
    Zhao et al. 2016, "Energy-based GAN", arXiv:1609.03126, sec. 4.1

    Raises:
        ValueError: not (N, K) logits.
    """
    each, mean = _log_probabilities(logits)
    return (mean.exp() * (mean - each)).sum(dim=1).mean().item()


def _log_probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log p(y|x), (N, K), and log p(y), (K,), in float64."""
    if logits.dim() != 2 or not len(logits) or logits.shape[1] < 2:
        raise ValueError(f"expected logits (N, K) with N >= 1 and K >= 2, got {tuple(logits.shape)}")
    each = torch.log_softmax(logits.detach().double(), dim=1)
    return each, torch.logsumexp(each, dim=0) - math.log(len(each))
