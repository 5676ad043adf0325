"""Histograms of I' by kind of run, as in the paper's figure of its grid search, and samples of the best run of each."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from srgan_kit.images.grid import to_pillow

WIDTH, HEIGHT, GAP, BINS = 720, 110, 34, 24
INK, BAR = (28, 28, 30), (26, 95, 180)


def picture(scores: Mapping[str, Sequence[float]], real: float, samples: Mapping[str, Tensor]) -> Image.Image:
    """A histogram and a sheet for each kind, all with one axis from 0 to the training images' I'."""
    top = max(real, *(value for values in scores.values() for value in values)) * 1.02
    sheets = {kind: to_pillow(sheet) for kind, sheet in samples.items()}
    heights = [HEIGHT + GAP + (sheets[kind].height if kind in sheets else 0) + 8 for kind in scores]
    image = Image.new("RGB", (WIDTH, sum(heights) + 8), "white")
    above = 4
    for (kind, values), height in zip(scores.items(), heights, strict=True):
        _histogram(image, above, kind, values, top, real)
        if kind in sheets:
            image.paste(sheets[kind], (4, above + HEIGHT + GAP))
        above += height
    return image


def _histogram(image: Image.Image, above: int, kind: str, values: Sequence[float], top: float, real: float) -> None:
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    counts, _ = np.histogram(values, bins=BINS, range=(0, top))
    floor, width = above + HEIGHT, (WIDTH - 8) / BINS
    for number, count in enumerate(counts):
        tall = (HEIGHT - 24) * count / max(1, len(values))
        left = 4 + number * width
        pen.rectangle((left, floor - tall, left + width - 2, floor), fill=BAR)
    pen.line((4, floor, WIDTH - 4, floor), fill=INK)
    place = 4 + (WIDTH - 8) * real / top
    pen.line((place, above + 20, place, floor), fill=(196, 92, 40))
    text = f"{kind}: I' of {len(values)} runs, median {np.median(values):.2f}, best {max(values):.2f}"
    pen.text((4, above), text, fill=INK, font=font)
    pen.text((4, floor + 4), "0", fill=INK, font=font)
    pen.text((place - 150, floor + 4), f"training images {real:.2f}", fill=INK, font=font)
