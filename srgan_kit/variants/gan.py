"""The generative adversarial network (Goodfellow et al. 2014, arXiv:1406.2661) and its relatives of one score.

DCGAN (Radford et al. 2015, arXiv:1511.06434) is this system with the networks and settings of the recipe `dcgan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant

Objective = Literal[
    "non-saturating",
    "minimax",
    "least-squares",
    "hinge",
    "wasserstein",
    "relativistic-average",
    "relativistic-pairs",
]

WITH_LABELS = {
    "non-saturating": losses.NonSaturating,
    "minimax": losses.Minimax,
    "least-squares": losses.LeastSquares,
}
WITHOUT_LABELS = {
    "hinge": losses.Hinge,
    "wasserstein": losses.Wasserstein,
    "relativistic-average": losses.RelativisticAverage,
    "relativistic-pairs": losses.RelativisticPairing,
}


@dataclass(frozen=True)
class GAN(Variant):
    """Two players and one score: critic and generator minimise the objective's two sides."""

    objective: Objective = "non-saturating"
    """Which: "non-saturating" and "minimax" are sec. 3 and eq. 1 of the first paper; "wasserstein" needs a critic kept
    Lipschitz, by critic_weights.gradient_penalty or techniques.spectral_norm. The relativistic ones compare real with
    generated images: "relativistic-pairs" beside critic_weights.r1 and .r2 is R3GAN's."""
    smoothing: Literal["none", "one-sided", "two-sided"] = "none"
    """Targets of the critic for real and fake images: 1 and 0, .9 and 0, or .9 and .1."""

    weights: ClassVar[Mapping[str, float]] = {"adversarial": 1.0}
    critic_weights: ClassVar[Mapping[str, float]] = {"critic": 1.0}

    def __post_init__(self) -> None:
        self.loss()

    def requirements(self) -> frozenset[str]:
        """Real scores in the generator's step, where it compares."""
        compares = self.objective.startswith("relativistic")
        return frozenset({"critic"} | ({"real_in_generator_step"} if compares else set()))

    def loss(self) -> losses.AdversarialLoss:
        """The objective, with its labels smoothed where it has labels."""
        if self.objective in WITH_LABELS:
            return WITH_LABELS[self.objective](self.smoothing)
        if self.smoothing != "none":
            raise ValueError(f"smoothing: the objective {self.objective!r} has no labels to smooth")
        return WITHOUT_LABELS[self.objective]()

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: how well it tells real from fake."""
        return {"critic": self.loss().critic_loss(real.score, fake.score)}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`adversarial`: how unreal the critic finds the samples."""
        return {"adversarial": self.loss().generator_loss(fake.score, None if real is None else real.score)}

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The logit, where the critic minimises cross entropy without smoothed labels: D = p / (p + q) at its best."""
        cross_entropy = self.objective in ("non-saturating", "minimax")
        return critique.score if cross_entropy and self.smoothing == "none" else None
