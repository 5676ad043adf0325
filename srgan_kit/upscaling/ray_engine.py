"""`--engine ray`: the tiles of all images are upscaled by the workers of a Ray cluster (the extra `ray`).

A tile is a task of its own, whose result does not depend on who does it: where a worker dies, another does it again.
"""

import uuid
from importlib import import_module
from typing import Any

import numpy as np
import torch

from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.engine import TiledUpscaler, store
from srgan_kit.upscaling.torch_engine import TorchRunner

ray: Any = import_module("ray")  # by name: where it is not installed it has no types to check
DEVICES = ("auto", "cpu", "cuda")
"""Of the workers; auto is cuda where the cluster has GPUs. The precision is that of this machine's CPU by default."""
TASKS_A_CORE = 2
"""Tiles under way for each core of the cluster: one is computed, the next is brought."""
_ready: dict[str, TorchRunner] = {}
"""Models that this worker has loaded."""


def ray_upscaler(model: UpscalingModel, device: str, precision: str, tile: int | None) -> TiledUpscaler:
    """A model on the cluster that RAY_ADDRESS names, or on one of this machine's cores; as `torch_upscaler`."""
    if not ray.is_initialized():
        ray.init(logging_level="ERROR", log_to_driver=False, include_dashboard=False)
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    return TiledUpscaler([RayRunner(model, device, precision)] * (TASKS_A_CORE * cores), tile)


def run_tile(
    name: str, model: list[Any], settings: tuple[str, str], tile: np.ndarray, wanted: np.dtype
) -> tuple[np.ndarray, bool]:
    """A worker's task: `TorchRunner.run` of the model in the cluster's store, loaded once a worker."""
    if name not in _ready:
        device, precision = settings
        _ready[name] = TorchRunner(ray.get(model[0]), torch.device(device), precision)
    values, is_redone = _ready[name].run(tile, wanted)
    if np.issubdtype(wanted, np.integer) and values.dtype != wanted:  # fewer bytes to bring back
        rounded = np.empty(values.shape, wanted)
        store(values, rounded)
        values = rounded
    return values, is_redone


class RayRunner(TorchRunner):
    """A model whose tiles are run by a cluster; what is measured of it is measured here, on the CPU.

    Raises:
        UserError: no such device or precision.
    """

    def __init__(self, model: UpscalingModel, device: str, precision: str) -> None:
        if device not in DEVICES:
            raise UserError(f"device {device!r}: expected one of {', '.join(DEVICES)} with --engine ray")
        super().__init__(model, torch.device("cpu"), precision)
        has_gpus = ray.cluster_resources().get("GPU", 0) >= 1
        self.device = "cuda" if device == "cuda" or (device == "auto" and has_gpus) else "cpu"
        self._name = f"{model.name}-{uuid.uuid4().hex}"
        self._stored = ray.put(model)
        self._task = ray.remote(num_cpus=1, num_gpus=int(self.device == "cuda"), max_retries=-1)(run_tile)
        kind = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}[self.precision]
        self._worker_settings = self.device, kind

    def run(self, tile: np.ndarray, wanted: np.dtype) -> tuple[np.ndarray, bool]:
        """As `TileRunner.run`."""
        return ray.get(self._task.remote(self._name, [self._stored], self._worker_settings, tile, wanted))
