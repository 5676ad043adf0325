"""How frames lie in memory: planes of samples, read into arrays and written from them.

FFmpeg's own repacking, as PyAV offers it, writes beyond the memory of narrow frames; it is not used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srgan_kit.errors import UserError

if TYPE_CHECKING:
    from av import VideoFrame


@dataclass(frozen=True)
class Layout:
    """How a decoder or an encoder wants the samples of a frame."""

    name: str
    """FFmpeg's name of it."""
    bits: int
    across: int = 1
    """Columns of luma for each of chroma: 1 or 2."""
    down: int = 1
    """Rows likewise."""
    kind: str = "yuv"
    """yuv, rgb (planes of green, blue, red) or gray."""


def _layouts() -> Iterator[Layout]:
    for bits in (8, 9, 10, 12, 14, 16):
        end = "" if bits == 8 else f"{bits}le"
        yield Layout(f"yuv420p{end}", bits, 2, 2)
        yield Layout(f"yuv422p{end}", bits, 2, 1)
        yield Layout(f"yuv444p{end}", bits)
        yield Layout(f"gbrp{end}", bits, kind="rgb")
        yield Layout(f"gray{end}", bits, kind="gray")


LAYOUTS = {layout.name: layout for layout in _layouts()}
"""Planes of their own for each channel: what is written, and what all others are read as."""
PAIRED = {
    "nv12": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "p010le": "yuv420p10le",
    "p012le": "yuv420p12le",
    "p016le": "yuv420p16le",
    "p210le": "yuv422p10le",
    "p410le": "yuv444p10le",
}
"""Luma, and a plane of both chroma channels in turn; those of more than 8 bits are in the high bits of 16."""
INTERLEAVED = {"yuyv422": (0, 1, 3), "uyvy422": (1, 0, 2)}
"""4:2:2 in one plane: where of four bytes luma starts, and where chroma's two channels are."""
PACKED = {
    "rgb24": "RGB",
    "bgr24": "BGR",
    "rgba": "RGBA",
    "bgra": "BGRA",
    "argb": "ARGB",
    "abgr": "ABGR",
    "rgb0": "RGBX",
    "bgr0": "BGRX",
    "0rgb": "XRGB",
    "0bgr": "XBGR",
    "rgb48le": "RGB",
    "bgr48le": "BGR",
    "rgba64le": "RGBA",
    "bgra64le": "BGRA",
}
"""RGB in one plane, by the order of its channels."""


def layout_of(frame: "VideoFrame") -> Layout:
    """The layout as which the samples of a frame are read.

    Raises:
        UserError: a layout that is not read.
    """
    name = frame.format.name
    if name in PACKED:
        return LAYOUTS["gbrp16le" if "48" in name or "64" in name else "gbrp"]
    if name in INTERLEAVED:
        return LAYOUTS["yuv422p"]
    name = PAIRED.get(name, name)
    plain = name.replace("yuvj", "yuv").replace("yuva", "yuv").replace("gbrap", "gbrp")  # opacity is the last plane
    if plain not in LAYOUTS:
        raise UserError(f"its samples are stored as {name}; expected YCbCr in 4:2:0, 4:2:2 or 4:4:4, RGB or grey")
    return LAYOUTS[plain]


def planes_of(frame: "VideoFrame") -> list[np.ndarray]:
    """The planes of `layout_of(frame)`: (h, w) uint8 or uint16 each; views of the frame's memory where that is so."""
    name, layout = frame.format.name, layout_of(frame)
    if name in PACKED:
        pixels = _rows(frame, 0, len(PACKED[name]))
        return [pixels[:, :, PACKED[name].index(channel)] for channel in "GBR"]
    if name in INTERLEAVED:
        luma, blue, red = INTERLEAVED[name]
        values = _rows(frame, 0, 1, frame.width + frame.width % 2)[:, :, 0]
        return [values[:, luma::2][:, : frame.width], values[:, blue::4], values[:, red::4]]
    if name in PAIRED:
        unused = 16 - layout.bits if layout.bits > 8 else 0
        pairs = _rows(frame, 1, 2, -(-frame.width // layout.across))
        return [part >> unused for part in (_rows(frame, 0, 1)[:, :, 0], pairs[:, :, 0], pairs[:, :, 1])]
    return [_rows(frame, number, 1)[:, :, 0] for number in range(1 if layout.kind == "gray" else 3)]


def _rows(frame: "VideoFrame", number: int, channels: int, width: int | None = None) -> np.ndarray:
    """(h, w, channels) of a plane, without what lies beside the image; a view."""
    plane = frame.planes[number]
    kind = _sample_type(frame)
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
    width = plane.width if width is None else width
    if frame.format.name in INTERLEAVED:
        width *= 2
    return rows[: plane.height, : width * channels].reshape(plane.height, width, channels)


def _sample_type(frame: "VideoFrame") -> np.dtype:
    return np.dtype("<u2") if frame.format.components[0].bits > 8 else np.dtype(np.uint8)


def frame_of(planes: list[np.ndarray], layout: Layout) -> "VideoFrame":
    """A frame whose planes are these (h, w) whole numbers."""
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, layout.name)
    for values, plane in zip(planes, frame.planes, strict=True):
        kind = _sample_type(frame)
        rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size // kind.itemsize), kind)
        rows[: values.shape[0], : values.shape[1]] = values
        plane.update(rows.tobytes())
    return frame
