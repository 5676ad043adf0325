"""Video files by their endings, and the codecs that are written; PyAV is not imported here."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Container:
    """A kind of file that is written."""

    format: str
    """FFmpeg's name of its muxer."""
    codecs: tuple[str, ...]
    """Names in CODECS, the usual one first."""


@dataclass(frozen=True)
class Codec:
    """How video is encoded."""

    encoder: str
    """FFmpeg's name of it."""
    worst: int | None
    """Its constant rate factor at quality 0, from which it falls to 0 at 100; None for a lossless codec."""


MP4 = Container("mp4", ("h264", "h265", "av1"))
CONTAINERS = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": Container("mov", ("h264", "h265")),
    ".mkv": Container("matroska", ("h264", "h265", "av1", "ffv1")),
    ".webm": Container("webm", ("av1",)),
}
"""What is written, by ending; results of other videos are .mkv, which holds nearly everything."""
CODECS = {
    "h264": Codec("libx264", 51),
    "h265": Codec("libx265", 51),
    "av1": Codec("libsvtav1", 63),
    "ffv1": Codec("ffv1", None),
}
SAME = {"h264": "h264", "hevc": "h265", "av1": "av1", "ffv1": "ffv1"}
"""The codec of a result by its input's, in FFmpeg's words, where none is asked for."""
QUALITY = 70
"""Where none is asked for: a constant rate factor of 15 in H.264 and H.265, 19 in AV1."""
READ_TOO = frozenset(
    (".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".wmv", ".3gp", ".mxf", ".y4m", ".nut")
)
VIDEO_ENDINGS = READ_TOO | CONTAINERS.keys()


def is_video(path: Path) -> bool:
    """Whether a file is called like a video."""
    return path.suffix.lower() in VIDEO_ENDINGS


def video_suffix(path: Path) -> str:
    """The ending of a video's result: its own, or .mkv."""
    suffix = path.suffix.lower()
    return suffix if suffix in CONTAINERS else ".mkv"


def parts_folder(target: Path) -> Path:
    """Where the parts of a result are kept until it is finished."""
    return target.with_name(f"{target.name}.parts")


def missing_video_extra() -> str | None:
    """What to install before videos can be read; None where nothing is missing."""
    if find_spec("av") is not None:
        return None
    return "videos need the extra video: pip install 'srgan-kit[video]'"


def rate_factor(codec: Codec, quality: int) -> int | None:
    """The encoder's constant rate factor for a quality from 1 to 100; None for a lossless codec.

    >>> [rate_factor(CODECS[name], 70) for name in CODECS]
    [15, 15, 19, None]
    """
    return None if codec.worst is None else round(codec.worst * (100 - quality) / 100)
