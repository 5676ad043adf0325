"""`srgan-kit export`: a model as a file for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.console import say
from srgan_kit.cli.output_files import check_output
from srgan_kit.errors import UserError

if TYPE_CHECKING:
    from srgan_kit.models.super_resolution import UpscalingModel

SUFFIXES = (".onnx", ".param", ".safetensors")


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pretrained model, model file or run folder.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help=".onnx; .param, with a .bin beside it, for ncnn (Upscayl, Real-ESRGAN-ncnn); or .safetensors.",
        ),
    ],
    fp16: Annotated[bool, typer.Option("--fp16", help="Weights in half precision.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write a super-resolution model for ONNX, ncnn or any program that reads safetensors."""
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{output}: expected a name ending in {', '.join(SUFFIXES)}")
    for file in (output, output.with_suffix(".bin")) if suffix == ".param" else (output,):
        check_output(file, overwrite)
    from srgan_kit.models.super_resolution import load_model

    loaded = load_model(model)
    write = {".onnx": _onnx, ".param": _ncnn, ".safetensors": _safetensors}[suffix]
    say(f"{output}: {loaded.name}, x{loaded.scale}, {write(loaded, output, fp16)}")
    if loaded.border and suffix != ".safetensors":
        say(f"Continue images by {loaded.border} pixels, mirrored, and cut the result: so does `srgan-kit upscale`.")


def _onnx(model: "UpscalingModel", path: Path, half: bool) -> str:
    from srgan_kit.models.onnx_export import OPSET, export_onnx

    difference = export_onnx(model, path, half)
    return f"opset {OPSET}, {'fp16' if half else 'fp32'}, within {difference:.0e} of the network in onnxruntime"


def _ncnn(model: "UpscalingModel", path: Path, half: bool) -> str:
    from srgan_kit.models.ncnn_export import export_ncnn

    difference = export_ncnn(model, path, half)
    weights = f"weights in {path.with_suffix('.bin')}"
    return f"{'fp16' if half else 'fp32'}, within {difference:.0e} of the network; {weights}"


def _safetensors(model: "UpscalingModel", path: Path, half: bool) -> str:
    from srgan_kit.models.super_resolution import write_copy

    write_copy(model, path, half)
    return "fp16" if half else "fp32"
