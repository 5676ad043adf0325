"""Which engine runs a model: PyTorch, or onnxruntime without it. Each is imported when it is asked for."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.errors import UserError
from srgan_kit.upscaling.engine import TiledUpscaler

if TYPE_CHECKING:
    from srgan_kit.models.super_resolution import UpscalingModel

ENGINES = ("local", "onnx", "ray")
"""PyTorch in this process, onnxruntime, and PyTorch on a Ray cluster."""


def check_engine(engine: str) -> None:
    """Raise a UserError for an engine that there is not."""
    if engine not in ENGINES:
        raise UserError(f"engine {engine!r}: expected one of {', '.join(ENGINES)}")
    if engine == "ray" and find_spec("ray") is None:
        raise UserError("engine 'ray' needs the extra ray: pip install 'srgan-kit[ray]'")


def upscaler_between(
    first: str,
    second: str,
    fraction: float,
    name: str,
    engine: str,
    device: str,
    precision: str,
    tile: int | None,
    *,
    ensemble: bool = False,
) -> TiledUpscaler | None:
    """The model whose weights lie between those of two, ready; None where their results have to be mixed instead:
    in onnxruntime, and for networks that were trained apart.

    Raises:
        UserError: as `upscaler_of`.
    """
    if engine == "onnx":
        return None
    from srgan_kit.models.interpolation import interpolated
    from srgan_kit.models.super_resolution import load_model

    between = interpolated(load_model(first), load_model(second), fraction)
    if between is None:
        return None
    return upscaler_of(replace(between, name=name), engine, device, precision, tile, ensemble=ensemble)


def upscaler_of(
    model: "str | Path | UpscalingModel",
    engine: str,
    device: str,
    precision: str,
    tile: int | None,
    *,
    ensemble: bool = False,
) -> TiledUpscaler:
    """A model in the engine of that name, ready; an .onnx file always in onnxruntime.

    Raises:
        UserError: no such model, device or precision; tile < 1; the engine is not installed.
    """
    is_name = isinstance(model, str | Path)
    if is_name and (engine == "onnx" or Path(model).suffix.lower() == ".onnx"):
        from srgan_kit.upscaling.onnx_engine import onnx_upscaler

        return onnx_upscaler(model, device, precision, tile, ensemble=ensemble)
    if engine == "onnx":
        raise UserError("engine 'onnx': expected a pretrained model's name or an .onnx file, got a loaded model")
    try:
        from srgan_kit.models.super_resolution import load_model
        from srgan_kit.upscaling.self_ensemble import ensembled
        from srgan_kit.upscaling.torch_engine import torch_upscaler
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError("PyTorch is not installed; --engine onnx upscales without it") from None
    loaded = load_model(model) if is_name else model
    loaded = ensembled(loaded) if ensemble else loaded
    if engine == "ray":
        from srgan_kit.upscaling.ray_engine import ray_upscaler

        return ray_upscaler(loaded, device, precision, tile)
    return torch_upscaler(loaded, device, precision, tile)
