"""The records that tasks, generators, critics and variants exchange, in that order."""

from dataclasses import dataclass
from typing import Protocol

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
class Sample:
    """What a generator made."""

    image: Tensor
    """(N, C, H, W), nominally [0, 1]; not clamped, so that gradients survive outside the range."""
    noise: Tensor | None = None
    """(N, D): the noise it was made from."""
    codes: Codes | None = None
    """The codes it was made from."""
    posterior: Gaussian | None = None
    """What an encoder made of the real image."""
    reconstruction: Tensor | None = None
    """(N, C, H, W): the generator's image from a sample of the posterior."""


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


class Variant(Protocol):
    """One adversarial system: which terms each player minimises. Terms are unweighted; the recipe holds the weights."""

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The critic's terms by name, each a scalar."""
        ...

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The generator's terms by name, each a scalar; `real` is given where the formula compares with real scores."""
        ...
