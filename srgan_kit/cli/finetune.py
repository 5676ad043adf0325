"""`srgan-kit finetune`: a model that is better at one's own photographs."""

import math
from pathlib import Path
from typing import Annotated

import typer

from srgan_kit.cli.console import say
from srgan_kit.errors import UserError
from srgan_kit.models.pretrained import DEFAULT_MODEL


def finetune(
    photos: Annotated[
        Path,
        typer.Argument(metavar="PHOTOS", help="Folder of photographs, with its subfolders, or a .zip of one."),
    ],
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="MODEL", help="Where to start: a pretrained model, a run folder, or a checkpoint's file."
        ),
    ] = DEFAULT_MODEL,
    minutes: Annotated[float, typer.Option(metavar="M", help="Time for all of it.")] = 10.0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Run folder.", show_default="runs/finetune-PHOTOS"),
    ] = None,
) -> None:
    """Fine-tune a super-resolution model on photographs; never worse than its start on what is held out of them."""
    if not (minutes > 0 and math.isfinite(minutes)):
        raise UserError(f"--minutes {minutes:g}: expected a number above 0")
    name = photos.resolve().stem if photos.is_file() else photos.resolve().name
    folder = output or Path("runs") / f"finetune-{name}"
    from srgan_kit.training.finetune import SMALLEST_GAIN, fine_tune

    result = fine_tune(photos, start, minutes, folder, lambda line: say(line, error=True))
    photographs = "photograph" if result.before.images == 1 else "photographs"
    where = f"on {result.before.images} held-out {photographs} (bicubic {result.before.bicubic:.2f} dB)"
    if result.better:
        say(f"{result.before.psnr:.2f} -> {result.after:.2f} dB {where}; model in {result.model}")
    else:
        start_is_kept = f"{result.model} is {result.model_before} as it was"
        say(f"not better than {result.before.psnr:.2f} dB by {SMALLEST_GAIN:g} dB {where}; {start_is_kept}")
    signal = result.outcome and result.outcome.signal
    raise typer.Exit(0 if signal is None else 128 + signal)
