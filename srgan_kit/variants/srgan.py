"""The SRGAN formulation: an adversarial loss beside content losses (Ledig et al. 2017, arXiv:1609.04802)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant


@dataclass(frozen=True)
class SRGAN(Variant):
    """Adversarial term of eq. 6, 1e-3 of the sum; the content term (pixels, VGG features) is the task's, eq. 3."""

    comparison: Literal["none", "average", "pairs"] = "none"
    """"none" scores each image by itself; "average" is ESRGAN's relativistic critic (arXiv:1809.00219, eq. 1-2),
    "pairs" one that compares each result with its own original (arXiv:2501.05441, sec. 2)."""
    smoothing: Literal["none", "one-sided", "two-sided"] = "none"
    """Targets of the critic for real and fake images: 1 and 0, .9 and 0, or .9 and .1."""

    weights: ClassVar[Mapping[str, float]] = {"adversarial": 1e-3}
    critic_weights: ClassVar[Mapping[str, float]] = {"critic": 1.0}

    def __post_init__(self) -> None:
        if self.comparison != "none" and self.smoothing != "none":
            raise ValueError("smoothing: a relativistic critic has no labels to smooth")

    def requirements(self) -> frozenset[str]:
        """Real scores in the generator's step, where it compares."""
        return frozenset({"critic"} | ({"real_in_generator_step"} if self.comparison != "none" else set()))

    def loss(self) -> losses.AdversarialLoss:
        """The objective."""
        if self.comparison == "none":
            return losses.NonSaturating(self.smoothing)
        return losses.RelativisticAverage() if self.comparison == "average" else losses.RelativisticPairing()

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: cross entropy."""
        return {"critic": self.loss().critic_loss(real.score, fake.score)}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`adversarial`: how unreal the critic finds the images."""
        real_score = None if real is None else real.score
        return {"adversarial": self.loss().generator_loss(fake.score, real_score)}

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The logit, where each image is scored by itself and labels are not smoothed."""
        return critique.score if self.comparison == "none" and self.smoothing == "none" else None
