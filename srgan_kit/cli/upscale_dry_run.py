"""`srgan-kit upscale --dry-run`: what a run would make, by which models, in what time; nothing is written."""

from dataclasses import replace
from typing import TYPE_CHECKING

from srgan_kit.cli.console import say, without_pillow_warnings
from srgan_kit.cli.inputs import file_of
from srgan_kit.cli.stopping import stopping_wins
from srgan_kit.cli.upscale_options import Existing, UpscaleOptions
from srgan_kit.cli.upscale_report import pixels
from srgan_kit.cli.upscaling_frames import look_at_clip
from srgan_kit.cli.upscaling_steps import is_in_parts, read_input, result_stays
from srgan_kit.errors import UserError
from srgan_kit.upscaling.jobs import STDOUT, Job
from srgan_kit.video.formats import is_video

if TYPE_CHECKING:
    from srgan_kit.upscaling.estimate import Estimate, Estimator
    from srgan_kit.upscaling.upscaler import Upscaler


def show_dry_run(jobs: list[Job], upscaler: "Upscaler", options: UpscaleOptions, existing: Existing) -> None:
    """Print a line for each image that would be upscaled, and the sum; what would fail or be skipped as in a run.

    Images are read, because the choice of a model needs their pixels. Each model's rate is measured once.
    """
    from srgan_kit.images.read import pixels_limited
    from srgan_kit.upscaling.estimate import Estimator

    estimator, done = Estimator(), list["Estimate"]()
    with without_pillow_warnings(), pixels_limited(options.max_pixels):
        for job in jobs:
            estimate = _estimate(job, upscaler, options, existing, estimator)
            if estimate is not None:
                done.append(estimate)
                say(_line(job, estimate))
            elif job.status == "failed":
                say(f"error: {job.source}: {job.reason}", error=True)
            else:
                say(f"{job.source}: skipped, {job.reason}")
    if done:
        seconds, memory = sum(each.seconds for each in done), max(each.bytes for each in done)
        images = f"{len(done)} image{'s' if len(done) > 1 else ''}"
        say(f"{images}: about {duration(seconds)} on {upscaler.device}, {gigabytes(memory)} of memory at most")
        say("(the networks' time, by a short run of each just now; nothing was written)")


def _estimate(
    job: Job, upscaler: "Upscaler", options: UpscaleOptions, existing: Existing, estimator: "Estimator"
) -> "Estimate | None":
    """What a job needs; None where there is nothing to do, and the job says why."""
    from srgan_kit.images.frames import open_frames

    if job.status != "waiting" or (job.target != STDOUT and result_stays(job, existing)):
        return None
    try:
        with stopping_wins(), file_of(job.source) as file:
            if is_video(file):
                image, choice, count = look_at_clip(job, file, upscaler, options)
            else:
                image, choice = read_input(job, file, upscaler, options)
                with open_frames(file) as frames:
                    count = frames.count
            assert job.size is not None
            in_parts = count == 1 and is_in_parts(job, options)
            one = estimator.estimate(upscaler.runner(choice), image, job.size, in_parts=in_parts)
            return replace(one, seconds=count * one.seconds)
    except UserError as error:
        job.status, job.reason = "failed", str(error).removeprefix(f"{job.source}: ")
    except MemoryError:
        job.status, job.reason = "failed", "not enough memory"
    return None


def _line(job: Job, estimate: "Estimate") -> str:
    """As a run says it, but for what is only estimated."""
    target = "standard output" if job.target == STDOUT else job.target
    chosen = f"{job.model}: {job.choice}" if job.choice else job.model
    needs = f"about {duration(estimate.seconds)}, {gigabytes(estimate.bytes)}"
    return f"{job.source} ({pixels(job.input_size)}) -> {target} ({pixels(job.size)}, {needs}, {chosen})"


def gigabytes(count: int) -> str:
    """Bytes in GB."""
    return f"{count / 1e9:.1f} GB"


def duration(seconds: float) -> str:
    """A time in words: 0.5 s, 48 s, 3 min, 2 h 10 min."""
    if seconds < 100:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
