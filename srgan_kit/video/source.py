"""A video that is read: what its file says, checked before any work."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError, InvalidDataError
from av.stream import Disposition

from srgan_kit.errors import UserError
from srgan_kit.video.colors import HD_LINES, LUMA_WEIGHTS, NAMES, RGB, UNSPECIFIED, Colors
from srgan_kit.video.layouts import Layout, layout_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

ENCRYPTED = ("encryption_info", "encryption_init_info")
"""Side data of packets that need a key."""
INTERLACED = (2, 3, 4, 5)
"""FFmpeg's orders of fields of interlaced video."""
TRUNCATED = Fraction(1)
"""Seconds by which frames may end before the file says that they do."""


@dataclass(frozen=True)
class Display:
    """The display that HDR video was made on (SMPTE ST 2086), and how light it gets (CTA-861.3)."""

    primaries: tuple[Fraction, ...] = ()
    """x and y of red, green and blue, then of white; empty where they are not said."""
    luminance: tuple[Fraction, ...] = ()
    """Of black and of white, in candela a square metre."""
    light: tuple[int, ...] = ()
    """The lightest pixel, and the lightest frame's mean."""


@dataclass(frozen=True)
class Video:
    """What a file says of its first video stream."""

    path: Path
    size: tuple[int, int]
    """(width, height) as it is stored."""
    codec: str
    """FFmpeg's name."""
    time_base: Fraction
    rate: Fraction
    """Frames a second, on average."""
    frames: int
    """How many there are, as far as the file says, or by its duration; 0 where neither is known."""
    end: Fraction | None
    """When its last frame ends, in seconds, where the stream says so."""
    colors: Colors
    layout: Layout
    pixel_shape: Fraction
    """Width of a pixel by its height."""
    matrix: tuple[int, ...] | None
    """How it is turned to be shown: nine numbers of FFmpeg's display matrix."""
    display: Display
    notes: tuple[str, ...] = ()

    def upright(self, size: tuple[int, int]) -> tuple[int, int]:
        """A stored (width, height) as it is shown, or one that is shown as it is stored: swapped by a quarter turn."""
        is_turned = self.matrix is not None and not self.matrix[0] and bool(self.matrix[1])
        return (size[1], size[0]) if is_turned else size


@contextmanager
def readable(path: Path) -> "Iterator[InputContainer]":
    """An open file; what FFmpeg says in the block is one line of a UserError.

    Raises:
        UserError: no video that can be read.
    """
    try:
        with av.open(str(path), "r", metadata_errors="replace") as container:
            yield container
    except FFmpegError as error:
        raise UserError(f"{path}: cannot be read: {_reason(error)}") from None


def _reason(error: FFmpegError) -> str:
    said = [*(error.log[2:] if error.log else ()), error.strerror]
    why = next((str(part).strip() for part in said if part), type(error).__name__)
    return why.splitlines()[0] if why else "damaged"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A UserError of the block names the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def video_stream(path: Path, container: "InputContainer") -> "VideoStream":
    """The first stream of moving images.

    Raises:
        UserError: there is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise UserError(f"{path}: has no video stream")


def look(path: Path) -> Video:
    """What a file says, and what its first frame shows.

    Raises:
        UserError: no video, damaged, encrypted, interlaced, no decoder, colours that are not understood.
    """
    with readable(path) as container:
        stream = video_stream(path, container)
        context = stream.codec_context
        if context is None:
            raise UserError(f"{path}: PyAV has no decoder for its video")
        first = _first_frame(path, container, stream)
        if first.interlaced_frame or context.field_order in INTERLACED:
            raise UserError(
                f"{path}: is interlaced; make its frames whole first: ffmpeg -i {path.name} -vf bwdif whole.mkv"
            )
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        end = _end(stream)
        _check_whole(path, container, stream, end)
        length = end if end is not None else Fraction(container.duration or 0, 1_000_000)
        colors, notes = _colors(first)
        with naming(path):
            colors.check()
            layout = layout_of(first)
        if any(component.is_alpha for component in first.format.components):
            notes.append("transparency is not kept")
        return Video(
            path,
            (first.width, first.height),
            context.name,
            stream.time_base or Fraction(1, 1000),
            Fraction(rate),
            stream.frames or round(length * rate),
            end,
            colors,
            layout,
            stream.sample_aspect_ratio or Fraction(1),
            _display_matrix(first),
            _display(first),
            tuple(notes),
        )


def _first_frame(path: Path, container: "InputContainer", stream: "VideoStream") -> "VideoFrame":
    damage: FFmpegError | None = None
    for packet in container.demux(stream):
        if any(data.data_type in ENCRYPTED for data in packet.iter_sidedata()):
            raise UserError(f"{path}: is encrypted")
        try:
            frames = packet.decode()
        except InvalidDataError as error:
            damage = damage or error
            continue
        if frames:
            return frames[0]
    if damage is not None:
        raise damage
    raise UserError(f"{path}: has no frame that can be decoded")


def _end(stream: "VideoStream") -> Fraction | None:
    if stream.duration is not None and stream.time_base is not None:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    said = stream.metadata.get("DURATION", "")  # of Matroska
    try:
        hours, minutes, seconds = said.split(":")
        return 3600 * Fraction(hours) + 60 * Fraction(minutes) + Fraction(seconds)
    except ValueError:
        return None


def _check_whole(path: Path, container: "InputContainer", stream: "VideoStream", end: Fraction | None) -> None:
    """Raise a UserError if the last packets are missing, before hours of work."""
    if end is None or stream.time_base is None:
        return
    container.seek(int(end / stream.time_base), stream=stream)
    ends = ((packet.pts or 0) + (packet.duration or 0) for packet in container.demux(stream) if packet.size)
    last = max(ends, default=0) * stream.time_base
    if last < end - TRUNCATED:
        raise UserError(f"{path}: is cut off: its frames end after {float(last):.1f} s of {float(end):.1f} s")


def _colors(frame: "VideoFrame") -> tuple[Colors, list[str]]:
    """What a frame says; a matrix that is not said is that which players take for its size."""
    full = 2 if frame.format.name.startswith("yuvj") else int(frame.color_range)
    colors = Colors(int(frame.colorspace), full, int(frame.color_primaries), int(frame.color_trc))
    if frame.format.is_rgb:
        return replace(colors, matrix=RGB), []
    if len(frame.format.components) < 3:
        return (colors if colors.matrix in LUMA_WEIGHTS else replace(colors, matrix=1)), []
    if colors.matrix != UNSPECIFIED:
        return colors, []
    matrix = 1 if frame.height >= HD_LINES else 6
    note = f"its colours are taken for {NAMES[matrix]}, by its size, because the file does not say; the result says so"
    return replace(colors, matrix=matrix), [note]


# --- what lies beside a frame ---------------------------------------------------------------------------------------


def _beside(frame: "VideoFrame") -> dict[str, bytes]:
    """Side data by FFmpeg's names of its kinds."""
    side_data: Any = frame.side_data  # a list as well as a mapping
    entries = (side_data[number] for number in range(len(side_data)))
    return {entry.type.name: bytes(entry) for entry in entries}


def _display_matrix(frame: "VideoFrame") -> tuple[int, ...] | None:
    data = _beside(frame).get("DISPLAYMATRIX")
    return None if data is None else struct.unpack("=9i", data[:36])


def _display(frame: "VideoFrame") -> Display:
    """FFmpeg's AVMasteringDisplayMetadata (ten fractions, then whether they are there) and AVContentLightMetadata."""
    beside = _beside(frame)
    primaries, luminance, light = (), (), ()
    if len(data := beside.get("MASTERING_DISPLAY_METADATA", b"")) >= 88:
        numbers = struct.unpack("=22i", data[:88])
        parts = [Fraction(top, bottom or 1) for top, bottom in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
        primaries = tuple(parts[:8]) if numbers[20] else ()
        luminance = tuple(parts[8:]) if numbers[21] else ()
    if len(data := beside.get("CONTENT_LIGHT_LEVEL", b"")) >= 8:
        light = struct.unpack("=2I", data[:8])
    return Display(primaries, luminance, light)
