"""How diverse, sharp and evenly spread over classes generated images are, and whether they copy the training set."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from srgan_kit import losses


def pairwise_diversity(images: Tensor) -> float:
    """Mean root-mean-square distance between two different images: 0 for a collapsed generator.

    (N, C, H, W), float in [0, 1] or uint8, N >= 2 -> at most 1. Its cost grows with N^2: a few hundred images do.

    2 / (N(N-1)) * sum_{i<j} sqrt(mean (x_i - x_j)^2)

    Raises:
        ValueError: fewer than two images.
    """
    rows = _rows(images, at_least=2)
    return F.pdist(rows).mean().item() / math.sqrt(rows.shape[1])


def sharpness(images: Tensor) -> float:
    """Mean over images of the Laplacian's variance: 0 without detail, 20 s^2 for white noise of variance s^2.

    (N, C, H, W), float in [0, 1] or uint8, N >= 1, sides of 3 or more; of the mean of the channels, inside the border.

    Noise is sharp too: 1 in the ratio to real images is the aim, not more.

    Var(4 x(i, j) - x(i-1, j) - x(i+1, j) - x(i, j-1) - x(i, j+1))
    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy: a comparative study"

    Raises:
        ValueError: no images, or smaller than 3x3.
    """
    if images.dim() != 4 or not len(images) or min(images.shape[2:]) < 3:
        raise ValueError(f"sharpness: expected (N, C, H, W) with N >= 1 and sides >= 3, got {tuple(images.shape)}")
    grey = _unit(images).mean(dim=1)
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return (4 * grey[:, 1:-1, 1:-1] - neighbours).var(dim=(1, 2), correction=0).mean().item()


def ratio_to_real(measure: Callable[[Tensor], float], generated: Tensor, real: Tensor) -> float:
    """`pairwise_diversity` or `sharpness` of generated images over that of real ones: 1 is as diverse, as sharp.

    Both (N, C, H, W), not necessarily equally many.

    Raises:
        ValueError: the real images have none of it, or not enough images.
    """
    reference = measure(real)
    if not reference:
        raise ValueError("ratio_to_real: the real images measure 0")
    return measure(generated) / reference


@dataclass(frozen=True)
class ClassUsage:
    """Which classes a classifier sees in a set of images."""

    share: Tensor
    """(K,) float64, summing to 1: mean probability of each class."""
    entropy: float
    """Entropy of the shares, in nats: 0 for one class only, ln K for all alike."""


def class_usage(logits: Tensor) -> ClassUsage:
    """How a set of images is spread over the classes: (N, K) logits of a classifier, N >= 1 and K >= 2.

    share_k = mean_N softmax(logits)_k. From few samples the entropy is too low, see `losses.marginal_entropy`.

    Raises:
        ValueError: not (N, K) logits.
    """
    logits = logits.detach().double()
    return ClassUsage(logits.softmax(dim=1).mean(dim=0), losses.marginal_entropy(logits).item())


def nearest_training_distance(generated: Tensor, training: Tensor, chunk: int = 4096) -> tuple[Tensor, Tensor]:
    """How far each generated image is from the nearest training image, and which that is: 0 is a copy.

    (N, C, H, W) and (M, C, H, W), float in [0, 1] or uint8, M >= 1 -> (N,) float64 in [0, 1] and (N,) int64. Compare
    with what held-out images score: a generator that is much nearer has learned images by heart. Memory is that of
    `chunk` training images as floats.

    min_m sqrt(mean (x - t_m)^2)

    Raises:
        ValueError: no training images, or of another shape.
    """
    if generated.shape[1:] != training.shape[1:] or not len(training):
        shapes = f"{tuple(generated.shape)} and {tuple(training.shape)}"
        raise ValueError(f"nearest_training_distance: expected images of one shape, at least one each, got {shapes}")
    wanted = _rows(generated, at_least=0)
    best = torch.full((len(wanted),), torch.inf, dtype=torch.float64, device=wanted.device)
    index = torch.zeros(len(wanted), dtype=torch.int64, device=wanted.device)
    for start in range(0, len(training), chunk):
        some = _rows(training[start : start + chunk], at_least=1).to(wanted.device)
        # |t|^2 - 2 x.t orders the training images as |x - t|^2 does, by one matrix product
        nearest = (some.square().sum(dim=1) - 2 * wanted @ some.T).argmin(dim=1)
        distance = (wanted - some[nearest]).square().mean(dim=1).sqrt()
        index = torch.where(distance < best, start + nearest, index)
        best = torch.minimum(best, distance)
    return best, index


def _unit(images: Tensor) -> Tensor:
    """float64 in [0, 1]."""
    return images.double() / 255 if images.dtype == torch.uint8 else images.detach().double()


def _rows(images: Tensor, at_least: int) -> Tensor:
    """(N, C * H * W) float64."""
    if len(images) < at_least:
        raise ValueError(f"expected at least {at_least} images, got {len(images)}")
    return _unit(images).flatten(1)
