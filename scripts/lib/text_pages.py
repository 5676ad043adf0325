"""Parts of pages of text, drawn by code: what photographs do not teach a super-resolver."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzetaoinetaoinABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ENDS = (",", ".", ";", ":", "!", "?", ")", "", "", "", "", "", "")
NAMES = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSerif-Italic", "STIXGeneral")


def text_page(side: int, random: np.random.Generator) -> np.ndarray:
    """(side, side, 3) uint8: lines of random words in one font, dark on light or light on dark, sometimes in colour."""
    light, dark = random.integers(200, 256, 3), random.integers(0, 80, 3)
    if random.random() < 0.6:  # paper and ink
        light, dark = np.full(3, random.integers(235, 256)), np.full(3, random.integers(0, 50))
    back, ink = (light, dark) if random.random() < 0.8 else (dark, light)
    image = Image.new("RGB", (side, side), tuple(map(int, back)))
    draw = ImageDraw.Draw(image)
    size = float(random.uniform(14, 56))
    font = _font(size, random)
    top = float(random.uniform(-size, size / 2))
    while top < side:
        draw.text((float(random.uniform(-size, size)), top), _line(random), tuple(map(int, ink)), font)
        top += size * float(random.uniform(1.15, 1.5))
    if random.random() < 0.3:  # rules and frames, as in tables and drawings
        for _ in range(int(random.integers(1, 5))):
            ends = [tuple(map(int, random.integers(0, side, 2))) for _ in range(2)]
            straight = ends if random.random() < 0.4 else [ends[0], (ends[0][0], ends[1][1])]
            draw.line(straight, tuple(map(int, ink)), int(random.integers(1, 6)))
    return np.asarray(image)


def _line(random: np.random.Generator) -> str:
    words: list[str] = []
    for _ in range(24):
        letters = random.choice(list(LETTERS), int(random.integers(1, 11)))
        words.append("".join(letters) + str(random.choice(ENDS)))
    return " ".join(words)


def _font(size: float, random: np.random.Generator) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """One of matplotlib's fonts where it is installed, else Pillow's own."""
    package = find_spec("matplotlib")
    if package is None or package.origin is None:
        return ImageFont.load_default(size)
    folder = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(folder / f"{random.choice(NAMES)}.ttf", size)
