"""Energy-based GAN: the critic is an auto-encoder, its score the energy of an image: how badly it is reconstructed."""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._distributed import gathered
from ._settings import one_of, positive, shown
from ._tensors import Reduction, check_tensors, checked_reduction, difference, in_full_precision, reduced
from .adversarial import both_sides, logits

EnergyForm = Literal["euclidean", "mean-square"]
FORMS = ("euclidean", "mean-square")


def reconstruction_energy(image: Tensor, reconstruction: Tensor, form: EnergyForm = "euclidean") -> Tensor:
    """How far each image is from its reconstruction, in [0, inf); gradients reach both.

    Two (N, ...) of one shape, any range -> (N,).

    - "euclidean":    ||reconstruction - image||, over all of a sample's elements; its gradient is 0 at 0
    - "mean-square":  mean (reconstruction - image)^2, which does not grow with the size of the image

    Zhao et al. 2016, "Energy-based GAN", eq. 5, arXiv:1609.03126

    Raises:
        ValueError: the shapes differ, no batch dimension, not floating-point, or no such form.

    >>> reconstruction_energy(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
    tensor([5.])
    """
    check_tensors(image=image, reconstruction=reconstruction)
    one_of("form", form, FORMS)
    if image.ndim < 2:
        raise ValueError(f"expected images (N, ...), got {tuple(image.shape)}")
    residual = difference(reconstruction, image).flatten(1)
    if form == "euclidean":
        # All derivatives are 0 at 0, where those of a root, and the second one of a norm, are NaN.
        square = residual.square().sum(dim=1)
        return square.masked_fill(square == 0, 1).sqrt().masked_fill(square == 0, 0)
    return residual.square().mean(dim=1)


class EnergyMargin(nn.Module):
    """The critic lowers the energy of real images and raises that of each fake one up to a margin.

    critic:  E[E_real] + E[relu(margin - E_fake)], in [0, inf)        generator:  E[E_fake]

    Scores are energies, (N,) or any shape: low is real, unlike in the other losses. The margin holds for each sample,
    not for their mean. Zhao et al. 2016, eq. 1-2, arXiv:1609.03126; with "euclidean" energies the paper takes margins
    of 10 (MNIST), 20 (CelebA) and 80 (LSUN).

    Args:
        margin: the energy beyond which a fake image counts no more.
        reduction: over the scores.

    Raises:
        ValueError: the margin is not positive, or an unknown reduction.

    >>> EnergyMargin(2.0).critic_loss(torch.tensor([1.0]), torch.tensor([0.5]))
    tensor(2.5000)
    """

    def __init__(self, margin: float, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.margin = positive("margin", margin)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "margin", "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Energies of any shapes -> scalar."""
        return both_sides(logits(real_score), F.relu(self.margin - logits(fake_score)), self.reduction)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Energies of any shape -> scalar; the real ones are not used."""
        return reduced(logits(fake_score), self.reduction)


def pulling_away(embedding: Tensor) -> Tensor:
    """Mean squared cosine similarity between different rows, in [0, 1]: 1 for a collapsed batch, ~1/D for random rows.

    (N, D) -> scalar, N >= 2 in all processes together; rows of zeros are orthogonal to all.

    1 / (N (N - 1)) sum_{i != j} cos(e_i, e_j)^2

    Zhao et al. 2016, sec. 2.4, arXiv:1609.03126, on the critic's code of fake images, for the generator only.

    Raises:
        ValueError: not (N, D), one row only, or not floating-point.

    >>> pulling_away(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])), pulling_away(torch.eye(2))
    (tensor(1.), tensor(0.))
    """
    check_tensors(embedding=embedding)
    if embedding.ndim != 2 or not embedding.is_floating_point():
        raise ValueError(f"expected a floating-point (N, D), got {tuple(embedding.shape)} {embedding.dtype}")
    with torch.autocast(embedding.device.type, enabled=False):
        rows = gathered(in_full_precision(embedding), "pulling_away")
        count = rows.shape[0]
        if count < 2:
            raise ValueError(f"pulling_away: expected at least two rows to compare, got {tuple(embedding.shape)}")
        # A cosine does not depend on the scale of its rows, so that may be a constant, which keeps the digits. What has
        # a gradient is one product of the rows, whose diagonal, 1 or (for rows of zeros) 0, is their squared lengths.
        largest = rows.detach().abs().amax(dim=1, keepdim=True)
        rows = rows / torch.where(largest > 0, largest, 1)  # else squares of tiny or huge entries leave fp32's range
        lengths = cast(Tensor, torch.linalg.vector_norm(rows.detach(), dim=1, keepdim=True))  # pyright: ignore
        scaled = rows / lengths.clamp(min=1)
        products = scaled @ scaled.T
        squared = products.diagonal()
        squares = products.square() / (squared[:, None] * squared).clamp(min=0.5)
        others = squares.sum() - squares.diagonal().sum()
    return others / (count * (count - 1))
