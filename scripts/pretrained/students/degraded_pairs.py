"""Low-resolution images as people have them, with originals: clean, JPEG alone, and both degradations, in parallel.

Half of them are clean or have gone through JPEG alone, at their size or at twice that before they were reduced: most
photographs are no worse. The rest have gone through `light` and `second-order`.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.lib.compression import through_jpeg
from scripts.lib.text_pages import text_page
from srgan_kit.data.degradation import degrade
from srgan_kit.data.degradation_settings import LightConfig, SecondOrderConfig

KINDS = {"clean": 0.14, "jpeg": 0.36, "light": 0.28, "second-order": 0.22}
"""What was done to an image, and how often."""
CLEAN = tuple(KINDS).index("clean")
PRESETS = {"light": LightConfig(name="light"), "second-order": SecondOrderConfig(name="second-order")}
FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX, Image.Resampling.BILINEAR)
LOWEST, HIGHEST = 40, 98
"""JPEG's quality where there is nothing else."""
SEED = 2**31 + 7
"""Seed of the degradations here; no run has it."""


@dataclass(frozen=True)
class Pairs:
    """Low-resolution images and their originals, all of one size."""

    low: np.ndarray
    """(N, h, w, 3) uint8."""
    high: np.ndarray
    """(N, h * scale, w * scale, 3) uint8."""
    kind: np.ndarray
    """(N,) int64, into `KINDS`."""


def make_pairs(images: Sequence[Path], side: int, scale: int, versions: int, pages: int, workers: int = 0) -> Pairs:
    """`versions` crops of each image, of `side` low-resolution pixels, and crops of drawn pages of text at the end.

    Args:
        images: of sides of at least `side` times `scale`; smaller ones are left out.
        side: of the low-resolution crop.
        scale: upscaling factor.
        versions: crops of each image, each degraded in its own way.
        pages: how many crops show text.
        workers: processes; 0 for one per core.
    """
    jobs: list[tuple[int, Path | None]] = [
        (number, images[number % len(images)]) for number in range(versions * len(images))
    ]
    jobs += [(len(jobs) + number, None) for number in range(pages)]
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        found = [each for each in pool.map(partial(_pair, side, scale), jobs, chunksize=16) if each is not None]
    low, high, kind = (np.stack(part) for part in zip(*found, strict=True))
    return Pairs(low, high, kind)


def _pair(side: int, scale: int, job: tuple[int, Path | None]) -> tuple[np.ndarray, np.ndarray, np.int64] | None:
    torch.set_num_threads(1)
    number, path = job
    random = np.random.default_rng((SEED + scale, number))
    large = side * scale
    if path is None:
        high = text_page(large, random)
    else:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = pixels.shape[:2]
        if min(height, width) < large:
            return None
        top, left = int(random.integers(height - large + 1)), int(random.integers(width - large + 1))
        high = pixels[top : top + large, left : left + large]
    kind = int(random.choice(len(KINDS), p=list(KINDS.values())))
    return low_resolution(high, scale, list(KINDS)[kind], random), high, np.int64(kind)


def low_resolution(high: np.ndarray, scale: int, kind: str, random: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 -> (H / scale, W / scale, 3) uint8, treated as `kind` says."""
    if kind in PRESETS:
        planes = torch.from_numpy(high.copy()).permute(2, 0, 1)
        return degrade(planes, scale, PRESETS[kind], random).permute(1, 2, 0).numpy()
    method = FILTERS[random.choice(len(FILTERS), p=(0.5, 0.2, 0.15, 0.15))]
    image, size = Image.fromarray(high), (high.shape[1] // scale, high.shape[0] // scale)
    if kind == "jpeg" and random.random() < 0.3:
        return np.asarray(compressed(image.resize((2 * size[0], 2 * size[1]), method), random).resize(size, method))
    small = image.resize(size, method)
    return np.asarray(compressed(small, random) if kind == "jpeg" else small)


def compressed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Through a JPEG file, of a quality and chroma subsampling that are drawn."""
    subsampling = ("4:2:0", "4:4:4")[int(random.integers(2))]
    return through_jpeg(image, int(random.integers(LOWEST, HIGHEST + 1)), subsampling)
