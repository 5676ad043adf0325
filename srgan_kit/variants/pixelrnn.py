"""PixelRNN, PixelCNN: the exact likelihood of an image, value by value (van den Oord et al. 2016, arXiv:1601.06759)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, Critique, Sample, Variant


@dataclass(frozen=True)
class PixelRNN(Variant):
    """Minimises -log p(x) in nats, eq. 1-2; which network predicts the values is the recipe's generator."""

    weights: ClassVar[Mapping[str, float]] = {"nll": 1.0}

    def requirements(self) -> frozenset[str]:
        """A generator that predicts levels."""
        return frozenset({"levels"})

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """`nll` of the real image, summed over its values."""
        assert sample.levels is not None
        return {"nll": losses.categorical_pixel_nll(sample.levels, batch.image)}
