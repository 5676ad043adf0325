"""A decoded image, and all that its file said of it."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from srgan_kit.images.density import Density
from srgan_kit.images.metadata import Metadata


@dataclass
class LoadedImage:
    """A decoded image, upright."""

    pixels: np.ndarray
    """(H, W, C) uint8 or uint16, C = 1 for grey images and 3 for RGB; not premultiplied. Where `Rows` are asked for, in
    place of an array what gives its rows from the top to the bottom."""
    alpha: np.ndarray | None = None
    """(H, W, 1) of the same type: opacity, or None where all is opaque."""
    icc: bytes | None = None
    """Colour profile of the pixels."""
    metadata: Metadata = field(default_factory=Metadata)
    """EXIF, XMP, IPTC and text as the file had them: orientation and dimensions in them are those of the file."""
    format: str = ""
    """What the file was, in Pillow's words."""
    notes: list[str] = field(default_factory=list)
    """What could not be kept, a line each."""
    density: Density | None = None
    """Pixels per inch or centimetre."""
    tags: dict[str, bytes] = field(default_factory=dict)
    """PNG's colour tags (`colour.TAGS`), by name."""
    bits: int = 0
    """Bits a channel that the file had, where they are neither 8 nor 16."""
    path: Path | None = None
    """The file that it was read from."""
    seconds: Fraction | None = None
    """How long it is shown, where it is a frame of an animation."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, with opacity."""
        channels = self.pixels.shape[2] + (self.alpha is not None)
        return self.pixels.shape[1] * channels * self.pixels.dtype.itemsize
