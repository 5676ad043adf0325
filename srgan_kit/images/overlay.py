"""A map of values laid over an image, with a legend: colours that colour-blind people tell apart."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

RAMP = np.array([(20, 62, 175), (104, 88, 140), (190, 104, 92), (242, 150, 44), (255, 232, 110)], np.float32)
"""From the lowest value to the highest: ever lighter, and from blue to yellow, which nearly everybody sees."""
DARKEST, LIGHTEST = 40, 205
"""The image below becomes grey between these levels, so that both ends of the ramp are seen on it."""
OPAQUE = 0.85
"""Opacity of the highest value's colour; that of others grows with the value."""
PAPER, INK = (24, 24, 27), (244, 244, 245)
NARROWEST = 360
"""Pixels that a legend needs; a smaller image gets as much room."""
ROWS_AT_ONCE = 64


def colour_of(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1], of any shape (...), -> their colours (..., 3) float32 in levels, by linear interpolation."""
    place = np.linspace(0, 1, len(RAMP), dtype=np.float32)
    return np.stack([np.interp(values, place, RAMP[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def overlay(image: np.ndarray, values: np.ndarray, highest: float, title: str) -> np.ndarray:
    """The image in grey, coloured by the values, over a legend with a scale: uint8 RGB.

    Args:
        image: (H, W, 1 or 3), uint8 or uint16.
        values: (H, W), >= 0; what is beyond the highest is coloured like it.
        highest: value at the end of the scale.
        title: of the scale.
    """
    height, width = values.shape
    drawn = np.empty((height, width, 3), np.uint8)
    peak = np.iinfo(image.dtype).max
    for start in range(0, height, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        light = image[rows].astype(np.float32).mean(axis=2, keepdims=True) / peak
        grey = DARKEST + (LIGHTEST - DARKEST) * light
        fraction = np.clip(values[rows] / highest, 0, 1).astype(np.float32)
        opacity = OPAQUE * np.sqrt(fraction)[:, :, None]
        drawn[rows] = np.rint(grey + opacity * (colour_of(fraction) - grey))
    legend = _legend(max(width, NARROWEST), highest, title)
    canvas = np.empty((height + len(legend), legend.shape[1], 3), np.uint8)
    canvas[:] = PAPER
    canvas[:height, :width] = drawn
    canvas[height:] = legend
    return canvas


def _legend(width: int, highest: float, title: str) -> np.ndarray:
    """The title, the ramp as it looks on middle grey, and numbers below it; larger below large images."""
    letters = min(max(width // 50, 12), 48)
    gap, font = letters // 2, ImageFont.load_default(letters)
    while letters > 8 and font.getlength(title) > width - 2 * gap:
        letters -= 1
        font = ImageFont.load_default(letters)
    canvas = Image.new("RGB", (width, 4 * gap + 4 * letters), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((gap, gap), title, fill=INK, font=font)
    left, right, top = 2 * gap, width - 2 * gap - letters, 2 * gap + letters + gap // 2
    fraction = np.linspace(0, 1, right - left, dtype=np.float32)
    grey = (DARKEST + LIGHTEST) / 2
    colours = np.rint(grey + OPAQUE * np.sqrt(fraction)[:, None] * (colour_of(fraction) - grey)).astype(np.uint8)
    canvas.paste(Image.fromarray(np.repeat(colours[None], letters, axis=0)), (left, top))
    for number in range(5):
        x, value = left + (right - left) * number // 4, highest * number / 4
        draw.line([(x, top + letters), (x, top + letters + gap // 2)], fill=INK)
        text = f"{value:g}" + (" and more" if number == 4 else "")
        anchor = "ra" if number == 4 else "ma"
        place = (right + letters if number == 4 else x, top + letters + gap)
        draw.text(place, text, fill=INK, font=font, anchor=anchor)
    return np.asarray(canvas)
