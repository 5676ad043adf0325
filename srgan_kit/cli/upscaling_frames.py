"""The work of `srgan-kit upscale` on a file of several images, and what becomes of any result."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.cli.console import libraries_muted, say
from srgan_kit.cli.upscale_options import Progress, Size, UpscaleOptions, check_result
from srgan_kit.errors import UserError
from srgan_kit.images.mark import software_tag
from srgan_kit.upscaling.jobs import STDOUT, Job
from srgan_kit.video.formats import CONTAINERS, missing_video_extra

if TYPE_CHECKING:
    from srgan_kit.images.frames import Frames
    from srgan_kit.images.image import LoadedImage
    from srgan_kit.upscaling.choice import Choice
    from srgan_kit.upscaling.upscaler import Upscaler

LINE_SECONDS = 60


def upscale_frames(
    job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions, progress: Progress, *, overwrite: bool
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
            check_result(wanted(image), options.max_result_pixels)
            result = upscaler.upscale_to(image, wanted(image), choice, part, consistent=options.consistent)
            job.notes = list(dict.fromkeys([*job.notes, *result.image.notes]))
            job.redone_tiles += result.redone_tiles
            yield result.image

    assert job.target is not None
    if job.target == STDOUT and options.suffix_of is not None:
        options = replace(options, suffix=options.suffix_of(file))
    with open_frames(file) as frames:
        images = _muted(frames.images)
        first = next(images)
        job.input_size, job.size = first.size, wanted(first)
        check_result(job.size, options.max_result_pixels)
        check_size(job.target.with_suffix(options.suffix) if job.target == STDOUT else job.target, job.size)
        choice = upscaler.model_for(first, max(job.size[0] / first.size[0], job.size[1] / first.size[1]))
        job.model, job.choice = choice.name, choice.reason
        lost = deliver(job, replace(frames, images=upscaled()), options, overwrite=overwrite)
        job.notes += [note for note in lost if note not in job.notes]


def look_at_clip(
    job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions
) -> "tuple[LoadedImage, Choice, int]":
    """An image as large as a video's frames, black, which models upscale them, and about how many frames there are; the
    job knows sizes and models then."""
    import numpy as np

    from srgan_kit.images.image import LoadedImage
    from srgan_kit.upscaling.image import scaled_size

    check_clip(job)
    from srgan_kit.upscaling.video import choose_model
    from srgan_kit.video.source import look

    video = look(file)
    size = job.input_size = video.upright(video.size)
    job.size = options.size(size) or scaled_size(size, upscaler.scale)
    check_result(job.size, options.max_result_pixels)
    choice = choose_model(video, upscaler, max(job.size[0] / size[0], job.size[1] / size[1]))
    job.model, job.choice = choice.name, choice.reason
    frame = np.zeros((size[1], size[0], 3), np.uint16)
    return LoadedImage(frame), choice, max(video.frames, 1)


def check_clip(job: Job) -> None:
    """Raise a UserError where a job's video cannot be written, or none can be read."""
    if missing := missing_video_extra():
        raise UserError(f"{job.source}: {missing}")
    if job.target is None or job.target == STDOUT:
        raise UserError(f"{job.source}: a video is not written to standard output; -o names a file or a folder")
    if job.target.suffix.lower() not in CONTAINERS:
        raise UserError(f"{job.source}: a video is not written to {job.target}; expected {' '.join(CONTAINERS)}")


def upscale_clip(
    job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions, progress: Progress, *, overwrite: bool
) -> None:
    """Upscale a video."""
    from srgan_kit.upscaling.image import scaled_size

    check_clip(job)
    assert job.target is not None
    from srgan_kit.upscaling.video import VideoOptions, upscale_video

    def size_of(size: Size) -> Size:
        wanted = options.size(size) or scaled_size(size, upscaler.scale)
        check_result(wanted, options.max_result_pixels)
        return wanted

    wanted = VideoOptions(
        size=size_of,
        codec=options.codec,
        quality=options.quality,
        consistent=options.consistent,
        software=None if options.strip_metadata else lambda model: software_tag(model, options.size_tag),
    )
    shown = progress if sys.stderr.isatty() else _in_lines(job.source)
    made = upscale_video(file, job.target, upscaler, wanted, shown, replace=overwrite)
    job.size, job.redone_tiles = made.size, made.redone_tiles
    job.model, job.choice = made.choice.name, made.choice.reason
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


def deliver(job: Job, frames: "Frames", options: UpscaleOptions, *, overwrite: bool) -> list[str]:
    """Write a job's result where it belongs; returns what could not be kept."""
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
    return lost


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
