"""The work of `srgan-kit upscale` on a file of several images, and what becomes of any result."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.cli.console import libraries_muted, say
from srgan_kit.errors import UserError
from srgan_kit.images.formats import MAX_PIXELS
from srgan_kit.images.mark import software_tag
from srgan_kit.upscaling.jobs import STDOUT, Job
from srgan_kit.video.formats import CONTAINERS, missing_video_extra

if TYPE_CHECKING:
    from srgan_kit.images.frames import Frames
    from srgan_kit.images.image import LoadedImage
    from srgan_kit.upscaling.upscaler import Upscaler

Size = tuple[int, int]
Progress = Callable[[int, int], None]
LINE_SECONDS = 60


@dataclass(frozen=True)
class UpscaleOptions:
    """What the results are to be like."""

    size: Callable[[Size], Size | None]
    """(width, height) of an input -> of its result; None for the model's own scale."""
    suffix: str = ".png"
    """The format of what goes to standard output."""
    quality: int | None = None
    """Quality of lossy formats; None for the usual."""
    codec: str | None = None
    """Codec of videos; None for the input's own where that is possible."""
    consistent: bool = False
    """Corrected until, reduced again, it is the input."""
    size_tag: str = "x4"
    """The scale or the box, as the mark in a result says it."""
    max_pixels: int = MAX_PIXELS
    """Inputs of more are refused."""
    strip_metadata: bool = False
    """Without EXIF, XMP, IPTC and text."""


def upscale_frames(
    job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions, overwrite: bool, progress: Progress
) -> None:
    """Upscale an animation or a document, one image after the other, by the model that suits the first."""
    from srgan_kit.images.encode import check_size
    from srgan_kit.images.frames import open_frames
    from srgan_kit.images.metadata import Metadata
    from srgan_kit.upscaling.image import scaled_size

    def wanted(image: "LoadedImage") -> Size:
        return options.size(image.size) or scaled_size(image.size, upscaler.scale)

    def upscaled() -> "Iterator[LoadedImage]":
        for number, image in enumerate(chain([first], images)):
            if options.strip_metadata:
                image = replace(image, metadata=Metadata())
            part = _part(progress, number, frames.count)
            result = upscaler.upscale_to(image, wanted(image), choice, part, consistent=options.consistent)
            job.notes = list(dict.fromkeys([*job.notes, *result.image.notes]))
            job.redone_tiles += result.redone_tiles
            yield result.image

    assert job.target is not None
    with open_frames(file) as frames:
        images = _muted(frames.images)
        first = next(images)
        job.size = wanted(first)
        check_size(job.target.with_suffix(options.suffix) if job.target == STDOUT else job.target, job.size)
        choice = upscaler.model_for(first, max(job.size[0] / first.size[0], job.size[1] / first.size[1]))
        job.model, job.choice = choice.model, choice.reason
        deliver(job, replace(frames, images=upscaled()), options, overwrite)


def upscale_clip(job: Job, upscaler: "Upscaler", options: UpscaleOptions, overwrite: bool, progress: Progress) -> None:
    """Upscale a video."""
    from srgan_kit.upscaling.image import scaled_size

    if missing := missing_video_extra():
        raise UserError(f"{job.source}: {missing}")
    if job.target is None or job.target == STDOUT:
        raise UserError(f"{job.source}: a video is not written to standard output; -o names a file or a folder")
    if job.target.suffix.lower() not in CONTAINERS:
        raise UserError(f"{job.source}: a video is not written to {job.target}; expected {' '.join(CONTAINERS)}")
    from srgan_kit.upscaling.video import VideoOptions, upscale_video

    wanted = VideoOptions(
        size=lambda size: options.size(size) or scaled_size(size, upscaler.scale),
        codec=options.codec,
        quality=options.quality,
        consistent=options.consistent,
        software=None if options.strip_metadata else lambda model: software_tag(model, options.size_tag),
    )
    shown = progress if sys.stderr.isatty() else _in_lines(job.source)
    made = upscale_video(job.source, job.target, upscaler, wanted, shown, replace=overwrite)
    job.size, job.model, job.choice, job.redone_tiles = (
        made.size,
        made.choice.model,
        made.choice.reason,
        made.redone_tiles,
    )
    job.notes += made.notes
    if made.resumed:
        job.notes.append(f"went on after {made.resumed} of {made.frames} frames, which a stopped run had made")


def _in_lines(source: Path) -> Progress:
    """Progress for a pipe: a line a minute, with the time that is left."""
    began = last = time.monotonic()
    first: int | None = None

    def show(done: int, total: int) -> None:
        nonlocal last, first
        first = done - 1 if first is None else first
        now = time.monotonic()
        if now - last >= LINE_SECONDS:
            left = (now - began) / (done - first) * (total - done)
            say(f"{source}: {done} of {total} frames, {timedelta(seconds=round(left))} left", error=True)
            last = now

    return show


def deliver(job: Job, frames: "Frames", options: UpscaleOptions, overwrite: bool) -> None:
    """Write a job's result where it belongs; what could not be kept is among its notes."""
    from srgan_kit.images.encode import write_frames

    assert job.target is not None
    software = None if options.strip_metadata else software_tag(job.model, options.size_tag)
    if job.target != STDOUT:
        lost = write_frames(frames, job.target, options.quality, software, overwrite)
    else:
        with tempfile.TemporaryDirectory(prefix="srgan-kit-") as folder:
            file = Path(folder, f"result{options.suffix}")
            lost = write_frames(frames, file, options.quality, software)
            with file.open("rb") as written:
                shutil.copyfileobj(written, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    job.notes += [note for note in lost if note not in job.notes]


def _part(progress: Progress, number: int, count: int) -> Progress:
    """The progress of one image among `count`."""
    return lambda done, total: progress(number * total + done, count * total)


def _muted(images: "Iterator[LoadedImage]") -> "Iterator[LoadedImage]":
    """Images whose decoders say nothing on stderr."""
    while True:
        with libraries_muted():
            image = next(images, None)
        if image is None:
            return
        yield image
