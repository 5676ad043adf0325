"""InfoGAN: the critic reads the codes back that an image was made from (Chen et al. 2016, arXiv:1606.03657)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, CodePosterior, Codes, Critique, Sample, Variant
from srgan_kit.variants.labels import labelled_images


@dataclass(frozen=True)
class InfoGAN(Variant):
    """A GAN whose generator also maximises the information that its image carries about its codes, eq. 6."""

    information_trains: Literal["q", "critic-and-q"] = "critic-and-q"
    """What of the critic learns to read codes: its head Q alone, as eq. 6 says, or its trunk too, as the authors do."""
    continuous_std: float = 0.5
    """Standard deviation of Q for continuous codes; fixed, because the likelihood with a learned one has no bound."""
    labels: Literal["ignored", "first-code"] = "ignored"
    """"first-code": the first categorical code learns to be the class, from the images that have a label."""
    smoothing: Literal["none", "one-sided", "two-sided"] = "none"
    """Targets of the critic for real and fake images: 1 and 0, .9 and 0, or .9 and .1."""

    weights: ClassVar[Mapping[str, float]] = {"adversarial": 1.0, "categorical": 1.0, "continuous": 0.1}
    critic_weights: ClassVar[Mapping[str, float]] = {
        "critic": 1.0,
        "categorical": 1.0,
        "continuous": 0.1,
        "labelled": 1.0,
    }

    def requirements(self) -> frozenset[str]:
        """Codes; where labels are to be used, these and a code that they are."""
        of_labels = {"labels", "categorical_code"} if self.labels == "first-code" else set()
        return frozenset({"critic", "codes"} | of_labels)

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic`, and what Q does not know of the codes: `categorical`, `continuous`; of labels: `labelled`."""
        terms = {"critic": losses.NonSaturating(self.smoothing).critic_loss(real.score, fake.score)}
        terms |= self._code_terms(fake.codes, sample.codes)
        if self.labels == "first-code":
            taught, label = labelled_images(real, batch)
            assert taught.codes is not None
            terms["labelled"] = losses.labelled_cross_entropy(taught.codes.categorical[0], label)
        return terms

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`adversarial`, and minus the bound on the information in nats: `categorical`, `continuous`."""
        adversarial = losses.NonSaturating().generator_loss(fake.score)
        return {"adversarial": adversarial} | self._code_terms(fake.codes, sample.codes)

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The logit, unless labels are smoothed."""
        return critique.score if self.smoothing == "none" else None

    def classifier(self, critique: Critique) -> Tensor | None:
        """Q of the first categorical code, where that learns labels."""
        codes = critique.codes
        return codes.categorical[0] if self.labels == "first-code" and codes is not None else None

    def critic_routes(self) -> Mapping[str, str]:
        """Whether the trunk learns to read codes."""
        return {"categorical": "codes", "continuous": "codes"} if self.information_trains == "q" else {}

    def _code_terms(self, posterior: CodePosterior | None, codes: Codes | None) -> dict[str, Tensor]:
        assert posterior is not None
        assert codes is not None
        terms: dict[str, Tensor] = {}
        if posterior.categorical:
            known = [
                losses.categorical_information(logits, codes.categorical[:, number])
                for number, logits in enumerate(posterior.categorical)
            ]
            terms["categorical"] = -torch.stack(known).sum()
        if codes.continuous.shape[1]:
            terms["continuous"] = -losses.uniform_information(posterior.mean, codes.continuous, self.continuous_std)
        return terms
