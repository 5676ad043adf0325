"""`srgan-kit upscale`: pictures in, larger pictures out."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srgan_kit.cli.outputs import check_output, without_pillow_warnings, write_json
from srgan_kit.errors import UserError
from srgan_kit.upscaling.embedded import default_model
from srgan_kit.upscaling.formats import FORMATS, QUALITY
from srgan_kit.upscaling.jobs import Job, check_inputs_survive, check_report_apart, find, plan

if TYPE_CHECKING:
    from srgan_kit.upscaling.engine import Upscaler

Size = tuple[int, int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wish:
    """What the results are to be like."""

    size: Callable[[Size], Size | None]
    """(width, height) of an input -> of its result; None for the model's own scale."""
    quality: int | None = None
    """Of formats that have one; None for the usual."""
    consistent: bool = False
    """Corrected until, reduced again, it is the input."""
    strip_metadata: bool = False
    """Without EXIF, XMP, IPTC and text."""


def upscale(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Pictures, globs or folders.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A file for one input, else a folder."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", help="Embedded model, or a checkpoint file. Default: the fidelity model for -s."),
    ] = None,
    scale: Annotated[
        float | None, typer.Option("-s", "--scale", help="Output scale, such as 2.5. Default: the model's, or 4.")
    ] = None,
    fit: Annotated[str | None, typer.Option(metavar="WxH", help="Fit into this box, keeping the shape.")] = None,
    consistent: Annotated[
        bool, typer.Option("--consistent", help="Correct the result until, reduced again, it is the input.")
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Mean of 8 turned and mirrored runs: better, and 8 times slower.")
    ] = False,
    tile: Annotated[str, typer.Option(help="Tile side in input pixels, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    format: Annotated[str | None, typer.Option(metavar="EXT", help="png, jpg, webp, bmp, tif or avif.")] = None,
    quality: Annotated[int | None, typer.Option(min=1, max=100, help="Of JPEG, WebP and AVIF.")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders with all that is in them.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave out what is already there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave EXIF, XMP, IPTC and text out of the results.")
    ] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json", help="What was done, for machines.")] = None,
) -> None:
    """Upscale pictures: photo.jpg becomes photo_x4.png beside it.

    Exit status: 0 all done, 1 some inputs failed (each is named, the others are done), 2 wrong command line.
    """
    box = _parse_fit(fit)
    if scale is not None and fit is not None:
        raise UserError("--scale and --fit: expected one of them, got both")
    if scale is not None and not 0 < scale <= 64:
        raise UserError(f"--scale {scale:g}: expected more than 0 and at most 64")
    if skip_existing and overwrite:
        raise UserError("--skip-existing and --overwrite: expected one of them, got both")
    suffix = _parse_format(format, output)
    tile_side = _parse_tile(tile)
    if report is not None:
        check_output(report, overwrite)
    found = find(inputs, recursive)

    from srgan_kit.upscaling.engine import Upscaler
    from srgan_kit.upscaling.ensemble import ensembled
    from srgan_kit.upscaling.models import load_model

    loaded = load_model(default_model(scale) if model is None else model)
    upscaler = Upscaler(ensembled(loaded) if ensemble else loaded, device, precision, tile_side)
    ending = f"_{fit.lower()}" if fit else f"_x{scale or upscaler.scale:g}"
    jobs = plan(found, inputs, output, ending, suffix)
    if overwrite:
        check_inputs_survive(jobs)
    if report is not None:
        check_report_apart(report, jobs)
    if quality is not None and FORMATS[suffix] not in QUALITY:
        print(f"note: --quality has no effect on {FORMATS[suffix]}, which loses nothing", file=sys.stderr)
    if consistent and FORMATS[suffix] in QUALITY:
        print(f"note: --consistent holds until {FORMATS[suffix]} compresses; png, tif and bmp keep it", file=sys.stderr)
    wish = Wish(lambda size: _output_size(size, scale, box), quality, consistent, strip_metadata)
    _run(jobs, upscaler, wish, skip_existing, overwrite)
    if report is not None:
        write_json(report, _report(jobs, upscaler, ensemble=ensemble, consistent=consistent))
    if any(job.status == "failed" for job in jobs):
        raise typer.Exit(1)


# --- the command line -----------------------------------------------------------------------------------------------


def _parse_fit(fit: str | None) -> Size | None:
    if fit is None:
        return None
    width, _, height = fit.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise UserError(f"--fit {fit}: expected WxH, such as 1920x1080")
    if int(width) < 1 or int(height) < 1:
        raise UserError(f"--fit {fit}: expected a box of at least 1x1 pixel")
    return int(width), int(height)


def _parse_tile(tile: str) -> int | None:
    if tile == "auto":
        return None
    if not (tile.isascii() and tile.isdigit() and int(tile) >= 1):
        raise UserError(f"--tile {tile}: expected auto or a number of pixels")
    return int(tile)


def _parse_format(format: str | None, output: Path | None) -> str:
    """The suffix of the results, from --format or the output's name."""
    named = output.suffix.lower() if output is not None and not output.is_dir() else ""
    if format is None:
        return named or ".png"
    suffix = "." + format.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UserError(f"--format {format}: expected one of {', '.join(s[1:] for s in FORMATS)}")
    if named and named != suffix:
        raise UserError(f"--format {format}: the output is called {output}")
    return suffix


def _output_size(size: Size, scale: float | None, box: Size | None) -> Size | None:
    from srgan_kit.upscaling.pipeline import fitted_size, scaled_size

    if box is not None:
        return fitted_size(size, box)
    return None if scale is None else scaled_size(size, scale)


# --- the work -------------------------------------------------------------------------------------------------------


def _run(jobs: list[Job], upscaler: "Upscaler", wish: Wish, skip_existing: bool, overwrite: bool) -> None:
    with _display(len(jobs)) as (show, say), without_pillow_warnings():
        for job in jobs:
            if job.target is not None and not overwrite and _exists(job):
                job.status = "skipped" if skip_existing else "failed"
                job.reason = f"{job.target} exists" + ("" if skip_existing else " (--overwrite replaces it)")
            if job.status == "waiting":
                start = time.perf_counter()
                try:
                    _upscale_one(job, upscaler, wish, show(job.source.name))
                    job.status = "done"
                except UserError as error:
                    job.status, job.reason = "failed", str(error).removeprefix(f"{job.source}: ")
                except MemoryError:
                    job.status, job.reason = "failed", "not enough memory"
                except Exception as error:  # whatever a codec, a network or a driver raises: the others are still done
                    job.status, job.reason = "failed", _in_one_line(error)
                job.notes += upscaler.notes
                upscaler.notes.clear()
                job.seconds = round(time.perf_counter() - start, 3)
            say(job)


def _exists(job: Job) -> bool:
    """Whether the job's result is there already; a place that cannot be looked at fails the job."""
    assert job.target is not None
    try:
        return job.target.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        job.status, job.reason = "failed", f"{job.target}: {error.strerror}"
        return False


def _upscale_one(job: Job, upscaler: "Upscaler", wish: Wish, progress: Progress) -> None:
    from srgan_kit.upscaling.encoding import check_size, write_image
    from srgan_kit.upscaling.images import read_image
    from srgan_kit.upscaling.metadata import Metadata
    from srgan_kit.upscaling.pipeline import scaled_size, upscale_picture

    assert job.target is not None
    redone = upscaler.redone_tiles
    picture = read_image(job.source)
    if wish.strip_metadata:
        picture = replace(picture, metadata=Metadata())
    job.size = wish.size(picture.size) or scaled_size(picture.size, upscaler.scale)
    check_size(job.target, job.size)
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{job.target.parent}: cannot be made: {error.strerror}") from None
    result = upscale_picture(upscaler, picture, job.size, progress, consistent=wish.consistent)
    job.notes = result.notes + write_image(result, job.target, wish.quality)
    job.redone_tiles = upscaler.redone_tiles - redone
    if job.redone_tiles:
        job.notes.append(f"{job.redone_tiles} tiles gave NaN in reduced precision and were computed again in fp32")


def _in_one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *lines[:1]])


@contextmanager
def _display(count: int) -> Iterator[tuple[Callable[[str], Progress], Callable[[Job], None]]]:
    """A progress bar where stderr is a terminal, plain lines in pipes: (show(name) -> progress of its tiles, say(job)).

    Errors and notes are for stderr, results for stdout; on one and the same terminal the bar writes both.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet, redirect_stdout=False) as bar:
        every = bar.add_task(f"0/{count} pictures", total=count)
        one = bar.add_task("", total=None)

        def show(name: str) -> Callable[[int, int], None]:
            bar.update(one, description=name, completed=0, total=None)
            return lambda done, total: bar.update(one, completed=done, total=total)

        def say(job: Job) -> None:
            bar.advance(every)
            bar.update(every, description=f"{int(bar.tasks[0].completed)}/{count} pictures")
            for line, is_error in _lines(job):
                if console.is_terminal and (is_error or sys.stdout.isatty()):  # above the bar, on the same terminal
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
                else:
                    print(line, file=sys.stderr if is_error else sys.stdout, flush=True)

        yield show, say


def _lines(job: Job) -> Iterator[tuple[str, bool]]:
    """(line, belongs on stderr)."""
    if job.status == "failed":
        yield f"error: {job.source}: {job.reason}", True
    elif job.status == "skipped":
        yield f"{job.source}: skipped, {job.reason}", False
    else:
        assert job.size is not None
        yield f"{job.source} -> {job.target} ({job.size[0]}x{job.size[1]}, {job.seconds:.1f} s)", False
    for note in job.notes:
        yield f"note: {job.source}: {note}", True


def _report(jobs: list[Job], upscaler: "Upscaler", **settings: bool) -> dict[str, Any]:
    return {
        "model": upscaler.model.name,
        "scale": upscaler.scale,
        "device": str(upscaler.device),
        "precision": str(upscaler.dtype).removeprefix("torch."),
        **settings,
        "images": [asdict(job) for job in jobs],
    }
