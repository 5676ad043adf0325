"""The generator's side of a run: a decoder, an encoder where one is needed, and the latent vector between them."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Codes, Gaussian, PosteriorDraws, Sample
from srgan_kit.generators.autoregressive.network import PixelNetwork
from srgan_kit.losses import drawn_for_batch, reparameterise
from srgan_kit.settings import Settings

Source = Literal["prior", "code", "posterior"]
"""Where the noise part of the latent vector comes from in training: N(0, I); the code of the real image; a draw of its
posterior, and N(0, I) for what a critic judges."""


class LatentConfig(Settings):
    """What the generator makes an image from, besides its condition. The sizes add up to the latent vector."""

    noise: int = Field(default=0, ge=0)
    """Random numbers; with an encoder, the size of its code."""
    distribution: Literal["normal", "uniform"] = "normal"
    """Of the noise: standard Gaussian, or uniform on [-1, 1]; with an encoder it is Gaussian."""
    categorical: tuple[Annotated[int, Field(ge=2)], ...] = ()
    """Classes of each categorical code."""
    continuous: int = Field(default=0, ge=0)
    """Codes uniform on [-1, 1]."""

    @property
    def size(self) -> int:
        """Length of the latent vector, with categorical codes one-hot."""
        return self.noise + sum(self.categorical) + self.continuous


class Model(nn.Module):
    """Makes images from conditions and latent vectors: every task's generator.

    Args:
        decoder: takes the condition, the latent vector, or both in this order; autoregressive ones the image before.
        encoder: from the image (and the condition) to a Gaussian over the noise; None for the prior.
        latent: the parts of the latent vector.
        source: where the noise comes from in training.
        image_shape: (C, H, W) of what autoregressive decoders draw.
        draws: how many codes of each image's posterior are drawn in training.
    """

    def __init__(
        self,
        decoder: nn.Module,
        encoder: nn.Module | None,
        latent: LatentConfig,
        source: Source,
        image_shape: tuple[int, int, int],
        draws: int = 1,
    ) -> None:
        super().__init__()
        self.decoder, self.encoder = decoder, encoder
        self.latent, self.source, self.image_shape = latent, source, image_shape
        self.draws = draws
        self.squashed = bool(getattr(decoder, "squashed", False))
        self.autoregressive = isinstance(decoder, PixelNetwork)

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """The parameters by part."""
        encoder = [] if self.encoder is None else list(self.encoder.parameters())
        return {"encoder": encoder, "decoder": list(self.decoder.parameters())}

    def forward(self, batch: Batch, needs_prior_sample: bool) -> Sample:
        """A training sample.

        Args:
            batch: real images, and conditions where there are any.
            needs_prior_sample: whether a critic or content terms will see it, so that a posterior's run needs a draw of
                the prior too.
        """
        noise, codes = self.draw(len(batch.image), batch.image.device)
        posterior = None
        if self.encoder is not None:
            posterior = self.encode(batch.image, batch.condition)
            if self.source == "posterior" and self.draws > 1:
                return self._many(batch, posterior, codes, noise if needs_prior_sample else None)
            coded = posterior.mean if self.source == "code" else reparameterise(posterior.mean, posterior.log_variance)
        else:
            coded = noise
        latent = self.vector(coded, codes)
        if self.source != "posterior":
            posterior = None
        if isinstance(self.decoder, PixelNetwork):
            levels = self.decoder(batch.image, batch.condition, latent)
            return Sample(image=_expected(levels), codes=codes, posterior=posterior, levels=levels)
        image, logits = self.decode(batch.condition, latent)
        if posterior is None:
            return Sample(image=image, noise=coded, codes=codes, logits=logits)
        made = self.decode(batch.condition, self.vector(noise, codes))[0] if needs_prior_sample else image
        return Sample(image=made, noise=noise, codes=codes, posterior=posterior, reconstruction=image, logits=logits)

    def _many(self, batch: Batch, posterior: Gaussian, codes: Codes, noise: Tensor | None) -> Sample:
        """A sample with several draws of the posterior; `noise` of the prior is for an image that a critic sees."""
        draws = self.posterior_draws(posterior, self.draws, batch.condition, codes)
        made = draws.image[0] if noise is None else self.decode(batch.condition, self.vector(noise, codes))[0]
        return Sample(
            image=made,
            noise=noise,
            codes=codes,
            posterior=posterior,
            reconstruction=draws.image[0],
            logits=None if draws.logits is None else draws.logits[0],
            draws=draws,
        )

    def posterior_draws(
        self,
        posterior: Gaussian,
        count: int,
        condition: Tensor | None = None,
        codes: Codes | None = None,
        generator: torch.Generator | None = None,
    ) -> PosteriorDraws:
        """`count` codes of each image's posterior and what they become; without `codes` the vector is noise alone."""
        mean, log_variance = (each.expand(count, -1, -1) for each in (posterior.mean, posterior.log_variance))
        code = reparameterise(mean, log_variance, generator, batch_dim=1)
        latent = code.flatten(0, 1)
        if codes is not None:
            repeated = Codes(codes.categorical.repeat(count, 1), codes.continuous.repeat(count, 1))
            latent = self.vector(latent, repeated)
        given = None if condition is None else condition.repeat(count, 1, 1, 1)
        image, logits = self.decode(given, latent)
        each = code.shape[:2]
        return PosteriorDraws(code, image.unflatten(0, each), None if logits is None else logits.unflatten(0, each))

    def draw(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> tuple[Tensor, Codes]:
        """Noise (N, D) and codes from their priors; on the CPU, so that a seed means one thing."""

        def uniform(numbers: int) -> Tensor:
            if not numbers:
                return torch.zeros(count, 0)
            like = torch.empty(count, numbers)
            return drawn_for_batch(like, lambda batch: torch.rand(batch.shape, generator=generator)) * 2 - 1

        if self.latent.distribution == "uniform":
            noise = uniform(self.latent.noise)
        else:
            like = torch.empty(count, self.latent.noise)
            noise = drawn_for_batch(like, lambda batch: torch.randn(batch.shape, generator=generator))
        like = torch.empty(count, dtype=torch.int64)
        classes = [
            drawn_for_batch(like, lambda batch, of=of: torch.randint(of, batch.shape, generator=generator))
            for of in self.latent.categorical
        ]
        categorical = torch.stack(classes, dim=1) if classes else torch.zeros(count, 0, dtype=torch.int64)
        continuous = uniform(self.latent.continuous)
        return noise.to(device), Codes(categorical.to(device), continuous.to(device))

    def vector(self, noise: Tensor, codes: Codes) -> Tensor | None:
        """The latent vector (N, size); None where it has no part."""
        if not self.latent.size:
            return None
        if not (self.latent.categorical or self.latent.continuous):
            return noise
        one_hot = [
            nn.functional.one_hot(codes.categorical[:, number], classes).to(noise.dtype)
            for number, classes in enumerate(self.latent.categorical)
        ]
        return torch.cat([noise, *one_hot, codes.continuous.to(noise.dtype)], dim=1)

    def encode(self, image: Tensor, condition: Tensor | None = None) -> Gaussian:
        """What the encoder makes of an image."""
        assert self.encoder is not None
        return self.encoder(image) if condition is None else self.encoder(image, condition)

    def decode(self, condition: Tensor | None, latent: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The image, and its logits where the decoder has a sigmoid at its end; in fp32."""
        raw = self.decoder(*(part for part in (condition, latent) if part is not None)).float()
        return (torch.sigmoid(raw), raw) if self.squashed else (raw, None)

    def generate(
        self,
        latent: Tensor | None,
        condition: Tensor | None = None,
        count: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images (N, C, H, W) of latent vectors and conditions; autoregressive decoders draw them with `generator`."""
        if not isinstance(self.decoder, PixelNetwork):
            return self.decode(condition, latent)[0]
        count = len(latent) if latent is not None else len(condition) if condition is not None else count
        shape = (count, *self.image_shape)
        return self.decoder.sample(shape, condition, latent, generator)

    def reconstruct(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """The image again: from the mean of its code where there is an encoder, else from the condition."""
        count = len(image)
        noise, codes = self.draw(count, image.device, torch.Generator().manual_seed(0))
        coded = self.encode(image, condition).mean if self.encoder is not None else noise
        return self.generate(self.vector(coded, codes), condition, count, torch.Generator().manual_seed(0))


def _expected(levels: Tensor) -> Tensor:
    """The mean of each value's distribution, in [0, 1]."""
    grid = torch.linspace(0, 1, levels.shape[1], device=levels.device)
    return torch.einsum("nlchw,l->nchw", levels.float().softmax(dim=1), grid)
