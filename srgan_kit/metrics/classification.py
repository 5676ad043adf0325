"""How often a classifier is wrong: one that learned labels, and one that made up its classes by itself."""

import torch
from torch import Tensor


def error_rate(logits: Tensor, label: Tensor) -> float:
    """The fraction of the labelled images whose most probable class is not their label, in [0, 1].

    (N, K) logits and (N,) int64, -1 = unlabelled, at least one labelled.

    Raises:
        ValueError: no image has a label, or the numbers of images differ.

    >>> error_rate(torch.tensor([[3.0, 0.0], [2.0, 1.0], [0.0, 9.0]]), torch.tensor([0, 1, -1]))
    0.5
    """
    logits, label = _labelled(logits, label, at_least=1)
    return (logits.argmax(dim=1) != label).double().mean().item()


def cluster_error(logits: Tensor, label: Tensor) -> float:
    """The error rate of a classifier whose classes have no names: each is named after its images' most frequent label.

    (N, K) logits and (N,) int64, -1 = unlabelled, at least two labelled; best many times K. The 1st, 3rd, ... labelled
    image names the classes, the 2nd, 4th, ... are classified; a class that none of the first chose names nothing.
    Springenberg 2015, "Categorical generative adversarial networks", arXiv:1511.06390

    Raises:
        ValueError: fewer than two images have a label, or the numbers of images differ.

    >>> clusters = torch.tensor([[0.0, 9.0], [0.0, 9.0], [9.0, 0.0], [9.0, 0.0]])
    >>> cluster_error(clusters, torch.tensor([5, 5, 2, 3]))
    0.5
    """
    logits, label = _labelled(logits, label, at_least=2)
    named = cluster_names(logits[::2], label[::2])
    return (named[logits[1::2].argmax(dim=1)] != label[1::2]).double().mean().item()


def cluster_names(logits: Tensor, label: Tensor) -> Tensor:
    """The most frequent label of the images that choose each class, (K,) int64; -1 where none with a label does.

    (N, K) logits and (N,) int64, -1 = unlabelled, at least one labelled.

    Raises:
        ValueError: no image has a label, or the numbers of images differ.

    >>> cluster_names(torch.tensor([[0.0, 9.0, 0.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0]]), torch.tensor([5, 5, 2]))
    tensor([ 2,  5, -1])
    """
    logits, label = _labelled(logits, label, at_least=1)
    votes = torch.zeros(logits.shape[1], int(label.max()) + 1, dtype=torch.int64, device=logits.device)
    votes.index_put_((logits.argmax(dim=1), label), torch.ones_like(label), accumulate=True)
    most, name = votes.max(dim=1)
    return name.where(most > 0, -1)


def _labelled(logits: Tensor, label: Tensor, at_least: int) -> tuple[Tensor, Tensor]:
    if logits.dim() != 2 or label.shape != logits.shape[:1]:
        got = f"{tuple(logits.shape)} and {tuple(label.shape)}"
        raise ValueError(f"expected logits (N, K) and labels (N,), got {got}")
    known = label >= 0
    if int(known.sum()) < at_least:
        raise ValueError(f"expected at least {at_least} labelled images, got {int(known.sum())} of {len(label)}")
    return logits[known], label[known]
