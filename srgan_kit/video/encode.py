"""Frames encoded: which codec, which layout of samples, and what is said of them."""

import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from srgan_kit.errors import UserError
from srgan_kit.video.colors import LUMA_WEIGHTS, Colors, from_rgb
from srgan_kit.video.formats import CODECS, CONTAINERS, QUALITY, SAME, rate_factor
from srgan_kit.video.layouts import LAYOUTS, Layout
from srgan_kit.video.source import Display, Video

PART_FORMAT = "nut"
"""The format of parts: it keeps any time base."""
BT709, LIMITED = 1, 1
os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 prints its settings


@dataclass(frozen=True)
class Encoding:
    """How a result is encoded."""

    codec: str
    """A name in CODECS."""
    quality: int
    layout: Layout
    colors: Colors
    size: tuple[int, int]
    """(width, height), even where chroma is halved."""


def choose_codec(video: Video, target: Path, wanted: str | None) -> str:
    """The codec of a result: the one asked for, or the input's, or the usual one of its depth.

    Raises:
        UserError: the kind of file does not hold it, or PyAV has no encoder of it.
    """
    holds = CONTAINERS[target.suffix.lower()].codecs
    if wanted is not None and wanted not in holds:
        raise UserError(f"{target}: does not hold {wanted}; expected {' or '.join(holds)}, or the ending .mkv")
    usual = SAME.get(video.codec) or ("h264" if video.layout.bits == 8 else "h265")
    name = wanted or (usual if usual in holds else holds[0])
    try:
        av.Codec(CODECS[name].encoder, "w")
    except UnknownCodecError:
        raise UserError(f"this PyAV has no encoder {CODECS[name].encoder}; --codec chooses another one") from None
    return name


def choose_encoding(video: Video, codec: str, size: tuple[int, int], quality: int | None) -> tuple[Encoding, list[str]]:
    """How frames of (width, height) are encoded as near to the input as the codec can, and what it cannot keep."""
    notes: list[str] = []
    taken = av.Codec(CODECS[codec].encoder, "w").video_formats or ()
    known = [LAYOUTS[each.name] for each in taken if each.name in LAYOUTS]
    layout = _nearest(video.layout, known)
    if layout != video.layout:
        notes.append(f"samples are stored as {layout.name}, as {codec} has no {video.layout.name}")
    colors = video.colors
    if layout.kind == "yuv" and colors.matrix not in LUMA_WEIGHTS:
        colors = Colors(BT709, LIMITED, colors.primaries, colors.transfer)
    width, height = max(size[0] // layout.across, 1) * layout.across, max(size[1] // layout.down, 1) * layout.down
    if (width, height) != size:
        before, after = ("x".join(map(str, video.upright(each))) for each in (size, (width, height)))
        notes.append(f"{before} becomes {after}: {layout.name} has even sides only")
    if quality is not None and CODECS[codec].worst is None:
        notes.append(f"--quality has no effect on {codec}, which loses nothing")
    return Encoding(codec, quality or QUALITY, layout, colors, (width, height)), notes


def _nearest(wanted: Layout, known: list[Layout]) -> Layout:
    """The layout that loses least: first colours, then depth, then chroma, then whatever takes least room."""

    def loss(layout: Layout) -> tuple[bool, bool, bool, bool, int, int]:
        return (
            layout.kind == "gray" and wanted.kind != "gray",
            layout.bits < wanted.bits,
            layout.kind == "rgb" and wanted.kind != "rgb",
            layout.across > wanted.across or layout.down > wanted.down,
            (layout.kind != wanted.kind) + abs(layout.bits - wanted.bits),
            abs(layout.across - wanted.across) + abs(layout.down - wanted.down),
        )

    return min(known, key=loss)


class PartWriter:
    """A stretch of frames, encoded into a file of its own, which begins with a key frame.

    Raises:
        UserError: the encoder refuses, the disk is full.
    """

    def __init__(self, path: Path, video: Video, encoding: Encoding) -> None:
        self._encoding, self._time_base = encoding, video.time_base
        self._container = av.open(str(path), "w", format=PART_FORMAT)
        options = encoder_options(encoding, video.display)
        name, rate = CODECS[encoding.codec].encoder, video.rate.limit_denominator(1001)
        self._stream: Any = self._container.add_stream(name, rate=rate, options=options)
        context = self._stream.codec_context
        context.width, context.height = encoding.size
        context.pix_fmt = encoding.layout.name
        context.time_base = video.time_base
        context.sample_aspect_ratio = video.pixel_shape
        colors = encoding.colors
        context.color_range, context.colorspace = colors.range, colors.matrix
        context.color_primaries, context.color_trc = colors.primaries, colors.transfer

    def add(self, pixels: np.ndarray, pts: int) -> None:
        """Encode (H, W, 1 or 3) uint16, shown from `pts` on."""
        frame = from_rgb(pixels, self._encoding.layout, self._encoding.colors)
        frame.pts, frame.time_base = pts, self._time_base
        self._encode(frame)

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Encode what waits, and finish the file; after an error only close it."""
        if kind is None:
            self._encode(None)
            self._container.close()
            return
        with suppress(FFmpegError):
            self._container.close()

    def _encode(self, frame: "av.VideoFrame | None") -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise UserError(f"{CODECS[self._encoding.codec].encoder}: {error.strerror}") from None


def encoder_options(encoding: Encoding, display: Display) -> dict[str, str]:
    """Options of the encoder: quality, and the display of HDR video, each in its own words."""
    factor = rate_factor(CODECS[encoding.codec], encoding.quality)
    if encoding.codec == "ffv1":
        return {"level": "3", "slicecrc": "1"}
    options = {"crf": str(factor)}
    if encoding.codec == "av1":
        options["preset"] = "6"
    own = {"h264": "x264-params", "h265": "x265-params", "av1": "svtav1-params"}[encoding.codec]
    said = ["log-level=error"] if encoding.codec == "h265" else []
    if encoding.codec == "h264" and _has_avx512():
        said.append("asm=avx2")  # x264's AVX-512 code makes other files of the same frames
    is_av1 = encoding.codec == "av1"
    if display.primaries and display.luminance:
        said.append(
            f"{'master-display' if encoding.codec == 'h265' else 'mastering-display'}={_mastering(display, is_av1)}"
        )
    if display.light:
        name = {"h264": "cll", "h265": "max-cll", "av1": "content-light"}[encoding.codec]
        said.append(f"{name}={display.light[0]},{display.light[1]}")
    if said:
        options[own] = ":".join(said)
    return options


def _has_avx512() -> bool:
    """Whether this processor has AVX-512, as NumPy knows it, unless that was built or told not to use it."""
    config: Any = np.show_config(mode="dicts")
    known = config.get("SIMD Extensions", {})
    names = [*known.get("baseline", ()), *known.get("found", ())]
    return any("AVX512" in name or name == "X86_V4" for name in names)


def _mastering(display: Display, is_plain: bool) -> str:
    """G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min): in plain numbers, or in 1/50000 and 1/10000 candela."""

    def number(value: Fraction, unit: int) -> str:
        return f"{float(value):.5f}" if is_plain else str(round(value * unit))

    red, green, blue, white = (display.primaries[start : start + 2] for start in (0, 2, 4, 6))
    places = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
    text = "".join(f"{name}({number(x, 50000)},{number(y, 50000)})" for name, (x, y) in places)
    dark, bright = display.luminance
    return f"{text}L({number(bright, 10000)},{number(dark, 10000)})"
