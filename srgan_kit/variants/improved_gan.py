"""Improved GAN: a classifier with one more class, "fake", learns from few labels.

Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498. The paper's other techniques combine
with every system: see `training/techniques.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant
from srgan_kit.variants.labels import labelled_images


@dataclass(frozen=True)
class ImprovedGAN(Variant):
    """Critic: K + 1 classes, sec. 5. Generator: the mean features of real images, sec. 3.1."""

    layer: int = -1
    """Which of the critic's feature maps is matched; -1 is the deepest."""

    weights: ClassVar[Mapping[str, float]] = {"feature_matching": 1.0}
    critic_weights: ClassVar[Mapping[str, float]] = {"labelled": 1.0, "unlabelled": 1.0}

    def requirements(self) -> frozenset[str]:
        """Labels for some images, a class head, and features of real images."""
        return frozenset({"critic", "labels", "class_logits", "features", "real_in_generator_step"})

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`labelled`: cross entropy of the images that have a label; `unlabelled`: real against fake."""
        assert real.class_logits is not None
        assert fake.class_logits is not None
        taught, label = labelled_images(real, batch)
        assert taught.class_logits is not None
        return {
            "labelled": losses.labelled_cross_entropy(taught.class_logits, label),
            "unlabelled": losses.unlabelled_loss(real.class_logits, fake.class_logits),
        }

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`feature_matching`: squared distance of the batches' mean features."""
        assert real is not None
        matched = losses.feature_matching(real.feature(self.layer), fake.feature(self.layer), reduction="mean")
        return {"feature_matching": matched}

    def score(self, critique: Critique) -> Tensor:
        """The logit of "real" among K + 1 classes."""
        assert critique.class_logits is not None
        return losses.real_logit(critique.class_logits)

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The logit of "real" too: the term `unlabelled` is its cross entropy."""
        return self.score(critique)

    def classifier(self, critique: Critique) -> Tensor | None:
        """The class head."""
        return critique.class_logits
