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
class Sample:
    """What a generator made."""

    image: Tensor
    """(N, C, H, W), nominally [0, 1]; not clamped, so that gradients survive outside the range."""
    noise: Tensor | None = None
    """(N, D): the noise it was made from."""


@dataclass
class Critique:
    """What every critic returns; heads it lacks are None."""

    score: Tensor
    """Raw logits, (N, ...): one per image, or one per position. Never passed through a sigmoid."""
    features: list[Tensor] | None = None
    """Hidden activations, each (N, C, h, w), shallow to deep."""


class Variant(Protocol):
    """One adversarial system: which terms each player minimises. Terms are unweighted; the recipe holds the weights."""

    def critic_terms(self, real: Critique, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The critic's terms by name, each a scalar."""
        ...

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """The generator's terms by name, each a scalar; `real` is given where the formula compares with real scores."""
        ...
