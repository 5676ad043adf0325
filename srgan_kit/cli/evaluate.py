"""`srgan-kit evaluate`: how good and how fast a super-resolver is on a folder, or a generator on a test set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.console import (
    libraries_muted,
    own_stderr,
    print_table,
    progress_bar,
    say,
    without_pillow_warnings,
)
from srgan_kit.cli.evaluate_generator import GeneratorOptions, evaluate_generator
from srgan_kit.cli.output_files import STDOUT, check_report, write_json
from srgan_kit.errors import UserError
from srgan_kit.models.pretrained import DEFAULT_MODEL

if TYPE_CHECKING:
    import numpy as np

    from srgan_kit.metrics.folder import Evaluation, Upscale
    from srgan_kit.upscaling.engine import TiledUpscaler

BICUBIC = "bicubic"
BICUBIC_SCALE = 4


def evaluate(
    high: Annotated[
        Path,
        typer.Argument(
            metavar="HR_DIR|RUN_OR_MODEL",
            help="Folder of high-resolution images; with --data a generator's run folder, file or name.",
        ),
    ],
    low: Annotated[
        Path | None,
        typer.Option("--lr", help="Folder of low-resolution images.", show_default="MATLAB-exact bicubic downscaling"),
    ] = None,
    model: Annotated[
        str, typer.Option("-m", "--model", help="Pretrained model, model file, or bicubic for the baseline.")
    ] = DEFAULT_MODEL,
    scale: Annotated[
        int | None,
        typer.Option("-s", "--scale", min=1, help="Upscaling factor.", show_default="the model's scale; 4 for bicubic"),
    ] = None,
    consistent: Annotated[
        bool, typer.Option("--consistent", help="Evaluate with back-projection, as `upscale --consistent`.")
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Evaluate the average over 8 rotations and reflections.")
    ] = False,
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="Precision: auto, fp32, bf16 or fp16.")] = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write a JSON report; - for stdout.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing report.")] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Test set (x_test) for a generator: VAE, PixelRNN, GAN.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("-n", "--number", min=1, help="With --data: test images.", show_default="all")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, help="With --data: draws of a VAE's code for each image.", show_default="5000"),
    ] = None,
    binarise: Annotated[
        str | None,
        typer.Option(help="With --data: none, random, fixed or threshold.", show_default="as in training"),
    ] = None,
) -> None:
    """Evaluate a model: PSNR and SSIM on luma by the standard protocol, and speed; of a generator the likelihood.

    Exit status: 0 success; 1 some images failed (each with an error message); 2 wrong command line.
    """
    from rich.console import Console

    from srgan_kit.images.read import pixels_limited
    from srgan_kit.metrics.folder import (
        Evaluation,
        Failure,
        bicubic_upscaler,
        evaluate_pairs,
        pair_images,
        protocol,
    )

    if json_file:
        check_report(json_file, overwrite)
    own = {"-n": number, "--samples": samples, "--binarise": binarise}
    if data is not None:
        of_others = {"--lr": low, "--scale": scale, "--consistent": consistent, "--ensemble": ensemble}
        of_others |= {"--model": model if model != DEFAULT_MODEL else None}
        of_others |= {"--precision": precision if precision != "auto" else None}
        _refuse(of_others, "for super-resolution, not for --data")
        evaluate_generator(str(high), GeneratorOptions(data, number, samples, binarise, device, json_file))
        return
    _refuse(own, "needs --data FILE.npz and a generator")
    _check_folder(high)
    if ensemble and model == BICUBIC:
        raise UserError("--ensemble: expected a model, got bicubic, which turning the input does not change")
    if model == BICUBIC and (device, precision) != ("auto", "auto"):
        raise UserError("--device and --precision: expected a model, got bicubic, which has neither")
    upscaler = None if model == BICUBIC else _upscaler(model, scale, device, precision, ensemble)
    factor = upscaler.scale if upscaler else scale or BICUBIC_SCALE
    notes: list[str] = []
    upscale = _noting(upscaler, notes) if upscaler else bicubic_upscaler(factor)
    if consistent:
        upscale = _corrected(upscale)
    failed: list[Failure] = []
    pairs = pair_images(high, low, factor, failed)
    if upscaler:
        upscaler.warm_up()  # its measurements are no part of an image's time
    bar = progress_bar(Console(file=own_stderr()))
    with without_pillow_warnings(), pixels_limited(), libraries_muted(), bar:
        scores = evaluate_pairs(pairs, upscale, factor, failed)
        measured = tuple(bar.track(scores, total=len(pairs), description="Measuring"))
    evaluation = Evaluation(
        model, factor, protocol(factor, low_from=low), measured, ensemble, consistent, failed=tuple(failed)
    )
    for note in notes:
        say(f"note: {note}", error=True)
    for failure in failed:
        say(f"error: {failure.reason}", error=True)
    if measured:
        if json_file not in STDOUT:
            _print(evaluation)
        if json_file:
            write_json(json_file, evaluation.as_json())
    if failed:
        raise typer.Exit(1)


def _refuse(options: dict[str, object], reason: str) -> None:
    """Raise a UserError if one of them was given."""
    given = next((name for name, value in options.items() if value not in (None, False)), None)
    if given is not None:
        raise UserError(f"{given}: {reason}")


def _check_folder(path: Path) -> None:
    """Raise a UserError for what is a generator in the place of a folder of images."""
    from srgan_kit.models.pretrained import pretrained_generators

    run = path.is_dir() and (path / "recipe.json").is_file()
    if run or path.suffix == ".safetensors" or (not path.exists() and str(path) in pretrained_generators()):
        raise UserError(f"{path}: a model: give --data FILE.npz for a generator, -m MODEL for a super-resolver")


def _noting(upscaler: "TiledUpscaler", notes: list[str]) -> "Upscale":
    """What upscales an image; what was not done as asked is added to the notes."""

    def upscale(image: "np.ndarray") -> "np.ndarray":
        result = upscaler.run(image)
        notes.extend(result.notes)
        return result.pixels

    return upscale


def _corrected(upscale: "Upscale") -> "Upscale":
    """As `srgan-kit upscale --consistent` does it."""
    from srgan_kit.upscaling.back_projection import back_project

    def corrected(image: "np.ndarray") -> "np.ndarray":
        result = upscale(image)
        back_project(result, image)
        return result

    return corrected


def _upscaler(model: str, scale: int | None, device: str, precision: str, ensemble: bool) -> "TiledUpscaler":
    from srgan_kit.models.super_resolution import load_model
    from srgan_kit.upscaling.self_ensemble import ensembled
    from srgan_kit.upscaling.torch_engine import torch_upscaler

    loaded = load_model(model)
    if loaded.channels != 3:
        raise UserError(f"model {model}: expected a model for RGB images, got {loaded.channels} colour channel(s)")
    if scale not in (None, loaded.scale):
        raise UserError(f"--scale {scale}: model {model} upscales by {loaded.scale}")
    return torch_upscaler(ensembled(loaded) if ensemble else loaded, device=device, precision=precision)


def _print(evaluation: "Evaluation") -> None:
    rows = [
        (
            score.name,
            f"{score.psnr_y:.2f}",
            f"{score.ssim_y:.4f}",
            f"{score.lr_reproduced:.1%}",
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
        f"{evaluation.lr_reproduced:.1%}",
        f"{seconds / len(rows):.3f}",
        f"{evaluation.megapixels_per_second:.3f}",
    )
    ways = [way for way, chosen in (("ensemble", evaluation.ensemble), ("consistent", evaluation.consistent)) if chosen]
    print(", ".join([evaluation.model, f"x{evaluation.scale}", *ways]))
    print_table(("image", "PSNR-Y dB", "SSIM-Y", "LR reproduced exactly", "seconds", "LR megapixels/s"), rows, mean)


def _rate(megapixels: float, seconds: float) -> str:
    return f"{megapixels / seconds:.3f}" if seconds else "-"
