"""How long an image will take and how much memory, before it is upscaled: from a short run of each model here."""

import time
from dataclasses import dataclass

import numpy as np
import psutil

from srgan_kit.images.image import LoadedImage
from srgan_kit.upscaling.composite import runs
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.image_runner import ImageRunner

SMALL, LARGE = 64, 192
"""Sides of the squares that are upscaled to measure: the first warms up, and counts where it took long."""
LONG = 0.5
"""Seconds."""
Size = tuple[int, int]


@dataclass(frozen=True)
class Estimate:
    """What an image needs."""

    seconds: float
    """Of the networks alone."""
    bytes: int
    """Of memory at most: what this process has now, the image before and after, and the layers of a tile."""


class Estimator:
    """Estimates; the rate of each model is measured once, when it is first needed."""

    def __init__(self) -> None:
        self._rates: dict[TiledUpscaler, float] = {}

    def estimate(self, runner: ImageRunner, image: LoadedImage, size: Size, *, in_parts: bool = False) -> Estimate:
        """What the image needs on its way to `size` (width, height); `in_parts` its result is never whole in memory."""
        every = list(runs(runner, image.size))
        seconds = sum(self._seconds_per_pixel(model) * model.pixels_read(*seen[::-1]) for model, seen in every)
        channels = image.pixels.shape[2] + (image.alpha is not None)
        one = channels * image.pixels.dtype.itemsize
        largest = max(seen[0] * seen[1] * model.scale**2 for model, seen in every)
        whole = 0 if in_parts else largest * min(len(every), 2) + 2 * size[0] * size[1]
        buffers = whole + image.size[0] * image.size[1]
        layers = max(model.tile_bytes(*seen[::-1]) for model, seen in every)
        return Estimate(seconds, psutil.Process().memory_info().rss + one * buffers + layers)

    def _seconds_per_pixel(self, model: TiledUpscaler) -> float:
        """Seconds for each pixel that a network sees, on this machine now."""
        if model not in self._rates:
            self._rates[model] = _measured(model, SMALL)
            if self._rates[model] * SMALL**2 < LONG:
                self._rates[model] = _measured(model, LARGE)
        return self._rates[model]


def _measured(model: TiledUpscaler, side: int) -> float:
    probe = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    start = time.perf_counter()
    model.run(probe)
    return (time.perf_counter() - start) / model.pixels_read(side, side)
