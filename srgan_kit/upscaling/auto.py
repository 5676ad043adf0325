"""`-m auto`: which pretrained model suits an image, by what its file says and what its pixels show.

The thresholds come from `scripts/experiments/model_choice.py`; docs/guide/choosing.md has its tables.
"""

from srgan_kit.models.pretrained import default_model, pretrained_models
from srgan_kit.upscaling.choice import Choice, models_after
from srgan_kit.upscaling.evidence import FAINT, Evidence

QUALITY = {2: 72, 4: 88}
"""JPEG's quality up to which it did more harm than the photo models do, by their scales."""
NOISE = 1.7
"""Levels of noise, likewise."""
PAGES = ((0.55, 0.15), (0.4, 0.3))
"""`Evidence.paper` and `Evidence.ink`, in pairs, from which an image is text or flat graphics."""
COMPRESSED_PAGE = (0.4, 0.15)
"""Likewise where it was compressed, of whatever quality: rings around letters are what the photo models do best."""


def choose(evidence: Evidence, scale: float | None, fast: bool = False) -> Choice:
    """The pretrained model for an image at an output scale; None for 4.

    Clean images get the fidelity model, others the photo model; from CHAINED_FROM times on another one follows. With
    `fast` none does, and the fidelity model is of the -fast tier where there is one of that scale.
    """
    photo = 2 if scale is not None and scale <= 2 else 4
    reason = harm(evidence, photo)
    if reason is None:
        return clean_choice(scale, fast)
    return Choice(f"x{photo}-photo", reason, further=() if fast else models_after(photo, scale))


def clean_model(scale: float | None, fast: bool) -> str:
    """The fidelity model for a scale, of the fast tier where that is asked for and there is one."""
    clean = default_model(scale)
    quick = f"{clean}-fast"
    return quick if fast and quick in pretrained_models() else clean


def clean_choice(scale: float | None, fast: bool = False) -> Choice:
    """The fidelity models for an output scale, None for 4: for images that need no more than that."""
    further = () if fast else models_after(4, scale)
    return Choice(clean_model(scale, fast), "no sign of compression or noise", further=further)


def harm(evidence: Evidence, scale: int) -> str | None:
    """What was done to the image, in a few words; None where it did less harm than a photo model of that scale does."""
    of_file = evidence.jpeg_quality is not None  # what it says of itself is surer than what is read from pixels
    quality = evidence.jpeg_quality if of_file else evidence.traced_quality
    if quality is not None and quality <= QUALITY[scale]:
        return f"{'JPEG' if of_file else 'traces of JPEG'} of quality about {quality}"
    compressed = evidence.jpeg_quality is not None or evidence.trace > FAINT
    for paper, ink in (*PAGES, *([COMPRESSED_PAGE] if compressed else [])):
        if evidence.paper >= paper and evidence.ink >= ink:
            return "text or flat graphics"
    return f"noise of about {evidence.noise:.0f} levels" if evidence.noise >= NOISE else None
