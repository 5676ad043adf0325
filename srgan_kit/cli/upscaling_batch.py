"""The work of `srgan-kit upscale`: while one image is in the network, the next is read and the last written."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srgan_kit.atomic import remove_leftovers
from srgan_kit.cli.console import MUTING, one_line, progress_bar, short_name, without_pillow_warnings
from srgan_kit.cli.progress import telling
from srgan_kit.cli.upscale_options import Existing, Progress, UpscaleOptions
from srgan_kit.cli.upscaling_steps import Steps, Work
from srgan_kit.upscaling.folders import STDIN
from srgan_kit.upscaling.jobs import STDOUT, Job

if TYPE_CHECKING:
    from srgan_kit.upscaling.upscaler import Upscaler

LONGEST_NAME = 32
"""Letters of a file's name beside the progress bar."""
LARGEST_BESIDE = 2**28
"""Bytes of a result up to which it is written beside the next one's computation; so memory stays bounded."""


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
    steps = Steps(upscaler, options, existing)
    with (
        _display(jobs, lines_on_stderr) as (show, say),
        without_pillow_warnings(),
        pixels_limited(options.max_pixels),
    ):
        elsewhere: list[Job] = []

        def end(job: Job) -> None:
            if job.status == "waiting":
                elsewhere.append(job)
            else:
                say(job)

        def end_for_good(job: Job) -> None:
            if job.status == "waiting":
                job.status, job.reason = "skipped", f"another run is making {job.target}"
            say(job)

        if at_once == 1:
            _run(jobs, steps, show, end)
        else:
            _run_several(jobs, steps, show, end, at_once)
        _run(elsewhere, steps, show, end_for_good)  # the run that was at it may have failed or been stopped


def _run_several(
    jobs: list[Job], steps: Steps, show: Callable[[Path], Progress], end: Callable[[Job], None], at_once: int
) -> None:
    """Several threads do a job each. Jobs end in order."""

    def whole(job: Job) -> None:
        work = steps.read(job)
        try:
            if work.is_waiting:
                steps.upscale(work, show(job.source))
            steps.write(work)
        finally:
            work.close()

    pool = ThreadPoolExecutor(at_once, "image")
    try:
        for job, work in [(job, pool.submit(whole, job)) for job in jobs]:
            work.result()
            end(job)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run(jobs: list[Job], steps: Steps, show: Callable[[Path], Progress], end: Callable[[Job], None]) -> None:
    """While this thread computes, one reads the next image and one writes the last. Jobs end in order."""

    def finish(work: Work) -> None:
        try:
            steps.write(work)
        finally:
            work.close()
        end(work.job)

    coming: Future[Work] | None = None
    written: Future[None] | None = None
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        try:
            for number, job in enumerate(jobs):
                following = jobs[number + 1] if number + 1 < len(jobs) else None
                work = steps.read(job) if coming is None else coming.result()
                coming = None
                if following is not None and following.source != STDIN:  # which may never end
                    coming = reader.submit(steps.read, following)
                with ExitStack() as stack:
                    stack.callback(work.close)
                    if work.is_waiting:
                        steps.upscale(work, show(job.source))
                    if written is not None:
                        written.result()
                    if following is not None and not work.is_in_parts and work.result_bytes <= LARGEST_BESIDE:
                        stack.pop_all()
                        written = writer.submit(finish, work)
                    else:
                        finish(work)
        finally:
            if coming is not None and not coming.cancel():
                coming.result().close()


@contextmanager
def _display(
    jobs: list[Job], lines_on_stderr: bool
) -> Iterator[tuple[Callable[[Path], Progress], Callable[[Job], None]]]:
    """A progress bar where stderr is a terminal, plain lines in pipes: (show(source) -> its progress, say(job)).

    Errors and notes are for stderr, results for stdout, unless images or the report go there; on one and the same
    terminal the bar writes both. It is drawn between the tiles, and not while an image is read (`MUTING`): then nobody
    writes to stderr.
    """
    from rich.console import Console

    console = Console(stderr=True)
    is_stdout_taken = lines_on_stderr or any(job.target == STDOUT for job in jobs)
    with progress_bar(console, auto_refresh=False) as bar:
        every = bar.add_task(f"0/{len(jobs)} images", total=len(jobs))
        one = bar.add_task("", total=None)

        def draw(**update: Any) -> None:
            if MUTING.acquire(blocking=False):
                try:
                    bar.update(one, **update, refresh=True)
                finally:
                    MUTING.release()

        def show(source: Path) -> Progress:
            draw(description=short_name(Path(source.name), LONGEST_NAME), completed=0, total=None)
            return telling(lambda done, total: draw(completed=done, total=total))

        def say(job: Job) -> None:
            with MUTING:
                tell(job)

        def tell(job: Job) -> None:
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
