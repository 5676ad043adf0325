"""`-m auto`: which pretrained model suits an image, by what its file says and what its pixels show.

The thresholds come from `scripts/experiments/model_choice.py`; docs/guide/choosing.md has its tables.
"""

from srgan_kit.models.pretrained import default_model, pretrained_models
from srgan_kit.upscaling.choice import Choice, models_after
from srgan_kit.upscaling.evidence import FAINT, Evidence

QUALITY = {1: 40, 2: 88, 4: 88}
"""JPEG's quality up to which it did more harm than the photo models do: at the same size, and by their scales."""
NOISE = {1: 3.0, 2: 1.7, 4: 1.7}
"""Levels of noise from which, likewise."""
ARTIFACTS = 2.2
"""Level of artifacts, by the network's estimate, from which they do more harm than the photo model of x4. That of x2
smooths away more than they spoil."""
UNHARMED = "no sign of compression or noise"
FLAT_PAGE = (0.25, 0.15)
"""`Evidence.flat` and `Evidence.ink` from which an image is text or flat graphics."""
PAGE, COMPRESSED_PAGE = (0.4, 0.3), (0.4, 0.15)
"""`Evidence.paper` and `Evidence.ink` likewise, and where it was compressed, of whatever quality: rings around letters
are what the photo models do best."""
HARMED_PAGE = 75
"""JPEG's quality up to which, at the same size, text is to be cleaned; and it is from NOISE[2] on."""


def choose(evidence: Evidence, scale: float | None, fast: bool = False) -> Choice:
    """The pretrained model for an image at an output scale; None for 4.

    Clean images get the fidelity model, others the photo model; from CHAINED_FROM times on another one follows. With
    `fast` none does, and the fidelity model is of the -fast tier where there is one of that scale. At the same size or
    below, where harm is not enlarged, it must be greater.
    """
    photo = 2 if scale is not None and scale <= 2 else 4
    reason = harm(evidence, 1 if scale is not None and scale <= 1 else photo)
    if reason is not None:
        return Choice(f"x{photo}-photo", reason, further=() if fast else models_after(photo, scale))
    compression, artifacts = _compression(evidence)[0], _artifacts(evidence)
    if compression is not None:
        return clean_choice(scale, fast, f"{compression} did little harm")
    if evidence.noise >= NOISE[2]:  # at the same size
        return clean_choice(scale, fast, f"{_noise(evidence)} did little harm")
    return clean_choice(scale, fast, UNHARMED if artifacts is None else f"{artifacts}, better left as they are")


def clean_model(scale: float | None, fast: bool) -> str:
    """The fidelity model for a scale, of the fast tier where that is asked for and there is one."""
    clean = default_model(scale)
    quick = f"{clean}-fast"
    return quick if fast and quick in pretrained_models() else clean


def clean_choice(scale: float | None, fast: bool = False, reason: str = UNHARMED) -> Choice:
    """The fidelity models for an output scale, None for 4: for images that need no more than that."""
    return Choice(clean_model(scale, fast), reason, further=() if fast else models_after(4, scale))


def harm(evidence: Evidence, scale: int) -> str | None:
    """What was done to the image, in a few words; None where it did less harm than a photo model does.

    `scale` is that of the photo model, 2 or 4, or 1 where the result is to be as large as the image.
    """
    compression, quality = _compression(evidence)
    if quality is not None and quality <= QUALITY[scale]:
        return compression
    if _is_page(evidence) and (scale > 1 or (quality or 100) <= HARMED_PAGE or evidence.noise >= NOISE[2]):
        return "text or flat graphics"
    if evidence.noise >= NOISE[scale]:
        return _noise(evidence)
    return _artifacts(evidence) if scale == 4 else None


def _is_page(evidence: Evidence) -> bool:
    compressed = evidence.jpeg_quality is not None or evidence.trace > FAINT or _artifacts(evidence) is not None
    paper, ink = COMPRESSED_PAGE if compressed else PAGE
    is_flat = evidence.flat >= FLAT_PAGE[0] and evidence.ink >= FLAT_PAGE[1]
    return is_flat or (evidence.paper >= paper and evidence.ink >= ink)


def _noise(evidence: Evidence) -> str:
    return f"noise of about {evidence.noise:.0f} levels"


def _artifacts(evidence: Evidence) -> str | None:
    """How strong artifacts are, in a few words; None where they are weak or not known."""
    level = evidence.artifacts
    return f"artifacts of about {level:.0f} levels" if level is not None and level >= ARTIFACTS else None


def _compression(evidence: Evidence) -> tuple[str | None, int | None]:
    """What compressed the image, in a few words, and its quality."""
    if evidence.jpeg_quality is not None:  # what it says of itself is surer than what is read from pixels
        return f"JPEG of quality about {evidence.jpeg_quality}", evidence.jpeg_quality
    if evidence.traced_quality is not None:
        return f"traces of JPEG of quality about {evidence.traced_quality}", evidence.traced_quality
    return None, None
