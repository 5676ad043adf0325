"""VAE/GAN: a variational auto-encoder whose likelihood is measured in the critic's features (Larsen et al. 2015)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Updates, Variant


@dataclass(frozen=True)
class VAEGAN(Variant):
    """Three players in two: encoder and decoder are parts of the generator, each with terms of its own.

    Encoder: KL + similarity. Decoder: gamma * similarity + adversarial. Critic: cross entropy on real images,
    reconstructions and samples of the prior; it gets no gradient of the similarity, the encoder none of the adversarial
    term. Similarity is half the squared distance in a layer of the critic. arXiv:1512.09300, alg. 1
    """

    layer: int = -1
    """Which of the critic's feature maps compares images; -1 is the deepest."""
    equilibrium: float = 0.68
    """What the critic's terms are kept near, by pausing a player; ln 2 = .69 is where it knows nothing."""
    margin: float = 0.35
    """How far they may go before one pauses; the authors' code pauses, the paper does not say so."""

    weights: ClassVar[Mapping[str, float]] = {
        "kl": 1.0,
        "similarity_encoder": 1.0,
        "similarity_decoder": 1e-2,
        "adversarial": 1.0,
    }
    critic_weights: ClassVar[Mapping[str, float]] = {"critic_real": 1.0, "critic_fake": 1.0}

    def requirements(self) -> frozenset[str]:
        """A posterior, and a critic with features of real images and of reconstructions."""
        return frozenset({"critic", "features", "posterior", "real_in_generator_step", "reconstruction_critique"})

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`critic_real`, and `critic_fake`: the mean over reconstructions and samples."""
        assert fake.of_reconstruction is not None
        generator_loss = losses.NonSaturating().generator_loss
        wrong = generator_loss(-fake.score) + generator_loss(-fake.of_reconstruction.score)
        return {"critic_real": generator_loss(real.score), "critic_fake": wrong / 2}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`kl`, `similarity_encoder`, `similarity_decoder` (the same number, twice), `adversarial`."""
        of_reconstruction = fake.of_reconstruction
        assert real is not None
        assert of_reconstruction is not None
        assert sample.posterior is not None
        similarity = losses.learned_similarity(real.feature(self.layer), of_reconstruction.feature(self.layer))
        generator_loss = losses.NonSaturating().generator_loss
        return {
            "kl": losses.gaussian_kl(sample.posterior.mean, sample.posterior.log_variance),
            "similarity_encoder": similarity,
            "similarity_decoder": similarity,
            "adversarial": (generator_loss(fake.score) + generator_loss(of_reconstruction.score)) / 2,
        }

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The logit; generated are samples of the prior and reconstructions alike."""
        of_reconstruction = critique.of_reconstruction
        return critique.score if of_reconstruction is None else torch.cat([critique.score, of_reconstruction.score])

    def routes(self) -> Mapping[str, str]:
        """Every term trains either the encoder or the decoder."""
        return {
            "kl": "encoder",
            "similarity_encoder": "encoder",
            "similarity_decoder": "decoder",
            "adversarial": "decoder",
        }

    def next_updates(self, critic: Mapping[str, float], generator: Mapping[str, float], before: Updates) -> Updates:
        """The critic pauses while it is too good, the decoder while it is; both play where both would pause."""
        terms = (critic["critic_real"], critic["critic_fake"])
        critic_plays = min(terms) >= self.equilibrium - self.margin
        decoder_plays = max(terms) <= self.equilibrium + self.margin
        if not critic_plays and not decoder_plays:
            return Updates()
        return Updates(critic=critic_plays, decoder=decoder_plays)
