"""f-GAN: the generator minimises an f-divergence that the critic estimates (Nowozin et al. 2016, arXiv:1606.00709)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant

Name = Literal[
    "kl",
    "reverse-kl",
    "pearson",
    "neyman",
    "squared-hellinger",
    "jensen-shannon",
    "gan",
    "total-variation",
    "jeffrey",
    "alpha",
]


@dataclass(frozen=True)
class FGAN(Variant):
    """Critic: the variational bound, eq. 4 and 6, negated. Generator: its second half, or the paper's alternative."""

    divergence: Name = "jensen-shannon"
    """Which divergence."""
    parametrisation: Literal["paper", "log-ratio"] = "log-ratio"
    """The paper's output activations (table 6), or scores that aim at log(p / q), with which the run reports the
    measured divergence in nats."""
    generator: Literal["minimax", "alternative"] = "alternative"
    """The generator's step: the bound itself, or sec. 3.2's with stronger gradients."""
    alpha: float | None = None
    """The parameter of "alpha"."""

    weights: ClassVar[Mapping[str, float]] = {"adversarial": 1.0}
    critic_weights: ClassVar[Mapping[str, float]] = {"critic": 1.0}

    def __post_init__(self) -> None:
        self.loss()

    def loss(self) -> losses.FDivergence:
        """The bound."""
        return losses.FDivergence(self.divergence, self.parametrisation, self.generator, self.alpha)

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: minus the lower bound on the divergence."""
        return {"critic": self.loss().critic_loss(real.score, fake.score)}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`adversarial`: what the generator can change of it."""
        return {"adversarial": self.loss().generator_loss(fake.score)}

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The score, by construction, with the parametrisation "log-ratio"."""
        return critique.score if self.parametrisation == "log-ratio" else None

    def divergences(self) -> Mapping[str, float | None]:
        """The one that is minimised, and the three that every f-GAN can be compared by."""
        return {"jensen-shannon": None, "kl": None, "reverse-kl": None, self.divergence: self.alpha}
