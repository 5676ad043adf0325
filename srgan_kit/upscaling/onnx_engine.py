"""The engine's tiles by onnxruntime: starts at once, and needs no torch."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.models.field import Field
from srgan_kit.models.onnx_header import INPUT, OUTPUT, PRECISIONS, read_header
from srgan_kit.models.pretrained import pretrained_models
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.runner import OutOfMemoryError, TileRunner

INSTALL = "pip install 'srgan-kit[onnx]'"
SUFFIX = ".onnx"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""What onnxruntime calls the devices."""
OUT_OF_MEMORY = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")


def onnx_upscaler(
    model: str | Path,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
    *,
    ensemble: bool = False,
) -> TiledUpscaler:
    """A model in onnxruntime, ready for any number of images.

    Args:
        model: a pretrained model's name, or an .onnx file that `srgan-kit export` wrote.
        device: auto, cpu, or cuda with onnxruntime-gpu.
        precision: auto, or the one of the file.
        tile: side of a tile in input pixels without its halo; None for what the file says.
        ensemble: whether each result is the mean over the eight symmetries of the square.

    Raises:
        UserError: the extra is missing, no such model, device or precision, tile < 1.
    """
    runner = OnnxRunner(find_onnx(model), device, precision)
    return TiledUpscaler([EnsembleRunner(runner) if ensemble else runner], tile)


def find_onnx(model: str | Path) -> Path:
    """The file of a model.

    Raises:
        UserError: there is none.
    """
    pretrained = pretrained_models().get(str(model))
    if pretrained is not None:
        file = pretrained.with_suffix(SUFFIX)
        if not file.is_file():
            raise UserError(f"model {model}: is not among those that onnxruntime runs")
        return file
    path = Path(model)
    if path.suffix.lower() != SUFFIX:
        names = [name for name, file in pretrained_models().items() if file.with_suffix(SUFFIX).is_file()]
        raise UserError(f"model {str(model)!r}: onnxruntime runs {', '.join(names)}, and files of `srgan-kit export`")
    if not path.is_file():
        raise UserError(f"model {path}: there is no such file")
    return path


class OnnxRunner:
    """An ONNX file's network on one device.

    Raises:
        UserError: the extra is missing, a file that is not of `srgan-kit export`, no such device or precision.
    """

    def __init__(self, path: Path, device: str = "auto", precision: str = "auto") -> None:
        self.notes: list[str] = []
        self._session = _session(path, device)
        self.model = read_header(path, self._session.get_modelmeta().custom_metadata_map)
        _check_weights(path, self.model.weights)
        provider = self._session.get_providers()[0]
        self.device = next(name for name, known in PROVIDERS.items() if known == provider)
        if precision not in ("auto", PRECISIONS.get(self.precision)):
            raise UserError(
                f"precision {precision!r}: {path.name} is in {PRECISIONS.get(self.precision, self.precision)}; "
                "`srgan-kit export` writes another with --fp16 or without"
            )

    @property
    def precision(self) -> str:
        """The name of the type that the file's network computes in."""
        return self.model.precision

    @property
    def field(self) -> Field:
        """What tiles must respect, as the file says."""
        return self.model.field

    @property
    def minimum(self) -> int:
        """Smallest side that the network accepts, as the file says."""
        return self.model.minimum

    @property
    def tile(self) -> int:
        """Side of a tile that suits the network, as the file says."""
        return self.model.tile

    def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        """As `TileRunner.run`; always float32, never computed again."""
        try:
            (output,) = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(tile.transpose(2, 0, 1)[None])})
        except Exception as error:  # onnxruntime's own, which have no common class
            if any(text in str(error).lower() for text in OUT_OF_MEMORY):
                raise OutOfMemoryError from None
            raise
        if not np.isfinite(output.sum()):  # one pass: NaN and infinity survive a sum
            raise UserError(f"model {self.model.name} gave NaN or infinity in {self.precision}")
        return output[0].transpose(1, 2, 0), False


class EnsembleRunner:
    """A network's mean over quarter turns and reflections of its input, as `SelfEnsemble` computes it in PyTorch."""

    def __init__(self, runner: TileRunner) -> None:
        self._runner = runner
        self.model, self.notes = runner.model, runner.notes
        self.device, self.precision = runner.device, runner.precision
        self.field, self.minimum, self.tile = runner.field, runner.minimum, runner.tile

    def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        """As `TileRunner.run`; eight times the work."""
        total, is_redone = np.float32(0), False
        for turns in range(4):
            for step in (1, -1):
                answer, again = self._runner.run(np.rot90(tile[:, ::step], turns), tile.dtype)
                total = total + np.rot90(answer, -turns)[:, ::step]
                is_redone |= again
        return np.asarray(total / np.float32(8)), is_redone


def _session(path: Path, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"onnxruntime is an extra: {INSTALL}") from None
    here = [name for name, provider in PROVIDERS.items() if provider in onnxruntime.get_available_providers()]
    if device != "auto" and device not in PROVIDERS:
        raise UserError(f"device {device!r}: onnxruntime runs on auto, cpu or cuda")
    if device != "auto" and device not in here:
        raise UserError(f"device {device!r} is not available to this onnxruntime; available: {', '.join(here)}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised too
    threads = os.environ.get("OMP_NUM_THREADS", "")  # as torch does
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0  # 0: one a core
    wanted = [device] if device != "auto" else sorted(here, reverse=True)  # cuda before cpu
    try:
        return onnxruntime.InferenceSession(path, options, providers=[PROVIDERS[name] for name in wanted])
    except Exception as error:  # onnxruntime's own, which have no common class
        raise UserError(f"model {path}: cannot be read: {str(error).splitlines()[0]}") from None


def _check_weights(path: Path, weights: str) -> None:
    """Raise a UserError unless the file that holds the weights is the one that the graph was made for."""
    if not weights:
        return
    name, _, expected = weights.partition(" ")
    try:
        with path.with_name(name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise UserError(f"model {path}: its weights cannot be read: {error}") from None
    if found != expected:
        raise UserError(f"model {path}: was made for another {name}")
