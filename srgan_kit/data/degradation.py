"""Low-resolution images as cameras and the web make them: rounds of blur, resizing, noise and JPEG, drawn at random.

Wang et al. 2021, "Real-ESRGAN: training real-world blind super-resolution with pure synthetic data", sec. 3,
arXiv:2107.10833. What is drawn comes from one generator of random numbers, so that a degradation is a function of its
seed; the ranges are those of `srgan_kit.data.degradation_settings`.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from srgan_kit.data.blur_kernels import gaussian_kernel, plateau_kernel, sinc_kernel
from srgan_kit.data.degradation_settings import (
    BlurConfig,
    JPEGConfig,
    LightConfig,
    NoiseConfig,
    ResizeConfig,
    RoundConfig,
    RoundsConfig,
    SecondOrderConfig,
    SincConfig,
)
from srgan_kit.images.pixels import unit_floats

__all__ = ["LightConfig", "SecondOrderConfig", "degradation_random", "degrade", "draw_kernel"]

MARGIN = 4
"""Low-resolution pixels around a training crop that are degraded with it and cut off. With so many, what a blur lacks
beyond them changes the crop's border no more than its middle."""
JPEG_UNIT = 16
"""Pixels after which JPEG's grid of blocks repeats where chroma is halved."""
FAST_SIDE = 16
"""Images are padded to multiples of it for a Fourier transform, which is several times faster then."""
STREAM = 1
"""Keeps these random numbers apart from those of (seed, sample number), which choose the crop."""

Mode = Literal["area", "bilinear", "bicubic"]
MODES: tuple[Mode, ...] = ("area", "bilinear", "bicubic")


def degradation_random(seed: int, index: int) -> np.random.Generator:
    """The random numbers of sample `index` in a run of that seed; no epoch or worker comes into it."""
    return np.random.default_rng((seed, index, STREAM))


def degrade(image: Tensor, scale: int, config: RoundsConfig, random: np.random.Generator) -> Tensor:
    """A low-resolution image, degraded: (C, H, W) -> (C, H / scale, W / scale), C = 1 or 3.

    Both are uint8, or both float32 in [0, 1]: JPEG has 8 bits, all else works in floats.

    Every round blurs, resizes and adds noise; all but the last end with JPEG. At the end stand the reduction to the
    low-resolution size with a sinc filter, and the last JPEG, in an order that is drawn (sec. 3.4).

    Raises:
        ValueError: not (1 or 3, H, W) uint8 or float32, or sides that `scale` does not divide.
    """
    height, width = image.shape[-2:]
    known = image.dtype in (torch.uint8, torch.float32) and image.shape[:-2] in ((1,), (3,))
    if not known or height % scale or width % scale:
        got = f"{tuple(image.shape)} {image.dtype}"
        raise ValueError(f"degrade: expected (1 or 3, H, W) uint8 or float with sides that {scale} divides, got {got}")
    size = height // scale, width // scale
    *earlier, last = config.rounds
    with _one_thread():
        pixels = unit_floats(image)
        for settings in earlier:
            pixels = _round(pixels, (pixels.shape[1], pixels.shape[2]), settings, random)
            pixels = _compressed(pixels, settings.jpeg, random)
        pixels = _round(pixels, size, last, random)
        if _happens(random, 0.5):
            pixels = _ringing(_resized(pixels, size, last.resize, random), config.final_sinc, random)
            pixels = _compressed(pixels, last.jpeg, random)
        else:
            pixels = _compressed(pixels, last.jpeg, random)
            pixels = _ringing(_resized(pixels, size, last.resize, random), config.final_sinc, random)
        return _to_8bit(pixels) if image.dtype == torch.uint8 else pixels.clamp(0, 1)


# --- the operations: (C, H, W) float in [0, 1] -> the same ----------------------------------------------------------


def blur(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolution with a (size, size) kernel of odd size, the image's edge repeated beyond it."""
    from kornia.filters import fft_conv  # here, because importing it takes long and few trainings need it

    height, width = image.shape[1:]
    reach = len(kernel) // 2
    right, bottom = (reach + -(side + 2 * reach) % FAST_SIDE for side in (width, height))
    padded = F.pad(image[:, None], (reach, right, reach, bottom), mode="replicate")  # channels as a batch: one kernel
    blurred = fft_conv(padded, kernel[None].to(image), padding="valid", behaviour="conv")
    return blurred[:, 0, :height, :width].clamp(0, 1)


def resize_by(image: Tensor, size: tuple[int, int], mode: Mode, antialias: bool = False) -> Tensor:
    """To (height, width), the outer edges on each other; `antialias` is for bilinear and bicubic reduction."""
    if image.shape[1:] == size:
        return image
    if mode == "area":
        return F.interpolate(image[None], size, mode="area")[0]
    return F.interpolate(image[None], size, mode=mode, align_corners=False, antialias=antialias)[0].clamp(0, 1)


def gaussian_noise(image: Tensor, sigma: float, random: np.random.Generator, grey: bool = False) -> Tensor:
    """Plus noise of standard deviation `sigma` (of 1); grey noise is the same in all channels."""
    noise = random.standard_normal(image[:1].shape if grey else image.shape, dtype=np.float32)
    return (image + sigma * torch.from_numpy(noise)).clamp(0, 1)


def poisson_noise(image: Tensor, strength: float, random: np.random.Generator, grey: bool = False) -> Tensor:
    """x + strength * (P - x), where 255 P is Poisson with a mean of 255 x: the variance is strength² x / 255.

    Grey noise is that of the channels' mean, the same in all of them.
    """
    light = image.mean(dim=0, keepdim=True) if grey else image
    levels = 255 * light.double().numpy()
    noise = torch.from_numpy((random.poisson(levels) - levels) / 255).float()
    return (image + strength * noise).clamp(0, 1)


def jpeg(image: Tensor, quality: int, offset: tuple[int, int] = (0, 0)) -> Tensor:
    """Rounded to 8 bits, compressed by Pillow with chroma halved, and read again.

    The grid of blocks begins `offset` (rows, columns) before the image, as in a crop of a larger file.
    """
    top, left = offset
    pixels = _to_8bit(image).permute(1, 2, 0).numpy()
    padded = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="edge")
    file = io.BytesIO()
    grey = padded.shape[2] == 1
    Image.fromarray(padded[..., 0] if grey else padded).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    read = np.asarray(Image.open(file)).reshape(padded.shape)[top:, left:]
    return torch.from_numpy(read.copy()).permute(2, 0, 1).float() / 255


# --- what is drawn --------------------------------------------------------------------------------------------------


def _round(image: Tensor, full: tuple[int, int], settings: RoundConfig, random: np.random.Generator) -> Tensor:
    """Blur, resizing and noise; factors of size are of `full`."""
    image = _blurred(image, settings.blur, random)
    factor = _factor(settings.resize, random)
    height, width = (max(1, round(factor * side)) for side in full)
    image = _resized(image, (height, width), settings.resize, random)
    return _noisy(image, settings.noise, random)


def _blurred(image: Tensor, settings: BlurConfig, random: np.random.Generator) -> Tensor:
    return blur(image, draw_kernel(settings, random)) if _happens(random, settings.probability) else image


def draw_kernel(settings: BlurConfig, random: np.random.Generator) -> Tensor:
    """A blur kernel (size, size) as the settings say."""
    size = _size(settings.size, random)
    if _happens(random, settings.sinc):
        return sinc_kernel(size, random.uniform(*settings.cutoff))
    first = random.uniform(*settings.sigma)
    second, angle = first, 0.0
    if _happens(random, settings.anisotropic):
        second, angle = random.uniform(*settings.sigma), random.uniform(0, math.pi)
    kind = random.random()
    if kind < settings.plateau:
        return plateau_kernel(size, (first, second), angle, random.uniform(*settings.plateau_shape))
    if kind < settings.plateau + settings.generalised:
        return gaussian_kernel(size, (first, second), angle, random.uniform(*settings.generalised_shape))
    return gaussian_kernel(size, (first, second), angle)


def _factor(settings: ResizeConfig, random: np.random.Generator) -> float:
    smallest, largest = settings.factor
    kind = random.random()
    if kind < settings.enlarge:
        return random.uniform(1, largest)
    return random.uniform(smallest, 1) if kind < settings.enlarge + settings.reduce else 1.0


def _resized(image: Tensor, size: tuple[int, int], settings: ResizeConfig, random: np.random.Generator) -> Tensor:
    mode = MODES[random.integers(len(MODES))]
    return resize_by(image, size, mode, antialias=_happens(random, settings.antialias))


def _noisy(image: Tensor, settings: NoiseConfig, random: np.random.Generator) -> Tensor:
    if not _happens(random, settings.probability):
        return image
    grey = _happens(random, settings.grey)
    if _happens(random, settings.poisson):
        return poisson_noise(image, random.uniform(*settings.strength), random, grey)
    return gaussian_noise(image, random.uniform(*settings.sigma) / 255, random, grey)


def _compressed(image: Tensor, settings: JPEGConfig, random: np.random.Generator) -> Tensor:
    if not _happens(random, settings.probability):
        return image
    quality = int(random.integers(settings.quality[0], settings.quality[1] + 1))
    top, left = random.integers(JPEG_UNIT, size=2).tolist()
    return jpeg(image, quality, (top, left))


def _ringing(image: Tensor, settings: SincConfig, random: np.random.Generator) -> Tensor:
    if not _happens(random, settings.probability):
        return image
    return blur(image, sinc_kernel(_size(settings.size, random), random.uniform(*settings.cutoff)))


def _size(limits: tuple[int, int], random: np.random.Generator) -> int:
    """An odd number between two odd ones."""
    return limits[0] + 2 * int(random.integers((limits[1] - limits[0]) // 2 + 1))


def _happens(random: np.random.Generator, probability: float) -> bool:
    return bool(random.random() < probability)


def _to_8bit(image: Tensor) -> Tensor:
    return (255 * image).round().clamp(0, 255).to(torch.uint8)


@contextmanager
def _one_thread() -> Iterator[None]:
    """As in a data loader's worker: on more threads bilinear resizing and FFTs round differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
