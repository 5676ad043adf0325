"""The work of `srgan-kit upscale`, one input after the other, and what is shown of it."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.atomic import claimed, remove_leftovers
from srgan_kit.cli.console import MUTING, libraries_muted, one_line, progress_bar, without_pillow_warnings
from srgan_kit.cli.inputs import file_of
from srgan_kit.cli.stopping import stopping_wins
from srgan_kit.cli.upscaling_frames import UpscaleOptions, deliver, upscale_clip, upscale_frames
from srgan_kit.errors import UserError
from srgan_kit.upscaling.jobs import STDOUT, Job
from srgan_kit.video.formats import is_video

if TYPE_CHECKING:
    from srgan_kit.images.image import LoadedImage
    from srgan_kit.upscaling.auto import Choice
    from srgan_kit.upscaling.upscaler import Upscaler

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Existing:
    """What becomes of results that are there already; without either they are an error."""

    skip: bool = False
    overwrite: bool = False
    since: float = field(default_factory=time.time)
    """When this run began. Runs into one folder share the work: what was made since is another one's."""


def run_jobs(
    jobs: list[Job],
    upscaler: "Upscaler",
    options: UpscaleOptions,
    existing: Existing,
    *,
    lines_on_stderr: bool = False,
    at_once: int = 1,
) -> None:
    """Do every job that waits; each ends done, skipped or failed, and says so: on stderr alone if stdout is taken.

    Several `at_once` are for an upscaler that does not compute in this process.
    """
    from srgan_kit.images.read import pixels_limited

    for folder in {job.target.parent for job in jobs if job.target is not None}:
        remove_leftovers(folder)
    with _display(jobs, lines_on_stderr) as (show, say), without_pillow_warnings(), pixels_limited(options.max_pixels):
        elsewhere: list[Job] = []

        def attempt(job: Job) -> None:
            _attempt(job, upscaler, options, existing, show(job.source.name))

        for job in _attempted(jobs, attempt, at_once):
            if job.status == "waiting":
                elsewhere.append(job)
            else:
                say(job)
        for job in elsewhere:  # the run that was at it may have failed or been stopped
            attempt(job)
            if job.status == "waiting":
                job.status, job.reason = "skipped", f"another run is making {job.target}"
            say(job)


def _attempted(jobs: list[Job], attempt: Callable[[Job], None], at_once: int) -> Iterator[Job]:
    """The jobs in order, each after it was attempted if it waited."""
    if at_once == 1:
        for job in jobs:
            if job.status == "waiting":
                attempt(job)
            yield job
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        begun = [(job, pool.submit(attempt, job) if job.status == "waiting" else None) for job in jobs]
        for job, work in begun:
            if work is not None:
                work.result()
            with MUTING:  # what is said while another thread reads would be lost
                yield job
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _attempt(job: Job, upscaler: "Upscaler", options: UpscaleOptions, existing: Existing, progress: Progress) -> None:
    """Do a job; it goes on waiting where another run is at it."""
    assert job.target is not None
    if job.target == STDOUT:
        _do(job, upscaler, options, existing, progress)
        return
    if _exists(job, existing):
        return
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        job.status, job.reason = "failed", f"{job.target.parent}: cannot be made: {error.strerror}"
        return
    try:
        with claimed(job.target) as is_mine:
            if is_mine and not _exists(job, existing):
                _do(job, upscaler, options, existing, progress)
    except OSError as error:
        job.status, job.reason = "failed", f"{job.target}: cannot be written: {error.strerror}"


def _exists(job: Job, existing: Existing) -> bool:
    """Whether the job's result is there and stays; a place that cannot be looked at fails the job too."""
    assert job.target is not None
    try:
        made = job.target.stat().st_mtime
    except FileNotFoundError:
        return False
    except OSError as error:  # a name that is too long, a folder that may not be entered
        job.status, job.reason = "failed", f"{job.target}: {error.strerror}"
        return True
    if existing.since <= made <= time.time():  # not what a clock that is ahead says
        job.status, job.reason = "skipped", f"another run has made {job.target}"
    elif existing.skip:
        job.status, job.reason = "skipped", f"{job.target} exists"
    elif not existing.overwrite:
        job.status, job.reason = "failed", f"{job.target} exists (--overwrite replaces it)"
    return job.status != "waiting"


def _do(job: Job, upscaler: "Upscaler", options: UpscaleOptions, existing: Existing, progress: Progress) -> None:
    """Upscale one image; whatever goes wrong fails this job alone."""
    start = time.perf_counter()
    try:
        with stopping_wins():
            _upscale_one(job, upscaler, options, existing.overwrite, progress)
            job.status = "done"
    except UserError as error:
        job.status, job.reason = "failed", str(error).removeprefix(f"{job.source}: ")
    except MemoryError:
        job.status, job.reason = "failed", "not enough memory"
    except FileExistsError:
        job.status, job.reason = "failed", f"{job.target} exists (--overwrite replaces it)"
    except OSError as error:
        if job.target == STDOUT:
            raise
        job.status, job.reason = "failed", _in_one_line(error)
    except Exception as error:  # whatever a codec, a network or a driver raises: the others are still done
        job.status, job.reason = "failed", _in_one_line(error)
    job.seconds = round(time.perf_counter() - start, 3)


def _upscale_one(job: Job, upscaler: "Upscaler", options: UpscaleOptions, overwrite: bool, progress: Progress) -> None:
    from srgan_kit.images.frames import frames_format

    if is_video(job.source):
        upscale_clip(job, upscaler, options, overwrite, progress)
        return
    with file_of(job.source) as file:
        if frames_format(file) is not None:
            upscale_frames(job, file, upscaler, options, overwrite, progress)
        else:
            _upscale_still(job, file, upscaler, options, overwrite, progress)


def _upscale_still(
    job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions, overwrite: bool, progress: Progress
) -> None:
    from srgan_kit.images.encode import check_size
    from srgan_kit.images.frames import Frames
    from srgan_kit.images.metadata import Metadata
    from srgan_kit.upscaling.image import scaled_size

    assert job.target is not None
    image, choice = _read(job, file, upscaler, options)
    if options.strip_metadata:
        image = replace(image, metadata=Metadata())
    job.size = options.size(image.size) or scaled_size(image.size, upscaler.scale)
    check_size(job.target.with_suffix(options.suffix) if job.target == STDOUT else job.target, job.size)
    result = upscaler.upscale_to(image, job.size, choice, progress, consistent=options.consistent)
    job.notes, job.redone_tiles = result.image.notes, result.redone_tiles
    deliver(job, Frames.of(result.image), options, overwrite)


def _read(job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions) -> "tuple[LoadedImage, Choice]":
    """The input, and which model upscales it."""
    from srgan_kit.images.read import read_image

    with libraries_muted() as said:
        try:
            image = read_image(file)
            wanted = options.size(image.size)
            factor = None if wanted is None else max(wanted[0] / image.size[0], wanted[1] / image.size[1])
            choice = upscaler.model_for(image, factor)
            job.model, job.choice = choice.model, choice.reason
            return image, choice
        except UserError as error:
            failed = str(error).removeprefix(f"{file}: ")
    raise UserError(_with_reason(failed, said))


def _with_reason(message: str, said: list[str]) -> str:
    """A decoder's error, with what its library said of it, because Pillow says only that it failed."""
    causes = [line.split(": ", 1)[-1] for line in said if line.strip()]
    return f"{message}: {causes[-1]}" if causes and "decoder error" in message else message


def _in_one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])


@contextmanager
def _display(
    jobs: list[Job], lines_on_stderr: bool
) -> Iterator[tuple[Callable[[str], Progress], Callable[[Job], None]]]:
    """A progress bar where stderr is a terminal, plain lines in pipes: (show(name) -> progress of its tiles, say(job)).

    Errors and notes are for stderr, results for stdout, unless images or the report go there; on one and the same
    terminal the bar writes both. It is drawn between the tiles, by no thread: while an image is read nobody writes to
    stderr.
    """
    from rich.console import Console

    console = Console(stderr=True)
    is_stdout_taken = lines_on_stderr or any(job.target == STDOUT for job in jobs)
    with progress_bar(console, auto_refresh=False) as bar:
        every = bar.add_task(f"0/{len(jobs)} images", total=len(jobs))
        one = bar.add_task("", total=None)

        def show(name: str) -> Callable[[int, int], None]:
            bar.update(one, description=one_line(name), completed=0, total=None, refresh=True)
            return lambda done, total: bar.update(one, completed=done, total=total, refresh=True)

        def say(job: Job) -> None:
            bar.advance(every)
            bar.update(every, description=f"{int(bar.tasks[0].completed)}/{len(jobs)} images", refresh=True)
            for line, is_error in _lines(job):
                on_stderr = is_error or is_stdout_taken
                if console.is_terminal and (on_stderr or sys.stdout.isatty()):  # above the bar, on the same terminal
                    console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)
                else:
                    print(one_line(line), file=sys.stderr if on_stderr else sys.stdout, flush=True)

        yield show, say


def _lines(job: Job) -> Iterator[tuple[str, bool]]:
    """(line, belongs on stderr)."""
    if job.status == "failed":
        yield f"error: {job.source}: {job.reason}", True
    elif job.status == "skipped":
        yield f"{job.source}: skipped, {job.reason}", False
    else:
        assert job.size is not None
        chosen = f", {job.model}: {job.choice}" if job.choice else ""
        yield f"{job.source} -> {job.target} ({job.size[0]}x{job.size[1]}, {job.seconds:.1f} s{chosen})", False
    for note in job.notes:
        yield f"note: {job.source}: {note}", True
