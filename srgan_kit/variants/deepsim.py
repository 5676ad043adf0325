"""DeePSiM: images from features, trained by a comparator, a critic and their pixels (Dosovitskiy and Brox 2016)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Updates, Variant


@dataclass(frozen=True)
class DeePSiM(Variant):
    """Feature + adversarial + image loss, eq. 1-5 of arXiv:1602.02644, with a critic that also sees the condition.

    The feature loss is the task's term `perceptual`, on the frozen comparator of the recipe. With a posterior, as in
    the paper's variational auto-encoder, the generator minimises its divergence from the prior too.
    """

    pause_below: float = 0.1
    """The critic pauses once (its loss on real and fake) / (the generator's adversarial loss) falls below this, ..."""
    resume_above: float = 0.5
    """... until it is above this."""
    generator_pause_above: float = 10.0
    """The generator pauses while the ratio is above this."""

    weights: ClassVar[Mapping[str, float]] = {"perceptual": 1.0, "adversarial": 0.1, "image": 0.01, "kl": 1e-3}
    critic_weights: ClassVar[Mapping[str, float]] = {"critic": 1.0}

    def __post_init__(self) -> None:
        if not self.pause_below < self.resume_above < self.generator_pause_above:
            order = f"{self.pause_below}, {self.resume_above}, {self.generator_pause_above}"
            raise ValueError(f"expected pause_below < resume_above < generator_pause_above, got {order}")

    def requirements(self) -> frozenset[str]:
        """A comparator, and images with partners."""
        return frozenset({"critic", "paired", "comparator"})

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: cross entropy, eq. 4."""
        return {"critic": losses.NonSaturating().critic_loss(real.score, fake.score)}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`adversarial`, eq. 3, and `image`: half the squared distance summed over the image, eq. 5; `kl`."""
        terms = {
            "adversarial": losses.NonSaturating().generator_loss(fake.score),
            "image": losses.learned_similarity(batch.image, sample.paired),
        }
        if sample.posterior is not None:
            terms["kl"] = losses.gaussian_kl(sample.posterior.mean, sample.posterior.log_variance)
        return terms

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The logit."""
        return critique.score

    def next_updates(self, critic: Mapping[str, float], generator: Mapping[str, float], before: Updates) -> Updates:
        """Keeps the players in balance: sec. 3.3 of the paper."""
        ratio = critic["critic"] / max(generator["adversarial"], 1e-12)
        critic_plays = ratio > self.pause_below if before.critic else ratio > self.resume_above
        generator_plays = ratio <= self.generator_pause_above
        return Updates(critic=critic_plays, encoder=generator_plays, decoder=generator_plays)
