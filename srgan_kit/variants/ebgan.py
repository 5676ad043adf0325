"""Energy-based GAN: the critic is an auto-encoder, its score an energy (Zhao et al. 2016, arXiv:1609.03126)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant


@dataclass(frozen=True)
class EBGAN(Variant):
    """The critic reconstructs real images well and fake ones badly, up to a margin; eq. 1-2 and sec. 2.4."""

    margin: float = 10.0
    """Energy beyond which a fake image is bad enough. It depends on the size of energies: in the paper 10 for MNIST, 20
    and 80 for larger photographs."""

    weights: ClassVar[Mapping[str, float]] = {"energy": 1.0, "pulling_away": 0.1}
    critic_weights: ClassVar[Mapping[str, float]] = {"critic": 1.0}

    def __post_init__(self) -> None:
        losses.EnergyMargin(self.margin)

    def requirements(self) -> frozenset[str]:
        """A critic that reconstructs, with its code."""
        return frozenset({"critic", "autoencoder"})

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: the energy of real images, and what fake ones lack to the margin."""
        return {"critic": losses.EnergyMargin(self.margin).critic_loss(real.score, fake.score)}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`energy` of the samples, and `pulling_away`: how alike the critic's codes of them are."""
        assert fake.embedding is not None
        energy = losses.EnergyMargin(self.margin).generator_loss(fake.score)
        return {"energy": energy, "pulling_away": losses.pulling_away(fake.embedding)}

    def score(self, critique: Critique) -> Tensor:
        """Minus the energy."""
        return -critique.score
