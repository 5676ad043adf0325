"""Frames of a decoder as RGB, and RGB as frames for an encoder, both exactly as their colour flags say.

FFmpeg's own conversion, as PyAV offers it, is up to a level of 255 off in 10 bits, and shifts colours by a part of a
pixel, because it is not told where chroma's samples lie.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.video.layouts import Layout, frame_of, layout_of, planes_of

if TYPE_CHECKING:
    from av import VideoFrame

UNSPECIFIED, RGB, FULL = 2, 0, 2
"""Code points: of a matrix (ITU-T H.273) that nobody stated, of none; of FFmpeg's full range."""
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Red's and blue's part of luma, by the code point of the matrix (H.273, table 4)."""
NAMES = {1: "BT.709", 5: "BT.601", 6: "BT.601", 8: "YCgCo", 9: "BT.2020", 10: "BT.2020 constant", 14: "ICtCp"}
HD_LINES = 720
"""Height from which players take BT.709 where nothing is stated."""
ROWS_AT_ONCE = 64
PEAK = 65535


@dataclass(frozen=True)
class Colors:
    """What a video says of its colours: code points of H.273, and the range as FFmpeg counts it (1 limited, 2 full)."""

    matrix: int
    range: int
    primaries: int
    transfer: int

    @property
    def is_full(self) -> bool:
        """Whether black is 0."""
        return self.range == FULL

    def check(self) -> None:
        """Raise a UserError for a matrix that is not understood."""
        if self.matrix not in (RGB, *LUMA_WEIGHTS):
            name = NAMES.get(self.matrix, f"of number {self.matrix}")
            raise UserError(f"its colours have the matrix {name}; expected BT.601, BT.709, BT.2020 or RGB")


def to_rgb(frame: "VideoFrame", colors: Colors) -> np.ndarray:
    """A decoder's frame as (H, W, 3) uint16, of grey ones (H, W, 1); beyond black and white it is clipped."""
    layout, planes = layout_of(frame), planes_of(frame)
    height, width = planes[0].shape
    result = np.empty((height, width, len(planes)), np.uint16)
    chroma = [_upsampled(plane, layout, height, width) for plane in planes[1:]] if layout.kind == "yuv" else planes[1:]
    for start in range(0, height, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        parts = [planes[0][rows], *(plane[rows] for plane in chroma)]
        light = _to_light(parts, layout, colors)
        result[rows] = np.stack([_quantised(part, PEAK) for part in light], axis=2)
    return result


def from_rgb(pixels: np.ndarray, layout: Layout, colors: Colors) -> "VideoFrame":
    """(H, W, 1 or 3) uint16 as a frame for an encoder; its flags are those of `colors`, its time is not set."""
    height, width, channels = pixels.shape
    full = [np.empty((height, width), np.float32) for _ in range(1 if layout.kind == "gray" else 3)]
    for start in range(0, height, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        part = pixels[rows].astype(np.float32) / PEAK
        light = [part[:, :, number if channels == 3 else 0] for number in range(3)]
        for plane, values in zip(full, _from_light(light, layout, colors), strict=True):
            plane[rows] = values
    if layout.kind == "yuv":
        full[1:] = [_downsampled(plane, layout) for plane in full[1:]]
    frame = frame_of([_quantised(plane, 2**layout.bits - 1, scale=1) for plane in full], layout)
    frame.colorspace, frame.color_range = colors.matrix, colors.range
    frame.color_primaries, frame.color_trc = colors.primaries, colors.transfer
    return frame


# --- light and code values ------------------------------------------------------------------------------------------


def _offsets(layout: Layout, colors: Colors) -> tuple[float, float, float, float]:
    """(black, white - black, chroma's middle, chroma's span) in code values (H.273, equations 20 to 31)."""
    unit = 2.0 ** (layout.bits - 8)
    if colors.is_full or layout.kind == "rgb":
        peak = 2.0**layout.bits - 1
        return 0, peak, 128 * unit, peak
    return 16 * unit, 219 * unit, 128 * unit, 224 * unit


def _to_light(parts: list[np.ndarray], layout: Layout, colors: Colors) -> list[np.ndarray]:
    """Code values -> R, G, B (or grey) in [0, 1] nominally."""
    black, span, middle, chroma_span = _offsets(layout, colors)
    light = [(part.astype(np.float32) - np.float32(black)) / np.float32(span) for part in parts]
    if layout.kind == "gray":
        return light
    if layout.kind == "rgb":  # green, blue, red
        return [light[2], light[0], light[1]]
    red_weight, blue_weight = LUMA_WEIGHTS[colors.matrix]
    blue_less, red_less = ((part.astype(np.float32) - middle) / chroma_span for part in parts[1:])
    red = light[0] + 2 * (1 - red_weight) * red_less
    blue = light[0] + 2 * (1 - blue_weight) * blue_less
    return [red, (light[0] - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight), blue]


def _from_light(light: list[np.ndarray], layout: Layout, colors: Colors) -> list[np.ndarray]:
    """R, G, B -> code values, not rounded."""
    black, span, middle, chroma_span = _offsets(layout, colors)
    red, green, blue = light
    if layout.kind == "rgb":
        return [black + span * part for part in (green, blue, red)]
    if layout.kind == "gray":
        return [black + span * red]
    red_weight, blue_weight = LUMA_WEIGHTS[colors.matrix]
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    blue_less, red_less = (blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))
    return [black + span * luma, middle + chroma_span * blue_less, middle + chroma_span * red_less]


def _quantised(values: np.ndarray, peak: int, scale: int | None = None) -> np.ndarray:
    """Rounded and clipped to 0 ... peak, after multiplication by `scale`, or by the peak."""
    scaled = values * np.float32(peak if scale is None else scale)
    return np.clip(np.rint(scaled), 0, peak).astype(np.uint16)


# --- where chroma lies ----------------------------------------------------------------------------------------------


def _upsampled(plane: np.ndarray, layout: Layout, height: int, width: int) -> np.ndarray:
    """Chroma at every pixel, linearly: its samples lie on even columns and between two rows, as in MPEG-2 to HEVC."""
    values = plane.astype(np.float32)
    if layout.across == 2:
        right = np.concatenate([values[:, 1:], values[:, -1:]], axis=1)
        values = np.stack([values, (values + right) / 2], axis=2).reshape(len(values), -1)
    if layout.down == 2:
        above, below = np.concatenate([values[:1], values[:-1]]), np.concatenate([values[1:], values[-1:]])
        values = np.stack([0.75 * values + 0.25 * above, 0.75 * values + 0.25 * below], axis=1)
        values = values.reshape(-1, values.shape[2])
    return values[:height, :width]


def _downsampled(plane: np.ndarray, layout: Layout) -> np.ndarray:
    """The reverse: weights 1, 2, 1 across, the mean of two rows."""
    if layout.across == 2:
        padded = np.pad(plane, ((0, 0), (1, 1)), "edge")
        plane = ((padded[:, :-2] + 2 * plane + padded[:, 2:]) / 4)[:, ::2]
    if layout.down == 2:
        if len(plane) % 2:
            plane = np.pad(plane, ((0, 1), (0, 0)), "edge")
        plane = (plane[::2] + plane[1::2]) / 2
    return plane
