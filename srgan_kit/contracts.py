"""The records that tasks, generators, critics and variants exchange, in that order, and what a variant is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor


@dataclass
class Batch:
    """What a task makes from data."""

    image: Tensor
    """(N, C, H, W) float, RGB or grey, [0, 1]: the real image."""
    condition: Tensor | None = None
    """What the generator is given besides noise: (N, C, h, w) low-resolution images, features to invert, or None."""
    label: Tensor | None = None
    """(N,) int64 class, -1 = unlabelled."""
    labelled: "Batch | None" = None
    """Images with labels that classes are learned from; None where they are learned from this batch's own."""


@dataclass
class Codes:
    """The part of a generator's input that means something, and that a critic with a code head reads back."""

    categorical: Tensor
    """(N, A) int64: A codes, each a class of its own set; A may be 0."""
    continuous: Tensor
    """(N, D) uniform on [-1, 1]; D may be 0."""


@dataclass
class Gaussian:
    """A diagonal Gaussian, such as an encoder's posterior."""

    mean: Tensor
    """(N, D)."""
    log_variance: Tensor
    """(N, D)."""


@dataclass
class PosteriorDraws:
    """K codes drawn of each image's posterior, and what was made of them."""

    code: Tensor
    """(K, N, D)."""
    image: Tensor
    """(K, N, C, H, W)."""
    logits: Tensor | None
    """(K, N, C, H, W); image = sigmoid(logits)."""


@dataclass
class Sample:
    """What a generator made."""

    image: Tensor
    """(N, C, H, W), nominally [0, 1]; not clamped, so that gradients survive outside the range. What the critic judges:
    made from noise of the prior, from the code of the real image, or from its low-resolution partner."""
    noise: Tensor | None = None
    """(N, D): the noise it was made from."""
    codes: Codes | None = None
    """The codes it was made from."""
    posterior: Gaussian | None = None
    """What an encoder made of the real image."""
    reconstruction: Tensor | None = None
    """(N, C, H, W): made from a draw of the posterior; it should be the real image."""
    logits: Tensor | None = None
    """(N, C, H, W): of the reconstruction, or of the image where there is none; image = sigmoid(logits)."""
    levels: Tensor | None = None
    """(N, L, C, H, W) logits of every value's L levels, given the real values before it (autoregressive models)."""

    average: Tensor | None = None
    """(N, C, H, W): what the generator with averaged weights makes of the same input, without gradient; for the content
    term that asks for it."""
    draws: PosteriorDraws | None = None
    """Every draw of the posterior, where the variant asks for several; the reconstruction is of the first."""

    @property
    def paired(self) -> Tensor:
        """The image that should be the real one, pixel by pixel: the reconstruction, if there is one."""
        return self.image if self.reconstruction is None else self.reconstruction

    def detached(self) -> "Sample":
        """The images alone, without gradients to the generator; codes and noise have none."""
        reconstruction = None if self.reconstruction is None else self.reconstruction.detach()
        return Sample(image=self.image.detach(), noise=self.noise, codes=self.codes, reconstruction=reconstruction)


@dataclass
class CodePosterior:
    """A critic's guess of the codes: Q of InfoGAN."""

    categorical: list[Tensor]
    """A logits (N, K_a), one per categorical code."""
    mean: Tensor
    """(N, D): mean of the continuous codes."""


@dataclass
class Critique:
    """What every critic returns; heads it lacks are None."""

    score: Tensor
    """Raw logits, (N, ...): one per image, or one per position; or energies (N,). Never passed through a sigmoid."""
    features: list[Tensor] | None = None
    """Hidden activations, each (N, C, h, w), shallow to deep."""
    class_logits: Tensor | None = None
    """(N, K)."""
    codes: CodePosterior | None = None
    """The guess of the codes."""
    reconstruction: Tensor | None = None
    """(N, C, H, W): an auto-encoding critic's reconstruction."""
    embedding: Tensor | None = None
    """(N, D): an auto-encoding critic's code."""
    of_reconstruction: "Critique | None" = None
    """The same critic's view of `Sample.reconstruction`, beside that of `Sample.image`, where a variant requires it."""
    of_labelled: "Critique | None" = None
    """The same critic's view of `Batch.labelled`, beside that of `Batch.image`, where there is one."""

    def feature(self, layer: int, setting: str = "variant.layer") -> Tensor:
        """One of the hidden activations; negative numbers count from the deepest.

        Raises:
            ValueError: there is none of that number; the message names the setting that chose it.
        """
        maps = self.features or []
        if not -len(maps) <= layer < len(maps):
            raise ValueError(f"{setting}: this critic shows {len(maps)} feature maps, there is no number {layer}")
        return maps[layer]


@dataclass(frozen=True)
class Updates:
    """Which weights a step changes."""

    critic: bool = True
    """Whether the critic learns."""
    encoder: bool = True
    """Whether the generator's encoder learns."""
    decoder: bool = True
    """Whether the rest of the generator learns."""


class Variant(Protocol):
    """One generative system: which terms each player minimises. A frozen dataclass, whose fields are its settings.

    Terms are scalars by name, unweighted. The recipe holds the weights; where it names none for a term, the default
    ones below hold; a term with neither is an error.
    """

    weights: ClassVar[Mapping[str, float]] = {}
    """Default weights of the generator's terms, published ones where those carry over."""
    critic_weights: ClassVar[Mapping[str, float]] = {}
    """Default weights of the critic's terms, likewise."""
    __pydantic_config__: ClassVar[Mapping[str, bool]] = {"use_attribute_docstrings": True}
    """The explanations below the settings are part of the schema of recipes."""
    bounds_likelihood: ClassVar[bool] = False
    """Whether it says how likely an image is given its code, in `log_weights`."""

    def requirements(self) -> frozenset[str]:
        """What it needs, by names in `REQUIREMENTS`."""
        return frozenset({"critic"})

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The critic's terms; `fake` judges images that carry no gradient to the generator."""
        return {}

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The generator's terms; `real` is there where it is required, `fake` is empty where there is no critic."""
        ...

    def score(self, critique: Critique) -> Tensor:
        """How real the critic finds each image, (N, ...); higher is more real."""
        return critique.score

    def log_ratio(self, critique: Critique) -> Tensor | None:
        """The critic's estimate of ln(p / q) for each image, (N, ...), where p is the density of what it was told is
        real and q of what it was told is generated; None where its score is no such estimate."""
        return None

    def divergences(self) -> Mapping[str, float | None]:
        """Which f-divergences are measured with the log ratio: names of `losses.FDivergence`, with their alpha."""
        return {"jensen-shannon": None}

    def classifier(self, critique: Critique) -> Tensor | None:
        """The critic's logits (N, K) of the classes that labels teach it; None where it learns no labels."""
        return None

    def posterior_draws(self) -> int:
        """How many codes of each image's posterior are drawn in a step."""
        return 1

    def log_weights(self, draws: PosteriorDraws, posterior: Gaussian, image: Tensor) -> Tensor:
        """ln p(image, z) - ln q(z | image) of every draw z and image, (K, N), in nats, where `bounds_likelihood`."""
        raise ValueError(f"{type(self).__name__} does not say how likely an image is given its code")

    def routes(self) -> Mapping[str, str]:
        """The generator's terms that train one of its parts only, "encoder" or "decoder"; the others train both."""
        return {}

    def critic_routes(self) -> Mapping[str, str]:
        """The critic's terms that train one of its parts only, such as "codes", its head for codes."""
        return {}

    def next_updates(self, critic: Mapping[str, float], generator: Mapping[str, float], before: Updates) -> Updates:
        """Who learns in the next step, from this step's terms: a system that balances its players says so here."""
        return before


REQUIREMENTS: dict[str, str] = {
    "critic": "a critic: add a [critic], such as critic.name = 'dcgan'",
    "real_in_generator_step": "real images judged in the generator's step",
    "reconstruction_critique": "reconstructions judged beside generated images",
    "labels": "labelled images: folders named after classes, or an .npz with labels",
    "class_logits": "a critic with a class head: set critic.classes to the number of classes",
    "codes": "codes: set latent.categorical (numbers of classes) or latent.continuous (a number of codes)",
    "categorical_code": "a categorical code: set latent.categorical to a list that begins with the number of classes",
    "autoencoder": "a critic that reconstructs images: critic.name = 'autoencoder'",
    "features": "a critic that shows its hidden features",
    "posterior": "an encoder's posterior: set latent.noise to the size of the latent code",
    "paired": "generated images with real partners: task super-resolution or reconstruction, or a latent code",
    "logits": "a generator with a sigmoid at its end: dcgan, resnet, mlp or inversion",
    "levels": "an autoregressive generator: generator.name = 'pixelcnn', 'row-lstm' or 'diagonal-bilstm'",
    "comparator": "a comparator: give weights.perceptual a value, and perceptual.weights a file",
}
"""What a variant can require, and what a recipe must have for it. The loop itself provides the two judgements."""
