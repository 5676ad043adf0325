"""The generative adversarial network with the non-saturating generator (Goodfellow et al. 2014, arXiv:1406.2661)."""

from torch import Tensor

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.losses import NonSaturating


class GAN:
    """Critic: softplus(-real) + softplus(fake). Generator: softplus(-fake), sec. 3 of the paper, in logits."""

    def __init__(self) -> None:
        self.objective = NonSaturating()

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: the discriminator's cross-entropy."""
        return {"critic": self.objective.critic_loss(real.score, fake.score)}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`adversarial`: how unreal the critic finds the samples."""
        return {"adversarial": self.objective.generator_loss(fake.score)}
