"""`srgan-kit upscale`: images in, larger images out."""

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from srgan_kit.cli.output_files import STDOUT, check_report, write_json
from srgan_kit.cli.stopping import Stopped, check_stopped
from srgan_kit.cli.terminal import say
from srgan_kit.cli.upscaling_batch import Existing, UpscaleOptions, run_jobs
from srgan_kit.errors import UserError
from srgan_kit.images.formats import FORMATS, MAX_PIXELS, QUALITY, missing_extra
from srgan_kit.models.pretrained import AUTO
from srgan_kit.upscaling.folders import find
from srgan_kit.upscaling.jobs import Destination, Job, check_report_apart, keep_inputs, parse_output, plan

Size = tuple[int, int]


def upscale(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Images, globs, folders, or - for stdin.")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="A file for one input, else a folder; - for stdout."),
    ] = None,
    model: Annotated[
        str,
        typer.Option("-m", "--model", help="A pretrained model or a model file; auto: what suits each image."),
    ] = AUTO,
    fast: Annotated[bool, typer.Option("--fast", help="With auto: the fast model for clean images.")] = False,
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
    format: Annotated[
        str | None, typer.Option(metavar="EXT", help="png, jpg, webp, bmp, tif, avif, heic or jxl.")
    ] = None,
    quality: Annotated[int | None, typer.Option(min=1, max=100, help="Of formats that lose something.")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders with all that is in them.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave out what is already there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave EXIF, XMP, IPTC and text out of the results.")
    ] = False,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", metavar="N", min=1, help="Refuse inputs of more pixels.")
    ] = MAX_PIXELS,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="What was done, for machines; - for stdout.")
    ] = None,
) -> None:
    """Upscale images: photo.jpg becomes photo_x4.png beside it.

    Exit status: 0 all done, 1 some inputs failed (each is named, the others are done), 2 wrong command line, 130, 143
    and 129 stopped by Ctrl-C, SIGTERM and SIGHUP.
    """
    box = _parse_fit(fit)
    if scale is not None and fit is not None:
        raise UserError("--scale and --fit: expected one of them, got both")
    if scale is not None and not 0 < scale <= 64:
        raise UserError(f"--scale {scale:g}: expected more than 0 and at most 64")
    if fast and model != AUTO:
        raise UserError(f"--fast and -m {model}: --fast chooses the model; leave one of them out")
    if skip_existing and overwrite:
        raise UserError("--skip-existing and --overwrite: expected one of them, got both")
    since = time.time()
    tile_side = _parse_tile(tile)
    if report is not None:
        check_report(report, overwrite)
    found = find(inputs, recursive)
    destination = parse_output(output, inputs, found)
    suffix = _parse_format(format, destination)
    if destination.kind == "stdout" and sys.stdout.isatty():
        raise UserError("-o -: standard output is a terminal; send it to a file or a program")
    if destination.kind == "stdout" and report in STDOUT:
        raise UserError("-o - and --report -: standard output takes one of them")
    jobs = [Job(item.path) for item in found]
    if report is not None:
        check_report_apart(report, jobs)
    made: dict[str, Any] = {}
    try:
        from srgan_kit.upscaling.upscalers import Upscalers

        upscalers = Upscalers(
            model, scale, fast=fast, ensemble=ensemble, device=device, precision=precision, tile=tile_side
        )
        made |= upscalers.settings | {"ensemble": ensemble, "consistent": consistent}
        enlarged = fit.lower() if fit else f"x{upscalers.scale:g}"
        jobs = plan(found, destination, f"_{enlarged}", suffix)
        if overwrite:
            keep_inputs(jobs)
        if report is not None:
            check_report_apart(report, jobs)
        _note_what_has_no_effect(FORMATS[suffix], quality, consistent)
        if fast and scale is not None and scale <= 3:
            say("note: --fast has no effect up to 3 times: the fast model is for 4", error=True)
        options = UpscaleOptions(
            lambda size: _output_size(size, scale, box),
            suffix,
            quality,
            consistent,
            enlarged,
            max_pixels,
            strip_metadata,
        )
        run_jobs(jobs, upscalers, options, Existing(skip_existing, overwrite, since), lines_on_stderr=report in STDOUT)
        check_stopped()
        _write_report(report, jobs, made)
    except Stopped as stop:
        stop.done = _end_early(jobs, stop.name)
        _write_report(report, jobs, made)
        raise
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


def _parse_format(format: str | None, destination: Destination) -> str:
    """The suffix of the results, from --format or the output's name."""
    named = destination.ending
    suffix = (named or ".png") if format is None else "." + format.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UserError(f"--format {format}: expected one of {', '.join(s[1:] for s in FORMATS)}")
    if named and named != suffix:
        raise UserError(f"--format {format}: the output is called {destination.path}")
    missing = missing_extra(FORMATS[suffix])
    if missing:
        raise UserError(f"{suffix}: cannot be written: {missing}")
    return suffix


def _note_what_has_no_effect(kind: str, quality: int | None, consistent: bool) -> None:
    if quality is not None and kind not in QUALITY:
        say(f"note: --quality has no effect on {kind}, which loses nothing", error=True)
    if consistent and kind in QUALITY:
        say(f"note: --consistent holds until {kind} compresses; png, tif and bmp keep it", error=True)


def _output_size(size: Size, scale: float | None, box: Size | None) -> Size | None:
    from srgan_kit.upscaling.image import fitted_size, scaled_size

    if box is not None:
        return fitted_size(size, box)
    return None if scale is None else scaled_size(size, scale)


# --- the report -----------------------------------------------------------------------------------------------------


def _end_early(jobs: list[Job], signal: str) -> str:
    """What was done until a signal came, in words; the jobs that it left know why."""
    for job in jobs:
        if job.status == "waiting":
            job.reason = f"stopped by {signal}"
    done = sum(job.status == "done" for job in jobs)
    return f"{done} of {len(jobs)} images done"


def _write_report(file: Path | None, jobs: list[Job], settings: dict[str, Any]) -> None:
    if file is not None:
        write_json(file, settings | {"images": [asdict(job) for job in jobs]})
