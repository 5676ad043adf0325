"""Which engine runs a model: PyTorch, or onnxruntime without it. Each is imported when it is asked for."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from srgan_kit.errors import UserError
from srgan_kit.upscaling.engine import TiledUpscaler

if TYPE_CHECKING:
    from srgan_kit.models.super_resolution import UpscalingModel

ENGINES = ("local", "onnx", "ray")
"""PyTorch in this process, onnxruntime, and PyTorch on a Ray cluster."""


@dataclass(frozen=True)
class EngineSettings:
    """How models are run.

    Raises:
        UserError: there is no such engine, or it is not installed.
    """

    engine: str = "local"
    """One of ENGINES."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: str = "auto"
    """auto, fp32, bf16 or fp16."""
    tile: int | None = None
    """Side of a tile in input pixels without its halo; None chooses one."""
    ensemble: bool = False
    """Whether each result is the mean over the eight symmetries of the square."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UserError(f"engine {self.engine!r}: expected one of {', '.join(ENGINES)}")
        if self.engine == "ray" and find_spec("ray") is None:
            raise UserError("engine 'ray' needs the extra ray: pip install 'srgan-kit[ray]'")


WEIGHT_POWER = 0.5
"""The second model's part of interpolated weights is this power of the fraction: half of the weights do less than half
of what it does (scripts/experiments/dials.py)."""


def upscaler_between(
    first: str, second: str, fraction: float, name: str, settings: EngineSettings
) -> TiledUpscaler | None:
    """The model whose weights are (1 - fraction^1/2) first + fraction^1/2 second, ready.

    None where their results have to be mixed instead: in onnxruntime, and for networks that were trained apart.

    Raises:
        UserError: as `upscaler_of`.
    """
    if settings.engine == "onnx":
        return None
    from srgan_kit.models.interpolation import interpolated
    from srgan_kit.models.super_resolution import load_model

    between = interpolated(load_model(first), load_model(second), fraction**WEIGHT_POWER)
    if between is None:
        return None
    return upscaler_of(replace(between, name=name), settings)


def upscaler_of(model: "str | Path | UpscalingModel", settings: EngineSettings) -> TiledUpscaler:
    """A model in the engine asked for, ready; an .onnx file in onnxruntime where none but the usual one is.

    Raises:
        UserError: no such model, device or precision; tile < 1; the engine is not installed.
    """
    is_name = isinstance(model, str | Path)
    is_onnx = is_name and Path(model).suffix.lower() == ".onnx"
    engine, where = settings.engine, (settings.device, settings.precision, settings.tile)
    if is_onnx and engine == "ray":
        raise UserError(f"model {model}: --engine ray runs PyTorch's models; expected no .onnx file")
    if is_name and (is_onnx or engine == "onnx"):
        from srgan_kit.upscaling.onnx_engine import onnx_upscaler

        return onnx_upscaler(model, *where, ensemble=settings.ensemble)
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
    loaded = ensembled(loaded) if settings.ensemble else loaded
    if engine == "ray":
        from srgan_kit.upscaling.ray_engine import ray_upscaler

        return ray_upscaler(loaded, *where)
    return torch_upscaler(loaded, *where)
