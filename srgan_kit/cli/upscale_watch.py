"""`srgan-kit upscale --watch`: upscales what is in folders and what appears there, until a signal ends it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.cli.console import say
from srgan_kit.cli.upscale_options import Existing, UpscaleOptions
from srgan_kit.cli.upscaling_batch import run_jobs
from srgan_kit.upscaling.folders import InputFile
from srgan_kit.upscaling.jobs import Job, keep_inputs
from srgan_kit.upscaling.watching import appearing

if TYPE_CHECKING:
    from srgan_kit.upscaling.upscaler import Upscaler

Plan = Callable[[list[InputFile], list[Path]], list[Job]]
"""(inputs, names that are taken) -> a job for each."""


@dataclass(frozen=True)
class Work:
    """How what appears is upscaled."""

    upscaler: "Upscaler"
    options: UpscaleOptions
    overwrite: bool
    """Else existing results are left as they are."""
    lines_on_stderr: bool
    """Where stdout is taken by something else."""


def watch_folders(folders: list[str], recursive: bool, jobs: list[Job], plan: Plan, work: Work) -> None:
    """Upscale what is in the folders and what appears there; never returns, and adds to `jobs` whatever it does.

    A file that changes is upscaled again only where results are overwritten. Names of results stay what they are:
    those of later files differ from them.
    """
    say(f"watching {', '.join(folders)}; Ctrl-C ends", error=True)
    targets: dict[Path, Path] = {}
    for found in appearing(folders, recursive, lambda folder: say(f"note: {folder}: is gone; waiting", error=True)):
        made = {target.absolute() for target in targets.values()}
        again = [Job(item.path, targets[item.path]) for item in found if item.path in targets]
        fresh = [item for item in found if item.path not in targets and item.path.absolute() not in made]
        others = plan(fresh, [*targets.values()])
        targets |= {job.source: job.target for job in others if job.target is not None}
        new = [*again, *others]
        if not new:
            continue
        jobs += new
        if work.overwrite:
            keep_inputs(jobs)
        existing = Existing(skip=not work.overwrite, overwrite=work.overwrite)
        run_jobs(new, work.upscaler, work.options, existing, lines_on_stderr=work.lines_on_stderr)
