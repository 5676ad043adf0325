"""No system at all: the generator minimises the task's content terms alone, as SRResNet and plain auto-encoders do."""

from dataclasses import dataclass

from torch import Tensor

from srgan_kit.contracts import Batch, Critique, Sample, Variant


@dataclass(frozen=True)
class ContentOnly(Variant):
    """No critic and no terms of its own."""

    def requirements(self) -> frozenset[str]:
        """It needs nothing."""
        return frozenset()

    def generator_terms(self, real: Critique | None, fake: Critique, batch: Batch, sample: Sample) -> dict[str, Tensor]:
        """It adds no terms."""
        return {}
