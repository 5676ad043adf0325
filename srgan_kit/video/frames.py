"""The frames of a video, decoded in the order in which they are shown, from any place on."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from av.error import InvalidDataError

from srgan_kit.errors import UserError
from srgan_kit.video.colors import to_rgb
from srgan_kit.video.source import Video, readable, video_stream

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class Place:
    """Where to go on: after so many frames, with the one of this time, which may be a key frame."""

    frames: int = 0
    pts: int = 0
    is_key: bool = True
    is_end: bool = False
    """Whether there is no such frame, because all are done."""


@dataclass(frozen=True)
class Frame:
    """A decoded frame."""

    pixels: np.ndarray
    """(H, W, 1 or 3) uint16."""
    pts: int
    """When it is shown, in the video's time base."""
    duration: int
    """How long, likewise."""
    is_key: bool


def decoded(video: Video, start: Place, damage: "Counter[str]") -> Iterator[Frame]:
    """The frames from a place on, each once, in the order in which they are shown.

    What is damaged is left out as far as the decoder does not repair it, and counted in `damage`.

    Raises:
        UserError: a frame of another size.
    """
    if start.frames and start.is_key:
        with readable(video.path) as container:
            stream = video_stream(video.path, container)
            container.seek(start.pts, stream=stream)
            frames = _in_order(video, sound(container, stream, damage), start.frames)
            first = next((frame for frame in frames if frame[1] >= start.pts), None)
            if first is not None and first[1] == start.pts:
                yield from _converted(video, chain([first], frames))
                return
    with readable(video.path) as container:  # from the start, where it cannot be reached otherwise
        stream = video_stream(video.path, container)
        frames = _in_order(video, sound(container, stream, damage), 0)
        yield from _converted(video, islice(frames, start.frames, None))


def sound(container: "InputContainer", stream: "VideoStream", damage: "Counter[str]") -> "Iterator[VideoFrame]":
    """What the decoder makes of all packets; what is damaged is left out, and counted."""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except InvalidDataError:
            damage["packets"] += 1
            continue
        damage["frames"] += sum(frame.is_corrupt for frame in frames)
        yield from frames


def _in_order(video: Video, frames: "Iterable[VideoFrame]", number: int) -> "Iterator[tuple[VideoFrame, int]]":
    """Each frame and its time: where there is none, or one that is not after the last, as the rate says."""
    step = _step(video)
    last: int | None = None
    for frame in frames:
        pts = frame.pts if frame.pts is not None else number * step if last is None else last + step
        if last is not None and pts <= last:
            pts = last + 1
        yield frame, pts
        last = pts
        number += 1


def _step(video: Video) -> int:
    """How long a frame is shown where the file does not say."""
    return max(1, round(1 / (video.rate * video.time_base)))


def _converted(video: Video, frames: "Iterable[tuple[VideoFrame, int]]") -> Iterator[Frame]:
    for frame, pts in frames:
        if (frame.width, frame.height) != video.size:
            size, at = f"{frame.width}x{frame.height}", float(pts * video.time_base)
            raise UserError(f"{video.path}: changes its size to {size} at {at:.1f} s; expected one size")
        yield Frame(to_rgb(frame, video.colors), pts, frame.duration or _step(video), frame.key_frame)
