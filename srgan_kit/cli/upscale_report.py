"""What `srgan-kit upscale --report` says at the end of a run: a JSON file, and a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srgan_kit.cli.console import print_table, short_name, terminal_width
from srgan_kit.cli.output_files import STDOUT, write_json
from srgan_kit.cli.stopping import StoppedBySignal, check_stopped
from srgan_kit.models.pretrained import AUTO
from srgan_kit.upscaling.jobs import STDOUT as IMAGE_TO_STDOUT
from srgan_kit.upscaling.jobs import Job
from srgan_kit.video.formats import parts_folder

if TYPE_CHECKING:
    from srgan_kit.upscaling.sizes import Size
    from srgan_kit.upscaling.upscaler import Upscaler

LONGEST_NAME, SHORTEST_NAME = 40, 20
"""Letters of a file's name in a table: at most, and where there is room for other columns too."""
COLUMNS = (("from", "to", "model", "seconds", "status"), ("to", "seconds", "status"), ("status",))
"""What stands beside the names, on ever narrower terminals."""


@contextmanager
def reporting(file: Path | None, jobs: list[Job], settings: dict[str, Any]) -> Iterator[None]:
    """The report is written at the end of the block, or where a signal ends it."""
    try:
        yield
        check_stopped()
        _report(file, jobs, settings)
    except StoppedBySignal as stop:
        stop.done = _end_early(jobs, stop.name)
        _report(file, jobs, settings)
        raise


def settings_of(upscaler: "Upscaler") -> dict[str, Any]:
    """What the report says of all images; with `auto` each says its own model."""
    model = {"model": AUTO} if upscaler.model is None else {"model": upscaler.model.name, "scale": upscaler.model.scale}
    return {**model, "device": upscaler.device, "precision": upscaler.precision}


def _end_early(jobs: list[Job], signal: str) -> str:
    """What was done until a signal came, in words; the jobs that it left know why."""
    for job in jobs:
        if job.status == "waiting":
            job.reason = f"stopped by {signal}"
    done = sum(job.status == "done" for job in jobs)
    begun = [parts_folder(job.target) for job in jobs if job.target is not None and parts_folder(job.target).is_dir()]
    goes_on = "".join(f"; the same command goes on with {folder}" for folder in begun)
    return f"{done} of {len(jobs)} images done{goes_on}"


def _report(file: Path | None, jobs: list[Job], settings: dict[str, Any]) -> None:
    if file is None:
        return
    write_json(file, settings | {"images": [asdict(job) for job in jobs]})
    if len(jobs) > 1:
        is_stdout_taken = file in STDOUT or any(job.target == IMAGE_TO_STDOUT for job in jobs)
        print_jobs(jobs, is_stdout_taken)


def print_jobs(jobs: list[Job], on_stderr: bool) -> None:
    """A line for each image, and one for all; on a narrow terminal with less beside the names."""
    width, cells = terminal_width(error=on_stderr), [_cells(job) for job in jobs]
    seconds = sum(job.seconds for job in jobs if job.status == "done")
    counts = {status: sum(job.status == status for job in jobs) for status in ("done", "skipped", "failed", "waiting")}
    every = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    sums = {"seconds": f"{seconds:.1f}"}
    columns, room = COLUMNS[-1], LONGEST_NAME
    for columns in COLUMNS:
        widest = (max(len(name), *(len(row[name]) for row in cells)) for name in columns)
        room = LONGEST_NAME if width is None else width - sum(widest) - 3 * len(columns) - 4
        if room >= SHORTEST_NAME:
            break
    rows = [
        [short_name(job.source, max(min(room, LONGEST_NAME), 8)), *(row[name] for name in columns)]
        for job, row in zip(jobs, cells, strict=True)
    ]
    print_table(("image", *columns), rows, (every, *(sums.get(name, "") for name in columns)), error=on_stderr)


def _cells(job: Job) -> dict[str, str]:
    return {
        "from": pixels(job.input_size),
        "to": pixels(job.size),
        "model": job.model or "-",
        "seconds": f"{job.seconds:.1f}" if job.status == "done" else "-",
        "status": job.status,
    }


def pixels(size: "Size | None") -> str:
    """A size, such as 640x480; a dash where it is not known."""
    return "-" if size is None else f"{size[0]}x{size[1]}"
