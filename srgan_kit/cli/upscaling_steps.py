"""What `srgan-kit upscale` does with one image: read, upscale, write; each step may run in a thread of its own."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.atomic import claimed
from srgan_kit.cli.console import libraries_muted
from srgan_kit.cli.inputs import file_of
from srgan_kit.cli.stopping import stopping_wins
from srgan_kit.cli.upscale_options import Existing, Progress, UpscaleOptions, check_result
from srgan_kit.cli.upscaling_frames import deliver, upscale_clip, upscale_frames
from srgan_kit.errors import UserError
from srgan_kit.images.formats import FORMATS
from srgan_kit.upscaling.folders import STDIN
from srgan_kit.upscaling.jobs import STDOUT, Job
from srgan_kit.video.formats import is_video

if TYPE_CHECKING:
    from srgan_kit.images.image import LoadedImage
    from srgan_kit.upscaling.choice import Choice
    from srgan_kit.upscaling.image import UpscaledImage
    from srgan_kit.upscaling.upscaler import Upscaler

LARGEST_WHOLE = 2**27
"""Pixels of a result up to which it is computed whole, then written; larger PNG and TIFF files are written while the
image is computed."""
LARGEST_DECODED = 2**24
"""Pixels of an input up to which it is decoded whole; of larger ones rows are decoded when they are needed."""


@dataclass
class Work:
    """A job between its steps."""

    job: Job
    image: "LoadedImage | None" = None
    """The input, until it is upscaled; None where there is nothing to do."""
    choice: "Choice | None" = None
    result: "UpscaledImage | None" = None
    several: Path | None = None
    """A file of several images, or a video: its images are read, upscaled and written one after the other."""
    held: ExitStack = field(default_factory=ExitStack)
    """The right to make the result, and the file of what came by standard input."""

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to upscale."""
        return self.image is not None or self.several is not None

    @property
    def is_in_parts(self) -> bool:
        """Whether the result is computed while it is written."""
        return self.result is not None and self.result.in_parts

    @property
    def result_bytes(self) -> int:
        """How large the result is in memory."""
        return 0 if self.result is None else self.result.image.row_bytes * len(self.result.image.pixels)

    def close(self) -> None:
        """Give up what is held."""
        self.held.close()


@dataclass(frozen=True)
class Steps:
    """The three steps; whatever goes wrong in one fails its job alone, and the next ones do nothing."""

    upscaler: "Upscaler"
    options: UpscaleOptions
    existing: Existing

    def read(self, job: Job) -> Work:
        """The decoded input and its model; none where the job waits no more, or waits for another run that is at it."""
        work = Work(job)
        with ExitStack() as stack:
            stack.callback(work.close)  # where a signal ends the step
            if job.status == "waiting" and (job.target == STDOUT or self._claim(work)):
                with _failing(job):
                    file = work.held.enter_context(file_of(job.source))
                    if has_several(file):
                        work.several = file
                    else:
                        work.image, work.choice = read_input(job, file, self.upscaler, self.options)
            stack.pop_all()
        return work

    def upscale(self, work: Work, progress: Progress) -> None:
        """The result, or what computes it while it is written; of several images all that there is to do."""
        from srgan_kit.images.metadata import Metadata

        job, image, choice = work.job, work.image, work.choice
        if work.several is not None:
            self._upscale_several(job, work.several, progress)
            return
        assert image is not None
        assert choice is not None
        work.image = None
        with _failing(job):
            if self.options.strip_metadata:
                image = replace(image, metadata=Metadata())
            assert job.size is not None
            if is_in_parts(job, self.options):
                work.result = self.upscaler.upscale_in_parts(image, job.size, choice, progress)
                return
            image = replace(image, pixels=image.pixels[: image.size[1]])  # all rows, if they are not here yet
            consistent = self.options.consistent
            result = self.upscaler.upscale_to(image, job.size, choice, progress, consistent=consistent)
            if self.options.explain is not None:
                self._explain(result.image, image, self.options.explain, progress)
            work.result = result

    def write(self, work: Work) -> None:
        """The result's file; then the job is done."""
        from srgan_kit.images.frames import Frames

        job, result = work.job, work.result
        if result is None:
            return
        job.notes = result.notes
        with _failing(job):
            lost = deliver(job, Frames.of(result.image), self.options, overwrite=self.existing.overwrite)
            job.notes, job.redone_tiles = [*result.notes, *lost], result.redone_tiles
            job.status = "done"

    def _upscale_several(self, job: Job, file: Path, progress: Progress) -> None:
        upscale = upscale_clip if is_video(file) else upscale_frames
        with _failing(job):
            if self.options.explain is not None:
                raise UserError(f"--explain {self.options.explain}: one map for a file of several images")
            upscale(job, file, self.upscaler, self.options, progress, overwrite=self.existing.overwrite)
            job.status = "done"

    def _explain(self, made: "LoadedImage", image: "LoadedImage", file: Path, progress: Progress) -> None:
        from srgan_kit.cli.upscale_explain import draw_map

        drawn = draw_map(file, self.upscaler, image, made, progress, overwrite=self.existing.overwrite)
        made.notes.append(drawn)

    def _claim(self, work: Work) -> bool:
        """Whether the result is this run's to make."""
        job = work.job
        assert job.target is not None
        if result_stays(job, self.existing):
            return False
        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            job.status, job.reason = "failed", f"{job.target.parent}: cannot be made: {error.strerror}"
            return False
        try:
            return work.held.enter_context(claimed(job.target)) and not result_stays(job, self.existing)
        except OSError as error:
            job.status, job.reason = "failed", f"{job.target}: cannot be written: {error.strerror}"
            return False


def result_stays(job: Job, existing: Existing) -> bool:
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


def has_several(file: Path) -> bool:
    """Whether it is a video, an animation or a document of several pages."""
    from srgan_kit.images.frames import frames_format

    return is_video(file) or frames_format(file) is not None


def read_input(job: Job, file: Path, upscaler: "Upscaler", options: UpscaleOptions) -> "tuple[LoadedImage, Choice]":
    """The input, and which models upscale it; the job knows both sizes and the models then.

    Args:
        job: whose input it is.
        file: where it is.
        upscaler: which chooses the models.
        options: what the result is to be like.

    Raises:
        UserError: it cannot be read, or its result would be too large for the format or for what is allowed.
    """
    from srgan_kit.images.encode import check_size
    from srgan_kit.images.read import read_image
    from srgan_kit.upscaling.image import scaled_size

    assert job.target is not None
    rows_from = LARGEST_DECODED if goes_by_rows(job, options) and job.source != STDIN else None
    with libraries_muted() as said:
        try:
            image = read_image(file, rows_from)
            wanted = options.size(image.size)
            factor = None if wanted is None else max(wanted[0] / image.size[0], wanted[1] / image.size[1])
            choice = upscaler.model_for(image, factor)
            job.input_size, job.size = image.size, wanted or scaled_size(image.size, upscaler.scale)
            job.model, job.choice = choice.name, choice.reason
            check_result(job.size, options.max_result_pixels)
            check_size(job.target.with_suffix(_suffix(job, options)), job.size)
            return image, choice
        except UserError as error:
            failed = str(error).removeprefix(f"{file}: ")
    raise UserError(_with_reason(failed, said))


def goes_by_rows(job: Job, options: UpscaleOptions) -> bool:
    """Whether the result may be written while it is computed."""
    return FORMATS[_suffix(job, options)].by_rows and not options.consistent and options.explain is None


def is_in_parts(job: Job, options: UpscaleOptions) -> bool:
    """Whether the result, whose size is known, will be written while it is computed."""
    assert job.size is not None
    return goes_by_rows(job, options) and job.size[0] * job.size[1] > LARGEST_WHOLE


def _suffix(job: Job, options: UpscaleOptions) -> str:
    assert job.target is not None
    return options.suffix if job.target == STDOUT else job.target.suffix.lower()


@contextmanager
def _failing(job: Job) -> Iterator[None]:
    """What goes wrong in the block fails the job; its time is the job's."""
    start = time.perf_counter()
    try:
        # Signals are heard in the main thread alone.
        with stopping_wins() if threading.current_thread() is threading.main_thread() else nullcontext():
            yield
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
    job.seconds = round(job.seconds + time.perf_counter() - start, 3)


def _with_reason(message: str, said: list[str]) -> str:
    """A decoder's error, with what its library said of it, because Pillow says only that it failed."""
    causes = [line.split(": ", 1)[-1] for line in said if line.strip()]
    return f"{message}: {causes[-1]}" if causes and "decoder error" in message else message


def _in_one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])
