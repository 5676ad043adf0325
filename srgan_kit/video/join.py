"""The finished parts of a video and all else that its file holds, put together without encoding anything again."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from srgan_kit.errors import UserError
from srgan_kit.images.mark import marked
from srgan_kit.video.encode import PART_FORMAT, Encoding
from srgan_kit.video.formats import CONTAINERS
from srgan_kit.video.parts import Part, Parts
from srgan_kit.video.source import Video, readable, video_stream

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The name of the box of MP4 and QuickTime in which XMP lies (XMP specification, part 3)."""
QUICKTIME_HEVC = "hvc1"
COPIED = ("audio", "subtitle", "attachment")


def join(video: Video, parts: Parts, encoding: Encoding, software: str | None, place: tuple[Path, Path]) -> list[str]:
    """Write the result: the parts' packets, and the input's other streams, chapters and metadata, as they are.

    Args:
        video: the input.
        parts: all of them.
        encoding: theirs.
        software: what the result says made it; None for a result without metadata.
        place: the file to write, and the name that it will have, which says its kind.

    Returns:
        what could not be kept, a line each.

    Raises:
        UserError: a stream that the kind of file does not hold, a full disk.
    """
    file, target = place
    notes: list[str] = []
    kind = CONTAINERS[target.suffix.lower()].format
    with readable(video.path) as source, _writing(target), av.open(str(file), "w", format=kind) as result:
        _describe(result, source, software)
        shown = _add_video(result, video, parts.finished[0].file, encoding, is_stripped=software is None)
        copies = _add_copies(result, source, (video, target), notes)
        result.start_encoding()
        for packet in _merged(_of_parts(parts, shown, video.time_base), _of_source(source, copies)):
            result.mux(packet)
    if software is not None and kind in ("mp4", "mov"):
        packet = marked(None, software)
        with file.open("ab") as end:
            end.write((24 + len(packet)).to_bytes(4, "big") + b"uuid" + XMP_BOX + packet)
    return notes


def check_streams(video: Video, target: Path) -> None:
    """Raise a UserError for a stream that cannot be copied into the kind of file that `target` is."""
    kind = CONTAINERS[target.suffix.lower()].format
    with readable(video.path) as source, av.open(io.BytesIO(), "w", format=kind) as nowhere:
        _add_copies(nowhere, source, (video, target), [])


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None


def _describe(result: "OutputContainer", source: "InputContainer", software: str | None) -> None:
    if software is not None:
        ours = ("encoder", "major_brand", "minor_version", "compatible_brands")
        result.metadata.update({name: text for name, text in source.metadata.items() if name not in ours})
        if result.format.name in ("matroska", "webm"):
            result.metadata["SOFTWARE"] = software
    result.set_chapters(source.chapters())


def _add_video(result: "OutputContainer", video: Video, part: Path, encoding: Encoding, *, is_stripped: bool) -> Any:
    with av.open(str(part), "r", format=PART_FORMAT) as first, readable(video.path) as source:
        stream: Any = result.add_stream_from_template(first.streams.video[0], opaque=True)
        original = video_stream(video.path, source)
        stream.metadata.update({} if is_stripped else _said_of(original))
        stream.disposition = original.disposition
    context = stream.codec_context
    colors = encoding.colors
    context.color_range, context.colorspace = colors.range, colors.matrix
    context.color_primaries, context.color_trc = colors.primaries, colors.transfer
    context.framerate = video.rate
    context.sample_aspect_ratio = stream.sample_aspect_ratio = video.pixel_shape
    stream.time_base = video.time_base
    if encoding.codec == "h265" and result.format.name in ("mp4", "mov"):
        context.codec_tag = QUICKTIME_HEVC
    if video.matrix is not None:
        stream.set_display_matrix(video.matrix)
    return stream


def _said_of(stream: "Stream") -> dict[str, str]:
    """A stream's metadata, without what is said of how it was stored."""
    stored = ("encoder", "DURATION", "BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "vendor_id")
    return {name: text for name, text in stream.metadata.items() if not name.startswith((*stored, "_STATISTICS"))}


def _add_copies(
    result: "OutputContainer", source: "InputContainer", names: tuple[Video, Path], notes: list[str]
) -> "dict[int, Stream]":
    """The streams of the result that are copies, by the index of the original."""
    video, target = names
    copies: dict[int, Stream] = {}
    main = video_stream(video.path, source).index
    for stream in source.streams:
        is_cover = stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)
        if stream.index == main:
            continue
        if stream.type not in COPIED and not is_cover:
            if not (stream.type == "data" and source.chapters()):  # how MP4 stores chapters too
                notes.append(f"stream {stream.index} ({stream.type}) is not kept")
            continue
        try:
            copy = result.add_stream_from_template(stream, opaque=True)
        except (ValueError, FFmpegError):
            name = stream.codec_context.name if stream.codec_context is not None else "unknown"
            hint = "" if target.suffix.lower() == ".mkv" else "; -o NAME.mkv holds more kinds"
            what = f"{stream.type} stream {stream.index} ({name})"
            raise UserError(f"{video.path}: its {what} does not fit into {target.suffix}{hint}") from None
        copy.metadata.update(_said_of(stream))
        copy.disposition = stream.disposition
        copies[stream.index] = copy
    return copies


# --- packets in order -----------------------------------------------------------------------------------------------


def _of_parts(parts: Parts, stream: "Stream", time_base: Fraction) -> "Iterator[tuple[Fraction, Packet]]":
    """(when it is to be decoded, packet) of all parts, as if one encoder had written them."""
    shown = [pts for part in parts.finished for pts, _ in _packets(part, time_base)]
    in_order = sorted(shown)
    following = dict(zip(in_order, [*in_order[1:], parts.place.pts], strict=True))
    every = (item for part in parts.finished for item in _packets(part, time_base))
    for (pts, packet), dts in zip(every, _decoding_times(shown), strict=True):
        packet.stream, packet.time_base = stream, time_base
        packet.pts, packet.dts, packet.duration = pts, dts, following[pts] - pts
        yield dts * time_base, packet


def _packets(part: Part, time_base: Fraction) -> "Iterator[tuple[int, Packet]]":
    """(when it is shown, packet) in the order of decoding."""
    earliest = min((_shown(packet, time_base) for packet in _stored(part.file)), default=0)
    for packet in _stored(part.file):
        yield _shown(packet, time_base) - earliest + part.start, packet


def _stored(file: Path) -> "Iterator[Packet]":
    with av.open(str(file), "r", format=PART_FORMAT) as container:
        yield from (packet for packet in container.demux(video=0) if packet.pts is not None)


def _shown(packet: "Packet", time_base: Fraction) -> int:
    pts = (packet.pts or 0) * packet.time_base / time_base
    assert pts.denominator == 1, "parts keep the time base"
    return int(pts)


def _decoding_times(shown: list[int]) -> list[int]:
    """For packets in the order of decoding, shown at these times: increasing times, none after its packet is shown.

    They are the times of showing in order, as late as reordering demands; the first ones are made up.
    """
    in_order = sorted(shown)
    rank = {pts: number for number, pts in enumerate(in_order)}
    delay = max(number - rank[pts] for number, pts in enumerate(shown))  # at least 0: of the first one
    step = in_order[1] - in_order[0] if len(in_order) > 1 else 1
    early = [in_order[0] - step * (delay - number) for number in range(delay)]
    return (early + in_order)[: len(shown)]


def _of_source(source: "InputContainer", copies: "dict[int, Stream]") -> "Iterator[tuple[Fraction, Packet]]":
    """(when, packet) of the streams that are copied, in the order of the file."""
    streams = [stream for stream in source.streams if stream.index in copies and stream.type != "attachment"]
    if not streams:
        return
    when = Fraction(0)
    for packet in source.demux(streams):
        at = packet.dts if packet.dts is not None else packet.pts
        if packet.size == 0:
            continue
        if at is not None:  # a cover picture has no time
            when = max(when, at * packet.time_base)
        packet.stream = copies[packet.stream.index]
        yield when, packet


def _merged(*sources: "Iterator[tuple[Fraction, Packet]]") -> "Iterator[Packet]":
    """All packets, the earliest first."""
    waiting = [(item, number) for number, source in enumerate(sources) if (item := next(source, None)) is not None]
    while waiting:
        place = min(range(len(waiting)), key=lambda number: (waiting[number][0][0], waiting[number][1]))
        (_, packet), number = waiting[place]
        yield packet
        following = next(sources[number], None)
        if following is None:
            del waiting[place]
        else:
            waiting[place] = (following, number)
