"""What an image went through before it came here: read from its file and measured on its pixels."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srgan_kit.images.rows import Rows
from srgan_kit.upscaling.artifacts import artifact_level

STANDARD_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""The quantisation table of luma in annex K of the JPEG standard (ITU-T T.81, table K.1)."""
LARGEST = 1_000_000
"""Pixels that are looked at: the middle of a larger image."""
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
WHITE = 0.65
"""Diagonal detail over straight detail from which it is noise: 1 for white noise, half as much for photographs."""
SAME, FLAT = 12, 1
"""Levels between which light counts as the same, and as one colour."""
BLOCK = 8
"""Side of JPEG's blocks."""
TRACED = 384
"""Side of the middle part whose frequencies and artifacts are looked at."""
VANISHED = 0.6
"""Size of a coefficient, in levels, up to which it counts as one that was rounded to zero: rounding pixels to 8 bits
moves it by 0.3."""

_steps = np.arange(BLOCK)
COSINES = np.sqrt(2 / BLOCK) * np.cos(np.pi * (2 * _steps[None] + 1) * _steps[:, None] / (2 * BLOCK))
COSINES[0] /= np.sqrt(2)
COSINES = COSINES.astype(np.float32)
"""The orthonormal discrete cosine transform of a block's columns."""
HIGHER = _steps[:, None] + _steps[None] >= 3
"""Frequencies that may vanish: all but the lowest, which hardly ever do."""
LOWER = [(row, column) for row in range(4) for column in range(4 - row) if row + column]
"""Frequencies on whose multiples the quality is read: the lowest, which are seldom zero."""
FAINT, CERTAIN, FEW = 0.05, 0.19, 20
"""Traces up to which the quality is not read, how near to multiples frequencies have to lie, how many are few."""


@dataclass(frozen=True)
class Evidence:
    """What is known of an image's past."""

    jpeg_quality: int | None
    """Quality of a JPEG file, as the IJG's encoder counts it; None for other files."""
    lossy: str | None
    """The lossy format of another file, such as "WebP"; None where there is none or it is not known."""
    trace: float
    """Fraction of an image's frequencies that JPEG rounded to zero in blocks of 8x8, at any offset; 0 for none."""
    traced_quality: int | None
    """The quality of that JPEG, by the multiples on which its frequencies lie; None where it cannot be told."""
    noise: float
    """Standard deviation of noise in the smoothest parts, in levels of 255."""
    paper: float
    """Fraction of pixels whose light is near the most frequent one: about half of a page."""
    flat: float
    """Likewise, but within one level: of a sky little, whose light changes."""
    ink: float
    """Fraction of steps, among those that can be seen, from ink to paper: of two neighbours far apart in light."""
    artifacts: float | None
    """Root mean square of what compression, also before a resize, and noise added, in levels, by a network's estimate;
    None for small images."""


def jpeg_quality(tables: dict[int, list[int]]) -> int:
    """The quality at which the IJG's encoder would use such a table of luma, 1 to 100.

    The encoder scales the standard's table by 5000 / quality below 50 and by 200 - 2 quality from there, in percent;
    cameras have tables of their own, so it is an estimate.
    """
    percent = 100 * sum(tables[min(tables)]) / int(STANDARD_LUMA.sum())
    return round(min(100, max(1, 5000 / percent if percent > 100 else (200 - percent) / 2)))


def of_file(file: Path) -> tuple[int | None, str | None]:
    """(quality of a JPEG file, name of another lossy format); nothing of what Pillow does not know."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
            return of_image(image)
    except Exception:  # it was decoded by something else
        return None, None


def of_image(image: Image.Image) -> tuple[int | None, str | None]:
    """`of_file` of an opened file."""
    tables = getattr(image, "quantization", None)
    if image.format in ("JPEG", "MPO") and tables:
        return jpeg_quality(tables), None
    if image.format == "WEBP":
        return None, "WebP" if _is_lossy_webp(image) else None
    return None, {"AVIF": "AVIF", "HEIF": "HEIC"}.get(image.format or "")


def evidence(pixels: Rows, quality: int | None = None, lossy: str | None = None) -> Evidence:
    """What (H, W, C) pixels, uint8 or uint16, say of their past, and what is known of their file."""
    levels = _levels(pixels)
    light = levels @ LUMA if levels.shape[2] == 3 else levels[:, :, 0]
    traced, level = jpeg_trace(light), artifact_level(_middle(light))
    return Evidence(quality, lossy, *traced, noise_level(levels, light), *page(light), level)


def jpeg_trace(light: np.ndarray) -> tuple[float, int | None]:
    """Fraction of higher frequencies that vanish in blocks of 8x8 at one offset and at no other, and JPEG's quality.

    (H, W) levels -> [0, 1], 0 for none, and 20 to 98. JPEG rounds the frequencies of its blocks to multiples of steps,
    most of them to zero. They are multiples again, but for what rounding pixels to 8 bits adds, where an image is cut
    along the same blocks, and nowhere else (Fan and de Queiroz 2003, "Identification of bitmap compression history:
    JPEG detection and quantizer estimation", IEEE Transactions on Image Processing 12(2), sec. III).
    """
    middle = _middle(light) - 128
    if min(middle.shape) < 4 * BLOCK:
        return 0.0, None
    offsets = [(row, column) for row in range(BLOCK) for column in range(BLOCK)]
    vanished = np.array([_vanished(_frequencies(middle[row:, column:])) for row, column in offsets])
    best = int(vanished.argmax())
    elsewhere = np.delete(vanished, best)
    excess = vanished[best] - np.median(elsewhere)
    if excess < 3 * elsewhere.std():
        return 0.0, None
    trace = float(excess / (1 - np.median(elsewhere) + 0.02))  # the small number for skies, where nearly all vanish
    row, column = offsets[best]
    return trace, _quality_of(_frequencies(middle[row:, column:])) if trace > FAINT else None


def _quality_of(frequencies: np.ndarray) -> int | None:
    """The quality on the multiples of whose steps (N, 8, 8) frequencies lie; None where they lie on none's."""
    found: dict[int, float] = {}
    for quality in range(20, 99, 2):
        steps = np.maximum(1, np.floor((STANDARD_LUMA * percent_of(quality) + 50) / 100))
        on, count = 0.0, 0
        for place in LOWER:
            values, step = frequencies[:, place[0], place[1]], steps[place]
            values = values[np.abs(values) > 0.6 * step]
            on += float(np.cos(2 * np.pi * values / step).sum())
            count += len(values)
        found[quality] = on / (count + FEW)
    best = max(found, key=lambda quality: found[quality])
    return best if found[best] > CERTAIN else None


def percent_of(quality: int) -> float:
    """By how many percent the IJG's encoder multiplies the standard's table."""
    return 5000 / quality if quality < 50 else 200 - 2 * quality


def _frequencies(light: np.ndarray) -> np.ndarray:
    """(H, W) -> (N, 8, 8): the cosine transform of whole blocks."""
    rows, columns = (side // BLOCK for side in light.shape)
    blocks = light[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    return (COSINES @ blocks @ COSINES.T).reshape(-1, BLOCK, BLOCK)


def _vanished(frequencies: np.ndarray) -> float:
    return float((np.abs(frequencies[:, HIGHER]) < VANISHED).mean())


def noise_level(levels: np.ndarray, light: np.ndarray) -> float:
    """Standard deviation of noise, in levels: of diagonal detail in the smoothest tenth of the image's blocks.

    (H, W, 1 or 3) levels and (H, W) light. Diagonal detail is (a - b - c + d) / 2 of 2x2 pixels, in which white noise
    keeps its standard deviation: the finest Haar wavelet (Donoho and Johnstone 1994, "Ideal spatial adaptation by
    wavelet shrinkage", sec. 4). Texture has it too, but little of it in the differences of colours, which are looked at
    first. In light it counts as noise only where it is as strong as horizontal and vertical detail.
    """
    found = 0.0
    if levels.shape[2] == 3:
        red, blue = (_smoothest(_details((levels[:, :, c] - levels[:, :, 1]) / math.sqrt(2))[0]) for c in (0, 2))
        found = min(red, blue)
    diagonal, *straight = map(_spread, _details(light))
    if len(diagonal):
        smooth = np.argsort(diagonal)[: max(3, len(diagonal) // 10)]
        detail = math.sqrt(np.mean([np.square(each[smooth]).mean() for each in straight]))
        own = float(diagonal[smooth].mean())
        if own > WHITE * (detail + 0.5):
            found = max(found, own)
    return found


def page(light: np.ndarray) -> tuple[float, float, float]:
    """(paper, flat, ink) of (H, W) levels: see `Evidence`."""
    counts = np.bincount(light.round().clip(0, 255).astype(int).ravel(), minlength=256)
    paper, flat = (
        float(np.convolve(counts, np.ones(2 * near + 1), "same").max()) / light.size for near in (SAME, FLAT)
    )
    steps = np.concatenate([np.abs(np.diff(light, axis=axis)).ravel() for axis in (0, 1)])
    visible = (steps > SAME).sum()
    return paper, flat, float((steps > 5 * SAME).sum() / visible) if visible else 0.0


def _details(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Diagonal, horizontal and vertical Haar details of (H, W), each (H / 2, W / 2)."""
    height, width = (side // 2 * 2 for side in plane.shape)
    a, b, c, d = (plane[y:height:2, x:width:2] for y in (0, 1) for x in (0, 1))
    return (a - b - c + d) / 2, (a - b + c - d) / 2, (a + b - c - d) / 2


def _spread(detail: np.ndarray) -> np.ndarray:
    """The root mean square of each block of a detail."""
    rows, columns = (side // BLOCK for side in detail.shape)
    blocks = detail[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    return np.sqrt(np.square(blocks).mean(axis=(2, 3))).ravel()


def _smoothest(detail: np.ndarray) -> float:
    spread = _spread(detail)
    return float(np.quantile(spread, 0.1)) if len(spread) else 0.0


def _levels(pixels: Rows) -> np.ndarray:
    """The middle of the image, (H, W, C) float32 in levels of 255."""
    height, width, _ = pixels.shape
    top, left, rows, columns = 0, 0, height, width
    if height * width > LARGEST:
        share = math.sqrt(LARGEST / (height * width))
        rows, columns = max(1, int(height * share)), max(1, int(width * share))
        top, left = (height - rows) // 2, (width - columns) // 2
    middle = pixels[top : top + rows][:, left : left + columns]
    return middle.astype(np.float32) / (257 if pixels.dtype == np.uint16 else 1)


def _middle(light: np.ndarray) -> np.ndarray:
    """(H, W) -> the middle of it, of no more than TRACED rows and columns."""
    top, left = (max(0, (side - TRACED) // 2) for side in light.shape)
    return light[top : top + TRACED, left : left + TRACED]


def _is_lossy_webp(image: Image.Image) -> bool:
    """A lossless WebP file has a chunk VP8L where a lossy one has VP8 (RFC 9649, sec. 2.5 and 2.6)."""
    file = getattr(image, "fp", None)
    if file is None:
        return True
    position = file.tell()
    try:
        file.seek(0)
        return b"VP8L" not in file.read(4096)
    finally:
        file.seek(position)
