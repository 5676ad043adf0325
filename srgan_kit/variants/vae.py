"""The variational auto-encoder: a likelihood model without a critic (Kingma and Welling 2013, arXiv:1312.6114)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant


@dataclass(frozen=True)
class VAE(Variant):
    """Minimises -ELBO in nats: -log p(x | z) summed over the image, and the divergence of the posterior, app. B and C.

    With weights 1 and 1 their sum is a bound on -log p(x); a weight of `kl` other than 1 makes it a beta-VAE.
    """

    likelihood: Literal["bernoulli", "gaussian", "discretised-logistic"] = "gaussian"
    """Distribution of a pixel given the code: "bernoulli" for binary images, "discretised-logistic" for 256 levels."""
    std: float = 0.1
    """Standard deviation of "gaussian", scale of "discretised-logistic", for images in [0, 1]."""

    weights: ClassVar[Mapping[str, float]] = {"nll": 1.0, "kl": 1.0}

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"std: expected a positive number, got {self.std}")

    def requirements(self) -> frozenset[str]:
        """A posterior and, for binary images, logits."""
        return frozenset({"posterior"} | ({"logits"} if self.likelihood == "bernoulli" else set()))

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`nll` of the real image given a draw of its code, and `kl` of the posterior from the prior."""
        assert sample.posterior is not None
        kl = losses.gaussian_kl(sample.posterior.mean, sample.posterior.log_variance)
        return {"nll": self.nll(sample, batch.image), "kl": kl}

    def nll(self, sample: Sample, image: Tensor) -> Tensor:
        """-log p(image | code), summed over an image's values, in nats."""
        if self.likelihood == "bernoulli":
            assert sample.logits is not None
            return losses.bernoulli_nll(sample.logits, image)
        if self.likelihood == "gaussian":
            return losses.gaussian_nll(sample.paired, image, 2 * math.log(self.std))
        return losses.discretised_logistic_nll(sample.paired, image, math.log(self.std))
