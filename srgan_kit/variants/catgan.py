"""CatGAN: the critic sorts images into classes, surely if they are real (Springenberg 2015, arXiv:1511.06390)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant
from srgan_kit.variants.labels import labelled_images


@dataclass(frozen=True)
class CatGAN(Variant):
    """Critic: sure of real images, unsure of fake ones, all classes used. Generator: the opposite on its images."""

    labels: Literal["ignored", "used"] = "ignored"
    """"ignored" clusters without supervision; "used" adds the cross entropy of the images that have a label."""

    weights: ClassVar[Mapping[str, float]] = {"categorical": 1.0}
    critic_weights: ClassVar[Mapping[str, float]] = {"critic": 1.0, "labelled": 1.0}

    def requirements(self) -> frozenset[str]:
        """A class head, and labels where they are to be used."""
        return frozenset({"critic", "class_logits"} | ({"labels"} if self.labels == "used" else set()))

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`: the entropies of eq. 7, negated; `labelled`: cross entropy, eq. 9."""
        assert real.class_logits is not None
        assert fake.class_logits is not None
        terms = {"critic": losses.CategoricalGAN().critic_loss(real.class_logits, fake.class_logits)}
        if self.labels == "used":
            taught, label = labelled_images(real, batch)
            assert taught.class_logits is not None
            terms["labelled"] = losses.labelled_cross_entropy(taught.class_logits, label)
        return terms

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`categorical`: how unsure the critic is of each image, and how unevenly they use the classes, eq. 8."""
        assert fake.class_logits is not None
        return {"categorical": losses.CategoricalGAN().generator_loss(fake.class_logits)}

    def score(self, critique: Critique) -> Tensor:
        """How sure the critic is of an image's class: minus the entropy in nats."""
        assert critique.class_logits is not None
        log_p = critique.class_logits.float().log_softmax(dim=1)
        return (log_p.exp() * log_p).sum(dim=1)

    def classifier(self, critique: Critique) -> Tensor | None:
        """The class head, where labels are used."""
        return critique.class_logits if self.labels == "used" else None
