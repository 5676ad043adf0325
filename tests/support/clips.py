"""Small videos made by code: what cameras, editors and archives write, a second or two of it."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from srgan_kit.video.colors import Colors, from_rgb, to_rgb
from srgan_kit.video.layouts import LAYOUTS

TICKS = 90000
SIZE = (48, 32)


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8: gradients that move."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    planes = (columns * 4 + number * 6) % 256, (rows * 7) % 256, np.full_like(rows, (90 + 3 * number) % 256)
    return np.stack(planes, axis=2).astype(np.uint8)


def variable_times(count: int) -> list[int]:
    """When frames are shown, in ticks: no two intervals in a row alike."""
    return np.cumsum([0, *(3600 + number % 3 * 1111 for number in range(count - 1))]).tolist()


def make_clip(
    path: Path,
    count: int = 30,
    *,
    codec: str = "libx264",
    layout: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    times: list[int] | None = None,
    colors: tuple[int, int, int, int] = (1, 6, 6, 6),
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound: bool = False,
    subtitles: bool = False,
    said: bool = False,
    turned: int = 0,
    pixel_shape: Fraction = Fraction(1),
    gop: int = 12,
) -> Path:
    """A video; `colors` are its range, matrix, primaries and transfer."""
    times = [3600 * number for number in range(count)] if times is None else times
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, layout
        context = stream.codec_context
        context.time_base, context.gop_size = Fraction(1, TICKS), gop
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = colors
        stream.sample_aspect_ratio = pixel_shape
        if turned:
            stream.set_display_rotation(turned)
        audio: Any = container.add_stream("aac", rate=48000) if sound else None
        text: Any = container.add_mux_stream("mov_text") if subtitles else None
        if said:
            _describe(container, audio, text)
        for number, pts in enumerate(times):
            pixels = picture(number, size).astype(np.uint16) * 257
            frame = from_rgb(pixels, LAYOUTS[layout.replace("j", "")], Colors(6, *colors[:1], *colors[2:]))
            if "j" in layout:  # the same by an older name
                whole = av.VideoFrame(*size, layout)
                for plane, filled in zip(whole.planes, frame.planes, strict=True):
                    plane.update(bytes(filled))
                frame = whole
            frame.pts, frame.time_base = pts, Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for packet in _sound(audio, times[-1]) if sound else ():
            container.mux(packet)
        for packet in _subtitles(text) if subtitles else ():
            container.mux(packet)
    return path


def _describe(container: Any, audio: Any, text: Any) -> None:
    container.metadata.update({"title": "A clip", "comment": "as it was"})
    if audio is not None:
        audio.metadata["language"] = "deu"
    if text is not None:
        text.metadata["language"] = "fra"
    base = Fraction(1, 1000)
    names = (("one", 0, 500), ("two", 500, 1500))
    container.set_chapters(
        [
            {"id": number, "start": start, "end": end, "time_base": base, "metadata": {"title": name}}
            for number, (name, start, end) in enumerate(names)
        ]
    )


def _sound(stream: Any, end: int) -> Iterator[Any]:
    for number in range(end * 48000 // TICKS // 1024):
        wave = np.sin(np.arange(1024) * 0.05 + number).astype(np.float32)[None].repeat(2, axis=0) / 5
        frame: Any = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * 1024, Fraction(1, 48000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _subtitles(stream: Any) -> Iterator[Any]:
    for number, words in enumerate((b"hello", b"world")):
        packet: Any = av.Packet(struct.pack(">H", len(words)) + words)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = 400 * number
        packet.duration = 300
        yield packet


# --- what is in a file ----------------------------------------------------------------------------------------------


def shown_times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.pts * stream.time_base for frame in container.decode(stream)]  # pyright: ignore[reportOperatorIssue]


def frames_of(path: Path, colors: Colors = Colors(6, 1, 6, 6)) -> list[np.ndarray]:
    """All frames, (H, W, 3) uint16."""
    with av.open(str(path)) as container:
        return [to_rgb(frame, colors) for frame in container.decode(video=0)]


def copied_packets(path: Path) -> dict[str, list[tuple[Fraction, Fraction, bytes]]]:
    """(shown, decoded, content) of the packets of sound and subtitles, by their kind."""
    found: dict[str, list[tuple[Fraction, Fraction, bytes]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type in ("audio", "subtitle"):
                times = packet.pts * packet.time_base, packet.dts * packet.time_base  # pyright: ignore[reportOptionalOperand]
                found.setdefault(packet.stream.type, []).append((*times, bytes(packet)))
    return found


def flags_of(path: Path) -> dict[str, Any]:
    """What a video says of its colours and its shape."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        first = next(container.decode(stream))
        return {
            "layout": context.pix_fmt,
            "colors": (context.color_range, context.colorspace, context.color_primaries, context.color_trc),
            "pixel shape": stream.sample_aspect_ratio or Fraction(1),
            "turned": first.rotation,
            "size": (context.width, context.height),
        }
