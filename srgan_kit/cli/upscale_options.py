"""What `srgan-kit upscale` was asked for, as its steps know it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from srgan_kit.errors import UserError
from srgan_kit.images.formats import MAX_PIXELS

Size = tuple[int, int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class UpscaleOptions:
    """What the results are to be like."""

    size: Callable[[Size], Size | None]
    """(width, height) of an input -> of its result; None for the model's own scale."""
    suffix: str = ".png"
    """The format of what goes to standard output."""
    suffix_of: Callable[[Path], str] | None = None
    """File of several images -> the format in which it goes to standard output; None for `suffix`."""
    quality: int | None = None
    """Quality of lossy formats; None for the usual."""
    codec: str | None = None
    """Codec of videos; None for the input's own where that is possible."""
    consistent: bool = False
    """Corrected until, reduced again, it is the input."""
    size_tag: str = "x4"
    """The scale or the box, as the mark in a result says it."""
    max_pixels: int = MAX_PIXELS
    """Inputs of more are refused."""
    max_result_pixels: int | None = None
    """Results of more are refused; None for no other limit than memory's."""
    strip_metadata: bool = False
    """Without EXIF, XMP, IPTC and text."""
    explain: Path | None = None
    """Where a map of what the input does not support is drawn."""


@dataclass(frozen=True)
class Existing:
    """What becomes of results that are there already; without either they are an error."""

    skip: bool = False
    overwrite: bool = False
    since: float = field(default_factory=time.time)
    """When this run began. Runs into one folder share the work: what was made since is another one's."""


def check_result(size: Size, most: int | None) -> None:
    """Raise a UserError for a result of more pixels than are allowed."""
    pixels = size[0] * size[1]
    if most is not None and pixels > most:
        raise UserError(f"the result would have {pixels} pixels, more than {most}; --max-result-pixels allows more")
