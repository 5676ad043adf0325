"""Relativistic losses: a critic that says how much more real one image is than another, or than the average other."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ._distributed import gathered
from ._settings import one_of, shown
from ._tensors import Reduction, checked_reduction, reduced
from .adversarial import both_sides, logits

Form = Literal["logistic", "least-squares", "hinge"]


def _square_to_one(score: Tensor) -> Tensor:
    return (score - 1).square()


def _hinge(score: Tensor) -> Tensor:
    return F.relu(1 - score)


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "logistic": lambda score: F.softplus(-score),
    "least-squares": _square_to_one,
    "hinge": _hinge,
}
"""What a score costs that should be high; with the score negated, what one costs that should be low."""


class _Relativistic(nn.Module):
    """What both kinds have in common: who is compared with whom, and which way round."""

    def __init__(self, form: Form = "logistic", reduction: Reduction = "mean") -> None:
        super().__init__()
        self.form: Form = one_of("form", form, FORMS)
        self.reduction: Reduction = checked_reduction(reduction)

    def extra_repr(self) -> str:
        """The settings."""
        return shown(self, "form", "reduction")

    def critic_loss(self, real_score: Tensor, fake_score: Tensor) -> Tensor:
        """Scores -> scalar: real ones should be higher."""
        return self._compare(higher=real_score, lower=fake_score)

    def generator_loss(self, fake_score: Tensor, real_score: Tensor | None = None) -> Tensor:
        """Scores -> scalar: fake ones should be higher; the real scores are needed."""
        if real_score is None:
            raise ValueError("real_score: a relativistic loss compares with real scores, got None")
        return self._compare(higher=fake_score, lower=real_score)

    @abstractmethod
    def _compare(self, higher: Tensor, lower: Tensor) -> Tensor:
        """What the scores cost that should be higher and lower than the others."""


class RelativisticAverage(_Relativistic):
    """Real images should score above the average fake one, and fake ones below the average real one.

    With r = D(real) - E[D(fake)], f = D(fake) - E[D(real)], and h the chosen form (logistic: softplus(-s);
    least-squares: (s - 1)^2; hinge: relu(1 - s)):

    critic:  E[h(r)] + E[h(-f)]        generator:  E[h(-r)] + E[h(f)]

    In [0, inf). The averages are those of all processes' batches, and gradients flow through both of them, for either
    player. Jolicoeur-Martineau 2018, "The relativistic discriminator", sec. 4 and app. A, arXiv:1807.00734; ESRGAN
    (Wang et al. 2018, arXiv:1809.00219, eq. 1-2) is the logistic form. Processes must bring equally many scores.

    Args:
        form: "logistic", "least-squares" or "hinge".
        reduction: over the scores; the averages stay averages.

    Raises:
        ValueError: no such form or reduction; from `generator_loss`, no real scores.

    >>> import torch
    >>> RelativisticAverage().critic_loss(torch.full((4, 1), 7.0), torch.full((4, 1), 7.0))  # equal: it cannot tell
    tensor(1.3863)
    """

    def _compare(self, higher: Tensor, lower: Tensor) -> Tensor:
        cost, high, low = FORMS[self.form], logits(higher), logits(lower)
        return both_sides(cost(high - _average(low)), cost(_average(high) - low), self.reduction)


class RelativisticPairing(_Relativistic):
    """Each real image should score above one fake image, and each fake one, for the generator, above one real one.

    With h the chosen form (logistic: softplus(-s); least-squares: (s - 1)^2; hinge: relu(1 - s)):

    critic:  E h(D(real) - D(fake))        generator:  E h(D(fake) - D(real))

    In [0, inf). The pairs are those of the same place in the batch, in super-resolution an image and its own original.
    A critic that is right about every pair has nothing left to learn, however far apart the pairs are; with
    `r1_penalty` and `r2_penalty` the logistic form is that of R3GAN. Jolicoeur-Martineau 2018, "The relativistic
    discriminator", sec. 4, arXiv:1807.00734; Huang et al. 2024, "The GAN is dead; long live the GAN!", sec. 2,
    arXiv:2501.05441

    Args:
        form: "logistic", "least-squares" or "hinge".
        reduction: over the pairs.

    Raises:
        ValueError: no such form or reduction; scores of different shapes; from `generator_loss`, no real scores.

    >>> import torch
    >>> RelativisticPairing().critic_loss(torch.full((4, 1), 7.0), torch.full((4, 1), 7.0))  # equal: it cannot tell
    tensor(0.6931)
    """

    def _compare(self, higher: Tensor, lower: Tensor) -> Tensor:
        high, low = logits(higher), logits(lower)
        if high.shape != low.shape:
            shapes = f"{tuple(high.shape)} and {tuple(low.shape)}"
            raise ValueError(f"relativistic pairs need real and fake scores of one shape, got {shapes}")
        return reduced(FORMS[self.form](high - low), self.reduction)


def _average(score: Tensor) -> Tensor:
    return gathered(score.mean().reshape(1), "RelativisticAverage").mean()
