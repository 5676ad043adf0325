"""`-m auto`: which pretrained model suits an image, by what its file says and what its pixels show.

The thresholds come from `scripts/choice_study.py`; docs/choosing.md has its tables.
"""

from dataclasses import dataclass

from srgan_kit.upscaling.embedded import default_model, embedded_models
from srgan_kit.upscaling.evidence import Evidence

AUTO = "auto"
TRACE = 0.55
"""`Evidence.trace` from which JPEG did more harm than the photo models do."""
QUALITY = 80
"""JPEG's quality below which it did."""
BLOCKING = 0.06
"""`Evidence.blocking`, where an image was resized since."""
NOISE = 4.5
"""Levels of noise."""


@dataclass(frozen=True)
class Choice:
    """A model and why."""

    model: str
    """Name of a pretrained model."""
    reason: str
    """What was found, in a few words."""


def choose(evidence: Evidence, scale: float | None, fast: bool = False) -> Choice:
    """The pretrained model for an image at an output scale; None for 4.

    Clean images get the fidelity model, others the photo model. With `fast` the fidelity model is of the -fast tier
    where there is one of that scale.
    """
    reason = harm(evidence)
    if reason is None:
        clean = default_model(scale)
        quick = f"{clean}-fast"
        return Choice(quick if fast and quick in embedded_models() else clean, "no sign of compression or noise")
    return Choice("x2-photo" if scale is not None and scale <= 2 else "x4-photo", reason)


def harm(evidence: Evidence) -> str | None:
    """What was done to the image, in a few words; None where that did it little harm or none."""
    if evidence.jpeg_quality is not None and evidence.jpeg_quality < QUALITY:
        return f"JPEG of quality about {evidence.jpeg_quality}"
    if evidence.trace >= TRACE:
        return "blocks of JPEG, whatever the file is now"
    if evidence.blocking >= BLOCKING and evidence.period != 8:
        return f"blocks of {evidence.period} pixels: compressed, then resized"
    if evidence.noise >= NOISE:
        return f"noise of about {evidence.noise:.0f} levels"
    return None
