"""The variational auto-encoder: a likelihood model without a critic (Kingma and Welling 2013, arXiv:1312.6114)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Gaussian, PosteriorDraws, Sample, Variant


@dataclass(frozen=True)
class VAE(Variant):
    """Minimises -ELBO in nats: -log p(x | z) summed over the image, and the divergence of the posterior, app. B and C.

    With weights 1 and 1 their sum is a bound on -log p(x); a weight of `kl` other than 1 makes it a beta-VAE. With
    several draws of the code it minimises the tighter bound of importance-weighted auto-encoders (Burda et al. 2015,
    arXiv:1509.00519, sec. 3), which is one term.
    """

    likelihood: Literal["bernoulli", "gaussian", "discretised-logistic"] = "gaussian"
    """Distribution of a pixel given the code: "bernoulli" for binary images, "discretised-logistic" for 256 levels."""
    std: float = 0.1
    """Standard deviation of "gaussian", scale of "discretised-logistic", for images in [0, 1]."""

    samples: int = 1
    """Draws of the code for each image, k of the second paper: 1 for the ELBO, more for the tighter bound."""

    weights: ClassVar[Mapping[str, float]] = {"nll": 1.0, "kl": 1.0}
    bounds_likelihood: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(f"std: expected a positive number, got {self.std}")
        if self.samples < 1:
            raise ValueError(f"samples: expected at least 1, got {self.samples}")
        if self.samples > 1:  # one term in the place of two
            object.__setattr__(self, "weights", {"iwae": 1.0})

    def requirements(self) -> frozenset[str]:
        """A posterior and, for binary images, logits."""
        return frozenset({"posterior"} | ({"logits"} if self.likelihood == "bernoulli" else set()))

    def posterior_draws(self) -> int:
        """Those of the bound."""
        return self.samples

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`nll` of the real image given a draw of its code, and `kl` of the posterior from the prior; or `iwae`."""
        assert sample.posterior is not None
        if sample.draws is not None:
            return {"iwae": -losses.iwae_bound(self.log_weights(sample.draws, sample.posterior, batch.image))}
        kl = losses.gaussian_kl(sample.posterior.mean, sample.posterior.log_variance)
        return {"nll": self.nll(sample.paired, sample.logits, batch.image).mean(), "kl": kl}

    def log_weights(self, draws: PosteriorDraws, posterior: Gaussian, image: Tensor) -> Tensor:
        """ln p(image, z) - ln q(z | image) of every draw z and image, (K, N): what `iwae_bound` takes."""
        each = draws.code.shape[:2]
        logits = None if draws.logits is None else draws.logits.flatten(0, 1)
        nll = self.nll(draws.image.flatten(0, 1), logits, image.expand(each[0], *image.shape).flatten(0, 1))
        mean, log_variance = posterior.mean, posterior.log_variance
        return losses.importance_log_weights(-nll.unflatten(0, each), draws.code, mean, log_variance)

    def nll(self, made: Tensor, logits: Tensor | None, image: Tensor) -> Tensor:
        """-log p(image | code) of each image, (N,), summed over its values, in nats; from what the code became."""
        if self.likelihood == "bernoulli":
            assert logits is not None
            return losses.bernoulli_nll(logits, image, reduction="none")
        if self.likelihood == "gaussian":
            return losses.gaussian_nll(made, image, 2 * math.log(self.std), reduction="none")
        return losses.discretised_logistic_nll(made, image, math.log(self.std), reduction="none")
