"""`srgan-kit evaluate`: how good and how fast a model is on a folder of high-resolution images."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.tables import print_table
from srgan_kit.errors import UserError
from srgan_kit.files import appearing

if TYPE_CHECKING:
    from srgan_kit.metrics.evaluation import Evaluation, Upscale

BICUBIC = "bicubic"
BICUBIC_SCALE = 4


def evaluate(
    high: Annotated[Path, typer.Argument(metavar="HR_DIR", help="Folder of high-resolution images.")],
    low: Annotated[
        Path | None,
        typer.Option("--lr", help="Folder of their low-resolution partners; made by MATLAB-exact bicubic without it."),
    ] = None,
    model: Annotated[
        str, typer.Option("-m", "--model", help="Embedded model, model file, or bicubic.")
    ] = "x4-fidelity",
    scale: Annotated[
        int | None, typer.Option("-s", "--scale", min=1, help="Upscaling factor; the model's own, or 4 for bicubic.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the results there.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing FILE.")] = False,
) -> None:
    """Measure a model: PSNR and SSIM on luma, the standard protocol, and its speed."""
    from rich.console import Console
    from rich.progress import track

    from srgan_kit.metrics.evaluation import Evaluation, evaluate_pairs, pair_images, protocol

    if json_file:
        _check_output(json_file, overwrite)
    upscale, factor = _upscaler(model, scale, device, precision)
    pairs = pair_images(high, low, factor)
    progress = Console(stderr=True)
    scores = track(
        evaluate_pairs(pairs, upscale, factor),
        "Measuring",
        total=len(pairs),
        console=progress,
        transient=True,
        disable=not progress.is_terminal,
    )
    evaluation = Evaluation(model, factor, protocol(factor, low_from=low), tuple(scores))
    _print(evaluation)
    if json_file:
        _write(evaluation, json_file)


def _check_output(file: Path, overwrite: bool) -> None:
    """Before the work, not after it."""
    if file.exists() and not overwrite:
        raise UserError(f"{file}: exists already; --overwrite replaces it")
    if not file.parent.is_dir():
        raise UserError(f"{file}: there is no folder {file.parent}")


def _upscaler(model: str, scale: int | None, device: str, precision: str) -> "tuple[Upscale, int]":
    """How to upscale and by how much."""
    from srgan_kit.metrics.evaluation import bicubic_upscaler

    if model == BICUBIC:
        factor = scale or BICUBIC_SCALE
        return bicubic_upscaler(factor), factor
    from srgan_kit.upscaling.engine import Upscaler
    from srgan_kit.upscaling.models import load_model

    loaded = load_model(model)
    if loaded.channels != 3:
        raise UserError(f"model {model}: expected a model for RGB images, got {loaded.channels} colour channel(s)")
    if scale not in (None, loaded.scale):
        raise UserError(f"--scale {scale}: model {model} upscales by {loaded.scale}")
    return Upscaler(loaded, device=device, precision=precision).upscale, loaded.scale


def _print(evaluation: "Evaluation") -> None:
    rows = [
        (
            score.name,
            f"{score.psnr_y:.2f}",
            f"{score.ssim_y:.4f}",
            f"{score.seconds:.3f}",
            _rate(score.megapixels, score.seconds),
        )
        for score in evaluation.images
    ]
    seconds = sum(score.seconds for score in evaluation.images)
    mean = (
        f"mean of {len(rows)}",
        f"{evaluation.psnr_y:.2f}",
        f"{evaluation.ssim_y:.4f}",
        f"{seconds / len(rows):.3f}",
        f"{evaluation.megapixels_per_second:.3f}",
    )
    print(f"{evaluation.model}, x{evaluation.scale}")
    print_table(("image", "PSNR-Y dB", "SSIM-Y", "seconds", "LR megapixels/s"), rows, mean)


def _rate(megapixels: float, seconds: float) -> str:
    return f"{megapixels / seconds:.3f}" if seconds else "-"


def _write(evaluation: "Evaluation", file: Path) -> None:
    text = json.dumps(evaluation.as_json(), indent=2, allow_nan=False)
    try:
        with appearing(file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from None
