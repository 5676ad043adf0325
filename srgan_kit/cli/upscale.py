"""`srgan-kit upscale`: images in, larger images out."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from srgan_kit.cli.output_files import STDOUT, check_page, check_report
from srgan_kit.cli.upscale_checks import (
    check_codec,
    check_comparable,
    check_folders,
    check_inputs_stay,
    check_map,
    check_model,
    check_nothing_written,
    check_one_of,
    check_stdout,
    note_reduced,
    note_what_has_no_effect,
    parse_format,
    parse_tile,
    suffix_of,
)
from srgan_kit.cli.upscale_comparison import write_comparison_of
from srgan_kit.cli.upscale_dry_run import show_dry_run
from srgan_kit.cli.upscale_options import Existing, UpscaleOptions
from srgan_kit.cli.upscale_report import reporting, settings_of
from srgan_kit.cli.upscale_watch import Work, watch_folders
from srgan_kit.cli.upscaling_batch import run_jobs
from srgan_kit.images.formats import FORMATS, MAX_PIXELS
from srgan_kit.models.pretrained import AUTO
from srgan_kit.upscaling.choice import Dials
from srgan_kit.upscaling.folders import InputFile, find
from srgan_kit.upscaling.jobs import Job, check_apart, keep_inputs, parse_output, plan
from srgan_kit.upscaling.sizes import ResultSize, parse_box
from srgan_kit.video.formats import is_video

MODEL, SIZE, FILES, RUN = "Models", "Size", "Files", "Work"
"""Headings of the options in --help."""
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
            "-m",
            "--model",
            rich_help_panel=MODEL,
            help="Pretrained model or model file; auto: the best pretrained one for each image.",
        ),
    ] = AUTO,
    fast: Annotated[
        bool,
        typer.Option("--fast", rich_help_panel=MODEL, help="With -m auto: use the faster model for clean images."),
    ] = False,
    detail: Annotated[
        float | None,
        typer.Option(
            metavar="0..1", rich_help_panel=MODEL, help="With -m auto: from the fidelity to the perceptual model."
        ),
    ] = None,
    denoise: Annotated[
        float | None,
        typer.Option(metavar="0..1", rich_help_panel=MODEL, help="With -m auto: from the fidelity to the photo model."),
    ] = None,
    consistent: Annotated[
        bool,
        typer.Option(
            "--consistent",
            rich_help_panel=MODEL,
            help="Back-project so that downscaling the result reproduces the input.",
        ),
    ] = False,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            rich_help_panel=MODEL,
            help="Average over 8 rotations and reflections: better, 8 times slower.",
        ),
    ] = False,
    scale: Annotated[
        float | None,
        typer.Option(
            "-s",
            "--scale",
            rich_help_panel=SIZE,
            help="Output scale, e.g. 2.5; 1 cleans.",
            show_default="the model's scale; 4 with -m auto",
        ),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(metavar="WxH", rich_help_panel=SIZE, help="Largest output size inside this box, same shape."),
    ] = None,
    width: Annotated[
        int | None, typer.Option(metavar="W", rich_help_panel=SIZE, help="Output width in pixels, same shape.")
    ] = None,
    height: Annotated[
        int | None, typer.Option(metavar="H", rich_help_panel=SIZE, help="Output height in pixels, same shape.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="EXT",
            rich_help_panel=FILES,
            help="Output format: png, jpg, webp, gif, bmp, tif, avif, heic, jxl; mp4, mov, mkv or webm of videos.",
            show_default="png; the input's own for animations and pages",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=FILES,
            help="Codec of videos: h264, h265, av1 or ffv1.",
            show_default="the input's, or h264",
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, rich_help_panel=FILES, help="Quality of lossy formats.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", rich_help_panel=FILES, help="Include subfolders.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", rich_help_panel=FILES, help="Skip existing outputs.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", rich_help_panel=FILES, help="Replace existing outputs.")
    ] = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", rich_help_panel=FILES, help="Write no EXIF, XMP, IPTC and text.")
    ] = False,
    max_pixels: Annotated[
        int,
        typer.Option("--max-pixels", metavar="N", min=1, rich_help_panel=FILES, help="Largest input, in pixels."),
    ] = MAX_PIXELS,
    max_result_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-result-pixels",
            metavar="N",
            min=1,
            rich_help_panel=FILES,
            help="Largest result.",
            show_default="no limit",
        ),
    ] = None,
    tile: Annotated[str, typer.Option(rich_help_panel=RUN, help="Tile size in input pixels, or auto.")] = "auto",
    device: Annotated[str, typer.Option(rich_help_panel=RUN, help="Device: auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(rich_help_panel=RUN, help="Precision: auto, fp32, bf16 or fp16.")] = "auto",
    engine: Annotated[
        str,
        typer.Option(
            rich_help_panel=RUN,
            help="local: PyTorch in this process; onnx: onnxruntime, which starts sooner; ray: a Ray cluster.",
        ),
    ] = "local",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", rich_help_panel=RUN, help="Show sizes, models, time and memory of the run; write nothing."
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", rich_help_panel=RUN, help="Upscale what is in folders, and what appears there, until Ctrl-C."
        ),
    ] = False,
    server: Annotated[
        bool,
        typer.Option(
            "--server", rich_help_panel=RUN, help="Have a running `srgan-kit serve` do it, which starts at once."
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", rich_help_panel=RUN, help="Write a JSON report, - for stdout; end with a table."
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP.png", rich_help_panel=RUN, help="Draw where the result departs from what the input supports."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", rich_help_panel=RUN, help="Write a page with before and after under a slider."
        ),
    ] = None,
) -> None:
    """Upscale images: photo.jpg becomes photo_x4.png beside it.

    Exit status: 0 success; 1 some inputs failed, each with a message; 2 wrong command line; 128 + N after signal N.
    """
    if server:  # `main` has done it, unless the app was called by others
        from srgan_kit.cli.by_server import upscale_by_server

        raise typer.Exit(upscale_by_server(sys.argv[2:]))
    check_one_of({"--skip-existing": skip_existing, "--overwrite": overwrite})
    check_one_of({"--watch": watch, "--dry-run": dry_run})
    check_one_of({"--watch": watch, "--compare": compare is not None})
    existing = Existing(skip_existing, overwrite)
    wanted, tile_side = ResultSize(scale, parse_box(fit), width, height), parse_tile(tile)
    dials = Dials(detail, denoise)
    check_model(model, fast, dials)
    check_codec(codec)
    files = {"--report": report, "--explain": explain, "--compare": compare}
    if dry_run:
        check_nothing_written(files)
    if watch:
        check_folders(inputs)
    found = [] if watch else find(inputs, recursive)
    if report is not None:
        check_report(report, overwrite)
    if explain is not None:
        check_map(explain, overwrite, len(found))
    if compare is not None:
        check_page(compare, overwrite)
    destination = parse_output(output, inputs, found)
    suffix = parse_format(format, destination)
    if not dry_run:
        check_stdout(destination, report)
    jobs, settings = [Job(item.path) for item in found], dict[str, Any]()
    if compare is not None:
        check_comparable(compare, jobs, destination)
    check_apart(files, jobs)
    with reporting(report, jobs, settings):
        from srgan_kit.upscaling.upscaler import Upscaler

        upscaler = Upscaler(
            model,
            device,
            precision,
            tile_side,
            scale=scale,
            fast=fast,
            ensemble=ensemble,
            dials=dials,
            engine=engine,
        )
        settings |= settings_of(upscaler) | dials.settings | {"ensemble": ensemble, "consistent": consistent}
        size_tag = wanted.tag(upscaler.scale)

        def plan_of(found: list[InputFile], taken: Collection[Path] = ()) -> list[Job]:
            return plan(found, destination, f"_{size_tag}", suffix_of(format, suffix, destination), taken)

        jobs[:] = plan_of(found)
        if overwrite:
            keep_inputs(jobs)
        check_apart(files, jobs)
        if compare is not None:
            check_inputs_stay(compare, jobs)
        note_reduced(dials, scale)
        if not found or not all(is_video(item.path) for item in found):
            image_codec = None if any(is_video(item.path) for item in found) else codec
            note_what_has_no_effect(FORMATS[suffix], quality, consistent, scale if fast else None, image_codec)
        options = UpscaleOptions(
            size=wanted.of,
            suffix=suffix,
            suffix_of=suffix_of(format, suffix, destination),
            quality=quality,
            codec=codec,
            consistent=consistent,
            size_tag=size_tag,
            max_pixels=max_pixels,
            max_result_pixels=max_result_pixels,
            strip_metadata=strip_metadata,
            explain=explain,
        )
        if dry_run:
            show_dry_run(jobs, upscaler, options, existing)
        elif watch:
            work = Work(upscaler, options, overwrite, lines_on_stderr=report in STDOUT)
            watch_folders(inputs, recursive, jobs, plan_of, work)
        else:
            at_once = IMAGES_AT_ONCE if engine == "ray" else 1
            run_jobs(jobs, upscaler, options, existing, lines_on_stderr=report in STDOUT, at_once=at_once)
    if compare is not None:
        write_comparison_of(jobs, compare, overwrite)
    if any(job.status == "failed" for job in jobs):
        raise typer.Exit(1)
