"""The page of `srgan-kit upscale --compare`."""

from pathlib import Path

from srgan_kit.cli.console import libraries_muted, say, without_pillow_warnings
from srgan_kit.upscaling.jobs import Job
from srgan_kit.video.formats import is_video


def write_comparison_of(jobs: list[Job], file: Path, overwrite: bool) -> None:
    """The page of what was done, without videos; where nothing was, a note."""
    from srgan_kit.upscaling.comparison.page import Pair, write_comparison

    pairs = [
        Pair(job.source, job.target, job.size, job.model, job.choice, job.seconds, job.notes)
        for job in jobs
        if job.status == "done" and job.target is not None and job.size is not None and not is_video(job.source)
    ]
    for job in jobs:
        if job.status == "done" and is_video(job.source):
            say(f"note: {file}: without {job.source}, for it shows no videos", error=True)
    if not pairs:
        say(f"note: {file}: not written, for no image was upscaled", error=True)
        return
    with without_pillow_warnings(), libraries_muted():
        write_comparison(file, pairs, overwrite)
