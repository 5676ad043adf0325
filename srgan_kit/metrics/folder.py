"""Measuring an upscaler on a folder of high-resolution images, with or without the low-resolution partners."""

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srgan_kit.data.image_folder import find_images, partner_finder, rgb_planes
from srgan_kit.errors import UserError
from srgan_kit.images.read import read_image
from srgan_kit.images.resize import crop_to_multiple, resize, resize_8bit
from srgan_kit.metrics.psnr_ssim import SSIM_WINDOW, psnr_y, ssim_y

PROTOCOL = (
    "PSNR and SSIM on Y of 8-bit RGB, border of {scale} pixels cut, peak 255, float64, mean over images; "
    "SSIM 11x11 Gaussian, sigma 1.5, valid region; LR {origin}; megapixels of LR input"
)
WARM_UP_SIDE = 64

Upscale = Callable[[np.ndarray], np.ndarray]
"""(h, w, 3) uint8 -> (h * scale, w * scale, 3) uint8."""


@dataclass(frozen=True)
class ImagePair:
    """One image to measure on."""

    name: str
    """The high-resolution file's name; without its suffix where that is enough."""
    high: Path
    """The high-resolution image."""
    low: Path | None
    """Its low-resolution partner, or None to make it by the MATLAB-exact bicubic."""


@dataclass(frozen=True)
class ImageScore:
    """The measures of one image."""

    name: str
    """The image's name."""
    psnr_y: float
    """dB; infinite for a perfect image."""
    ssim_y: float
    """At most 1."""
    seconds: float
    """Time to upscale it: no decoding, no measuring."""
    megapixels: float
    """Size of the low-resolution input."""
    lr_reproduced: float
    """Fraction of the low-resolution values that the result reproduces exactly when MATLAB's bicubic reduces it."""


@dataclass(frozen=True)
class Failure:
    """An image that could not be measured."""

    name: str
    """The image's name."""
    reason: str
    """Which file is wrong, and why."""


@dataclass(frozen=True)
class Evaluation:
    """The measures of a folder of images."""

    model: str
    """The model's name."""
    scale: int
    """Upscaling factor."""
    protocol: str
    """How it was measured, in words."""
    images: tuple[ImageScore, ...]
    """At least one."""
    ensemble: bool = False
    """Whether the model's self-ensemble was measured."""
    consistent: bool = False
    """Whether results were corrected until, reduced again, they are the input."""
    failed: tuple[Failure, ...] = ()
    """The images of the folder that are not in it."""

    @property
    def psnr_y(self) -> float:
        """Mean over the images, dB."""
        return statistics.fmean(score.psnr_y for score in self.images)

    @property
    def ssim_y(self) -> float:
        """Mean over the images."""
        return statistics.fmean(score.ssim_y for score in self.images)

    @property
    def lr_reproduced(self) -> float:
        """Mean over the images, 0 ... 1."""
        return statistics.fmean(score.lr_reproduced for score in self.images)

    @property
    def megapixels_per_second(self) -> float:
        """Low-resolution megapixels of all images by the time for all of them."""
        seconds = sum(score.seconds for score in self.images)
        return sum(score.megapixels for score in self.images) / seconds if seconds else math.inf

    def as_json(self) -> dict[str, object]:
        """The report of `srgan-kit evaluate --json`; an infinite number, which JSON has no form for, is null."""
        fields = ("name", "psnr_y", "ssim_y", "lr_reproduced", "seconds")
        means = ("psnr_y", "ssim_y", "lr_reproduced", "megapixels_per_second")
        how = {"scale": self.scale, "ensemble": self.ensemble, "consistent": self.consistent, "protocol": self.protocol}
        images = [{name: _finite(getattr(score, name)) for name in fields} for score in self.images]
        return {
            "model": self.model,
            **how,
            "images": images,
            "mean": {name: _finite(getattr(self, name)) for name in means},
            **({"failed": [asdict(failure) for failure in self.failed]} if self.failed else {}),
        }


def protocol(scale: int, *, low_from: Path | None) -> str:
    """The sentence of a report that says how it was measured."""
    return PROTOCOL.format(scale=scale, origin="from files" if low_from else "by MATLAB-exact bicubic from HR")


def pair_images(
    high_folder: Path, low_folder: Path | None, scale: int, failed: list[Failure] | None = None
) -> list[ImagePair]:
    """The images of a folder in order, each with its partner: for baby.png babyx4.png, baby_x4.png or baby.png.

    `failed` takes those that have no partner; without it the first of them ends everything.

    Raises:
        UserError: a folder is none, or holds no image; an image has no partner.
    """
    highs = find_images(high_folder, recursive=False)
    partner_of = partner_finder(high_folder, low_folder, scale) if low_folder else lambda _: None
    stems = Counter(high.stem for high in highs)
    pairs = []
    for high in highs:
        name = high.stem if stems[high.stem] == 1 else high.name
        try:
            pairs.append(ImagePair(name, high, partner_of(high)))
        except UserError as error:
            if failed is None:
                raise
            failed.append(Failure(name, str(error)))
    return pairs


def evaluate_pairs(
    pairs: Sequence[ImagePair], upscale: Upscale, scale: int, failed: list[Failure] | None = None
) -> Iterator[ImageScore]:
    """Upscale and measure one pair after the other; one untimed call on a corner of the first image warms up.

    Args:
        pairs: what to measure on.
        upscale: what is measured.
        scale: its upscaling factor.
        failed: takes the pairs that cannot be measured; without it the first of them ends everything.

    Raises:
        UserError: an image cannot be read, is too small, or its partner is not 1 / scale of its size.
    """
    is_warm = False
    for pair in pairs:
        try:
            high, low = _read_pair(pair, scale)
        except UserError as error:
            if failed is None:
                raise
            failed.append(Failure(pair.name, str(error)))
            continue
        if not is_warm:
            upscale(_to_array(low[:, :WARM_UP_SIDE, :WARM_UP_SIDE]))
            is_warm = True
        start = time.perf_counter()
        result = upscale(_to_array(low))
        seconds = time.perf_counter() - start
        images = _to_tensor(result).unsqueeze(0), high.unsqueeze(0)
        psnr, ssim = (measure(*images, border=scale).item() for measure in (psnr_y, ssim_y))
        lr_reproduced = (resize_8bit(_to_tensor(result), 1 / scale) == low).float().mean().item()
        yield ImageScore(pair.name, psnr, ssim, seconds, low.shape[-2] * low.shape[-1] / 1e6, lr_reproduced)


def bicubic_upscaler(scale: int) -> Upscale:
    """The baseline: MATLAB's bicubic in float64, rounded to 8 bits."""

    def upscale(image: np.ndarray) -> np.ndarray:
        enlarged = resize(_to_tensor(image).double(), float(scale))
        return _to_array(enlarged.round().clamp(0, 255).to(torch.uint8))

    return upscale


def _read_8bit(path: Path) -> Tensor:
    """(3, H, W) uint8; 16 bits are refused, because rounding them would change what is measured."""
    pixels = read_image(path).pixels
    if pixels.dtype != np.uint8:
        raise UserError(f"{path}: expected an image of 8 bits per channel, got 16")
    return rgb_planes(pixels)


def _read_pair(pair: ImagePair, scale: int) -> tuple[Tensor, Tensor]:
    """Both images, the high one cut at its right and bottom to a multiple of the scale."""
    whole = _read_8bit(pair.high)
    high = crop_to_multiple(whole, scale)
    height, width = high.shape[-2:]
    if min(height, width) < SSIM_WINDOW + 2 * scale:
        size, smallest = f"{whole.shape[-1]}x{whole.shape[-2]}", -(-(SSIM_WINDOW + 2 * scale) // scale) * scale
        raise UserError(f"{pair.high}: {size} is too small to measure; expected at least {smallest} per side")
    if pair.low is None:
        return high, resize_8bit(high, 1 / scale)
    low = _read_8bit(pair.low)
    if low.shape[-2:] != (height // scale, width // scale):
        got, expected = f"{low.shape[-1]}x{low.shape[-2]}", f"{width // scale}x{height // scale}"
        raise UserError(f"{pair.low}: is {got}, expected {expected}: 1/{scale} of {pair.high}")
    return high, low


def _to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)


def _to_array(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
