"""`srgan-kit report`: a training run as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from srgan_kit.cli.console import say
from srgan_kit.cli.output_files import check_page


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A run's folder: finished, stopped or crashed.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Output file.", show_default="RUN_DIR/report.html"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output file.")] = False,
) -> None:
    """Show a training run on one HTML page: curves, images by step, terms, recipe, and warnings with what to try."""
    if output is not None:
        check_page(output, overwrite)
    from srgan_kit.training.report.page import write_report

    say(str(write_report(run, output)))
