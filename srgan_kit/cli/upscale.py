"""`srgan-kit upscale`: images in, larger images out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srgan_kit.cli.console import say
from srgan_kit.cli.output_files import STDOUT, check_report, write_json
from srgan_kit.cli.stopping import StoppedBySignal, check_stopped
from srgan_kit.cli.upscaling_batch import Existing, UpscaleOptions, run_jobs
from srgan_kit.errors import UserError
from srgan_kit.images.formats import FORMATS, MAX_PIXELS, Format, missing_extra
from srgan_kit.models.pretrained import AUTO
from srgan_kit.upscaling.folders import find
from srgan_kit.upscaling.jobs import Destination, Job, check_report_apart, keep_inputs, parse_output, plan
from srgan_kit.video.formats import CODECS, CONTAINERS, is_video, parts_folder, video_suffix

if TYPE_CHECKING:
    from srgan_kit.upscaling.upscaler import Upscaler

Size = tuple[int, int]
ENGINES = ("torch", "ray")
IMAGES_AT_ONCE = 8
"""Images that are decoded, upscaled by a cluster, or encoded at a time."""


def upscale(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Image files, globs, folders, or - for stdin.")],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="Output file of one input, or output folder; - for stdout."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "-m", "--model", help="Pretrained model or model file; auto: the best pretrained one for each image."
        ),
    ] = AUTO,
    fast: Annotated[bool, typer.Option("--fast", help="With -m auto: use the faster model for clean images.")] = False,
    scale: Annotated[
        float | None,
        typer.Option("-s", "--scale", help="Output scale, e.g. 2.5.", show_default="the model's scale; 4 with -m auto"),
    ] = None,
    fit: Annotated[
        str | None, typer.Option(metavar="WxH", help="Largest output size inside this box, same aspect ratio.")
    ] = None,
    consistent: Annotated[
        bool, typer.Option("--consistent", help="Back-project so that downscaling the result reproduces the input.")
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average over 8 rotations and reflections: better, 8 times slower.")
    ] = False,
    engine: Annotated[str, typer.Option(help="Engine: torch, or ray for a Ray cluster.")] = "torch",
    tile: Annotated[str, typer.Option(help="Tile size in input pixels, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="Precision: auto, fp32, bf16 or fp16.")] = "auto",
    format: Annotated[
        str | None,
        typer.Option(
            metavar="EXT",
            help="Output format: png, jpg, webp, gif, bmp, tif, avif, heic, jxl; mp4, mov, mkv or webm of videos.",
            show_default="png; the input's own for animations and pages",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Codec of videos: h264, h265, av1 or ffv1.", show_default="the input's, or h264"
        ),
    ] = None,
    quality: Annotated[int | None, typer.Option(min=1, max=100, help="Quality of lossy formats.")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Include subfolders.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Skip existing outputs.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Write no EXIF, XMP, IPTC and text.")
    ] = False,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", metavar="N", min=1, help="Largest input, in pixels.")
    ] = MAX_PIXELS,
    report: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write a JSON report; - for stdout.")] = None,
) -> None:
    """Upscale images and videos: photo.jpg becomes photo_x4.png beside it, clip.mp4 clip_x4.mp4.

    Exit status: 0 success; 1 some inputs failed, each with a message; 2 wrong command line; 128 + N after signal N.
    """
    existing = Existing(skip_existing, overwrite)
    if engine not in ENGINES:
        raise UserError(f"--engine {engine}: expected {' or '.join(ENGINES)}")
    if codec is not None and codec not in CODECS:
        raise UserError(f"--codec {codec}: expected {', '.join(CODECS)}")
    box, tile_side = _parse_fit(fit), _parse_tile(tile)
    _check_choices(scale, fit, model if fast else None, existing)
    if report is not None:
        check_report(report, overwrite)
    found = find(inputs, recursive)
    destination = parse_output(output, inputs, found)
    suffix = _parse_format(format, destination)
    _check_stdout(destination, report)
    jobs, settings = [Job(item.path) for item in found], dict[str, Any]()
    if report is not None:
        check_report_apart(report, jobs)
    with _reporting(report, jobs, settings):
        from srgan_kit.images.frames import frames_format
        from srgan_kit.upscaling.upscaler import Upscaler

        make = Upscaler if engine == "torch" else _ray_upscaler()
        upscaler = make(model, device, precision, tile_side, scale=scale, fast=fast, ensemble=ensemble)
        settings |= _settings(upscaler) | {"ensemble": ensemble, "consistent": consistent}
        size_tag = fit.lower() if fit else f"x{upscaler.scale:g}"
        keeps_own = format is None and not destination.ending

        def suffix_of(path: Path) -> str:
            if is_video(path):
                asked = f".{(format or '').lower().removeprefix('.')}"
                return asked if asked in CONTAINERS else video_suffix(path)
            return (keeps_own and frames_format(path)) or suffix

        jobs[:] = plan(found, destination, f"_{size_tag}", suffix_of)
        if overwrite:
            keep_inputs(jobs)
        if report is not None:
            check_report_apart(report, jobs)
        if not all(is_video(item.path) for item in found):
            _note_what_has_no_effect(FORMATS[suffix], quality, consistent, scale if fast else None)
        options = UpscaleOptions(
            size=lambda size: _output_size(size, scale, box),
            suffix=suffix,
            quality=quality,
            consistent=consistent,
            codec=codec,
            size_tag=size_tag,
            max_pixels=max_pixels,
            strip_metadata=strip_metadata,
        )
        at_once = 1 if engine == "torch" else IMAGES_AT_ONCE
        run_jobs(jobs, upscaler, options, existing, lines_on_stderr=report in STDOUT, at_once=at_once)
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
    if suffix not in FORMATS and suffix not in CONTAINERS:
        known = ", ".join(ending[1:] for ending in (*FORMATS, *CONTAINERS))
        raise UserError(f"--format {format}: expected one of {known}")
    if named and named != suffix:
        raise UserError(f"--format {format}: the output is called {destination.path}")
    if suffix in CONTAINERS:
        return ".png"  # of images
    missing = missing_extra(FORMATS[suffix])
    if missing:
        raise UserError(f"{suffix}: cannot be written: {missing}")
    return suffix


def _check_choices(scale: float | None, fit: str | None, fast_with: str | None, existing: Existing) -> None:
    """Raise a UserError for options that exclude each other; `fast_with` is the model that --fast stands beside."""
    if scale is not None and fit is not None:
        raise UserError("--scale and --fit: expected one of them, got both")
    if scale is not None and not 0 < scale <= 64:
        raise UserError(f"--scale {scale:g}: expected more than 0 and at most 64")
    if fast_with not in (None, AUTO):
        raise UserError(f"--fast and -m {fast_with}: --fast chooses the model; leave one of them out")
    if existing.skip and existing.overwrite:
        raise UserError("--skip-existing and --overwrite: expected one of them, got both")


def _check_stdout(destination: Destination, report: Path | None) -> None:
    if destination.kind == "stdout" and sys.stdout.isatty():
        raise UserError("-o -: standard output is a terminal; send it to a file or a program")
    if destination.kind == "stdout" and report in STDOUT:
        raise UserError("-o - and --report -: standard output takes one of them")


def _note_what_has_no_effect(format: Format, quality: int | None, consistent: bool, fast_scale: float | None) -> None:
    if quality is not None and format.quality is None:
        why = ", which loses nothing" if format.most_colours is None else ""
        say(f"note: --quality has no effect on {format.name}{why}", error=True)
    if consistent and (format.quality, format.most_colours) != (None, None):
        say(f"note: --consistent holds until {format.name} compresses; png, tif and bmp keep it", error=True)
    if fast_scale is not None and fast_scale <= 3:
        say("note: --fast has no effect up to 3 times: the fast model is for 4", error=True)


def _ray_upscaler() -> "type[Upscaler]":
    if find_spec("ray") is None:
        raise UserError("--engine ray needs the extra ray: pip install 'srgan-kit[ray]'")
    from srgan_kit.upscaling.ray_engine import RayUpscaler

    return RayUpscaler


def _output_size(size: Size, scale: float | None, box: Size | None) -> Size | None:
    from srgan_kit.upscaling.image import fitted_size, scaled_size

    if box is not None:
        return fitted_size(size, box)
    return None if scale is None else scaled_size(size, scale)


# --- the report -----------------------------------------------------------------------------------------------------


@contextmanager
def _reporting(file: Path | None, jobs: list[Job], settings: dict[str, Any]) -> Iterator[None]:
    """The report is written at the end of the block, or where a signal ends it."""
    try:
        yield
        check_stopped()
        _write_report(file, jobs, settings)
    except StoppedBySignal as stop:
        stop.done = _end_early(jobs, stop.name)
        _write_report(file, jobs, settings)
        raise


def _settings(upscaler: "Upscaler") -> dict[str, Any]:
    """What the report says of all images; with `auto` each says its own model."""
    model = {"model": AUTO} if upscaler.model is None else {"model": upscaler.model.name, "scale": upscaler.model.scale}
    dtype = str(upscaler.dtype).removeprefix("torch.")
    return {**model, "device": str(upscaler.device), "precision": dtype}


def _end_early(jobs: list[Job], signal: str) -> str:
    """What was done until a signal came, in words; the jobs that it left know why."""
    for job in jobs:
        if job.status == "waiting":
            job.reason = f"stopped by {signal}"
    done = sum(job.status == "done" for job in jobs)
    begun = [parts_folder(job.target) for job in jobs if job.target is not None and parts_folder(job.target).is_dir()]
    goes_on = "".join(f"; the same command goes on with {folder}" for folder in begun)
    return f"{done} of {len(jobs)} images done{goes_on}"


def _write_report(file: Path | None, jobs: list[Job], settings: dict[str, Any]) -> None:
    if file is not None:
        write_json(file, settings | {"images": [asdict(job) for job in jobs]})
