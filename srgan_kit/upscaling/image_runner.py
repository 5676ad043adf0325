"""What upscales the colours of an image by a whole factor: its interface, and what it says of its work."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.rows import Rows

Image = np.ndarray
"""(H, W, C) uint8 or uint16, C = 1 (grey) or 3 (RGB)."""
Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


@dataclass(frozen=True)
class Upscaled:
    """An upscaled image."""

    pixels: Image
    notes: tuple[str, ...] = ()
    """What was not done as asked, each said once: tiles that only approximate, smaller tiles for want of memory, fp32
    where the architecture fails in less."""
    redone_tiles: int = 0
    """Tiles that gave NaN or infinity in reduced precision and were computed again in fp32."""


@dataclass
class Tally:
    """What happened while an image was upscaled: see `Upscaled`."""

    notes: list[str] = field(default_factory=list)
    redone_tiles: int = 0


class ImageRunner(Protocol):
    """What upscales the colours of an image by a whole factor: a model, or several together (`composite.py`)."""

    @property
    def scale(self) -> int:
        """The factor."""
        ...

    def run(self, image: Image, progress: Progress | None = None) -> Upscaled:
        """(H, W, C) uint8 or uint16 -> (H * scale, W * scale, C) of the same type."""
        ...

    def bands(self, image: Rows, tally: Tally, progress: Progress | None = None) -> Iterator[Image]:
        """The result of `run` in parts, from the top to the bottom."""
        ...


def check_pixels(image: Image) -> None:
    """Raise a UserError unless an array is an image: (H, W, 1 or 3) of uint8 or uint16, with at least one pixel."""
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.dtype not in (np.uint8, np.uint16) or 0 in image.shape:
        kind = f"{image.shape} {image.dtype}"
        raise UserError(f"image: expected (height, width, 1 or 3) of uint8 or uint16, got {kind}")
