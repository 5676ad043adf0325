"""A video upscaled frame by frame: by one model, in parts that are kept when it is stopped, all else copied."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from dataclasses import replace as changed
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from srgan_kit import __version__
from srgan_kit.atomic import atomic_write
from srgan_kit.images.depth import check_pixels
from srgan_kit.images.image import LoadedImage
from srgan_kit.upscaling.choice import Choice
from srgan_kit.upscaling.runner import Model
from srgan_kit.upscaling.upscaler import Upscaler
from srgan_kit.video.colors import to_rgb
from srgan_kit.video.encode import Encoding, PartWriter, choose_codec, choose_encoding
from srgan_kit.video.frames import Frame, Place, decoded, sound
from srgan_kit.video.join import check_streams, join
from srgan_kit.video.parts import Parts
from srgan_kit.video.source import Video, look, readable, video_stream

Size = tuple[int, int]
Progress = Callable[[int, int], None]
SHORTEST, LONGEST = 24, 96
"""Frames of a part: it ends at the first key frame of the input from the one on, at the latest after the other."""
LOOKED_AT = 5
"""Frames, spread over the video, by which a model is chosen."""


@dataclass(frozen=True)
class VideoOptions:
    """What a result is to be like."""

    size: Callable[[Size], Size]
    """(width, height) of the input -> of the result, both as they are shown."""
    codec: str | None = None
    """A name in `video.formats.CODECS`; None for the input's own where that is possible."""
    quality: int | None = None
    consistent: bool = False
    software: Callable[[str], str] | None = None
    """The model's name -> what the result says made it; None for one without metadata."""


@dataclass(frozen=True)
class UpscaledVideo:
    """What was made."""

    size: Size
    choice: Choice
    frames: int
    resumed: int
    """Frames that an earlier run had finished."""
    redone_tiles: int
    notes: tuple[str, ...]


def upscale_video(
    source: Path,
    target: Path,
    upscaler: Upscaler,
    options: VideoOptions,
    progress: Progress | None = None,
    *,
    replace: bool = True,
) -> UpscaledVideo:
    """Upscale a video file; `progress` is called with (frames done, frames in all, as far as that is known).

    A run that is stopped leaves its finished parts in a folder beside `target`; the same call goes on with them, and
    the result is that of a run never stopped. Frames are decoded, upscaled and encoded one at a time.

    Raises:
        FileExistsError: the target exists, and `replace` is false.
        UserError: not a video that can be read, larger than Pillow thinks safe, or not to be written as `target`.
    """
    video = look(source)
    check_pixels(source, *video.size)
    shown = video.upright(video.size)
    wanted = video.upright(options.size(shown))
    codec = choose_codec(video, target, options.codec)
    check_streams(video, target)
    encoding, notes = choose_encoding(video, codec, wanted, options.quality)
    choice = choose_model(video, upscaler, max(wanted[0] / video.size[0], wanted[1] / video.size[1]))
    parts = Parts(target, _settings(video, encoding, upscaler, choice, options))
    if parts.discarded:
        notes.append("parts of an earlier run with other settings, or of another input, were removed")
    work = _Work(video, encoding, upscaler, choice, options.consistent, progress or (lambda done, total: None))
    resumed = parts.place.frames
    work.run(parts)
    software = None if options.software is None else options.software(choice.name)
    with atomic_write(target, replace) as file:
        notes += join(video, parts, encoding, software, (file, target))
    parts.remove()
    if any(work.damage.values()):
        counted = f"{work.damage['packets']} packets left out, {work.damage['frames']} frames repaired"
        notes.append(f"the input is damaged: {counted}")
    said = dict.fromkeys([*video.notes, *notes, *work.notes])
    return UpscaledVideo(
        video.upright(encoding.size), choice, parts.place.frames, resumed, work.redone_tiles, tuple(said)
    )


@dataclass
class _Work:
    """What becomes of each frame."""

    video: Video
    encoding: Encoding
    upscaler: Upscaler
    choice: Choice
    consistent: bool
    progress: Progress
    notes: list[str] = field(default_factory=list)
    redone_tiles: int = 0
    damage: Counter[str] = field(default_factory=Counter)
    """How many packets could not be decoded, and how many frames were repaired."""

    def run(self, parts: Parts) -> None:
        """Make all parts that are missing."""
        if parts.place.is_end:
            return
        frames = decoded(self.video, parts.place, self.damage)
        first = next(frames, None)
        while first is not None:
            done, last, following = 0, first, None
            with atomic_write(parts.next_file) as file, PartWriter(file, self.video, self.encoding) as writer:
                for frame in chain([first], frames):
                    if done >= LONGEST or (done >= SHORTEST and frame.is_key):
                        following = frame
                        break
                    writer.add(self.upscaled(frame), frame.pts)
                    done, last = done + 1, frame
                    total = parts.place.frames + done
                    self.progress(total, max(total, self.video.frames))
            total = parts.place.frames + done
            if following is None:
                said = 0 if self.video.end is None else round(self.video.end / self.video.time_base)
                end = said if said > last.pts else last.pts + last.duration
                parts.finish(first.pts, Place(total, end, is_key=False, is_end=True))
            else:
                parts.finish(first.pts, Place(total, following.pts, following.is_key))
            first = following

    def upscaled(self, frame: Frame) -> np.ndarray:
        """The pixels of a frame at the result's size."""
        image = LoadedImage(frame.pixels)
        made = self.upscaler.upscale_to(image, self.encoding.size, self.choice, consistent=self.consistent)
        self.notes += [note for note in made.image.notes if note not in self.notes]
        self.redone_tiles += made.redone_tiles
        return made.image.pixels


def choose_model(video: Video, upscaler: Upscaler, factor: float) -> Choice:
    """One model for all frames: with "auto" the one that suits most of a few, taken from all over the video."""
    if upscaler.model is not None:
        return Choice(upscaler.model.name)
    seen = [*_samples(video)] or [frame.pixels for frame in islice(decoded(video, Place(), Counter()), 1)]
    found = [upscaler.model_for((pixels >> 8).astype(np.uint8), factor) for pixels in seen]
    name, count = Counter(choice.name for choice in found).most_common(1)[0]
    first = next(choice for choice in found if choice.name == name)
    return changed(first, reason=f"{first.reason}, in {count} of {len(found)} frames")


def _samples(video: Video) -> Iterator[np.ndarray]:
    """Frames at the key frames before 1/10, 3/10, ... of the video, or the first one where it cannot be searched."""
    with readable(video.path) as container:
        stream = video_stream(video.path, container)
        length = container.duration or 0
        start = container.start_time or 0
        for number in range(LOOKED_AT if length else 1):
            if length:
                container.seek(start + length * (2 * number + 1) // (2 * LOOKED_AT))
            frame = next(sound(container, stream, Counter()), None)
            if frame is not None:
                yield to_rgb(frame, video.colors)


def _settings(
    video: Video, encoding: Encoding, upscaler: Upscaler, choice: Choice, options: VideoOptions
) -> dict[str, Any]:
    """All that decides over the frames of a result."""
    status = video.path.stat()
    model = upscaler.model
    return {
        "input": [video.path.name, status.st_size, status.st_mtime_ns],
        "versions": [__version__, av.__version__],
        "model": [asdict(changed(choice, reason="")), _digest(model)],
        "upscaling": [upscaler.engine, upscaler.device, upscaler.precision, upscaler.is_ensemble, options.consistent],
        "encoding": asdict(encoding),
        "part": [SHORTEST, LONGEST],
    }


def _digest(model: Model | None) -> str:
    """Of the weights of a model that was asked for; of an ONNX file's header, which names what it was made of."""
    digest = hashlib.sha256()
    network = getattr(model, "network", None)
    if network is None:
        digest.update(repr(model).encode())
    else:
        for name, values in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
