"""`--engine ray`: the tiles of all images are upscaled by the workers of a Ray cluster (the extra `ray`).

A tile is a task of its own, whose result does not depend on who does it: where a worker dies, another does it again.
"""

import uuid
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from srgan_kit.models.super_resolution import UpscalingModel
from srgan_kit.upscaling.engine import Image, TiledUpscaler
from srgan_kit.upscaling.tiling import Span
from srgan_kit.upscaling.upscaler import Upscaler

ray: Any = import_module("ray")  # by name: where it is not installed it has no types to check
Tile = tuple[Span, Span]
Settings = tuple[str, str, int | None]
_ready: dict[str, TiledUpscaler] = {}
"""Models that this worker has loaded."""


def start_cluster() -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one of this machine's cores."""
    if not ray.is_initialized():
        ray.init(logging_level="ERROR", log_to_driver=False, include_dashboard=False)


def upscale_core(name: str, model: list[Any], settings: Settings, part: Image, tile: Tile) -> tuple[Image, bool]:
    """A worker's task: `TiledUpscaler.core` of the model in the cluster's store, loaded once a worker."""
    if name not in _ready:
        _ready[name] = TiledUpscaler(ray.get(model[0]), *settings)
    return _ready[name].core(part, *tile)


class RayTiledUpscaler(TiledUpscaler):
    """A model whose tiles are upscaled by a cluster; arguments and results are those of `TiledUpscaler`."""

    def __init__(self, model: UpscalingModel, device: str, precision: str, tile: int | None) -> None:
        super().__init__(model, device, precision, tile)
        self._name = f"{model.name}-{uuid.uuid4().hex}"
        self._stored = ray.put(model)
        gpus = 1 if self.device.type == "cuda" else 0
        self._task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=-1)(upscale_core)
        kind = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}[str(self.dtype).removeprefix("torch.")]
        self._worker_settings = self.device.type, kind, tile

    def _cores(self, image: Image, work: list[Tile]) -> Iterator[tuple[Tile, tuple[Image, bool]]]:
        """As they are done, twice as many under way as the cluster has cores."""
        under_way: dict[Any, Tile] = {}
        for tile in work:
            if len(under_way) >= 2 * cluster_cores():
                yield _first_done(under_way)
            part = np.ascontiguousarray(image[slice(*tile[0].read), slice(*tile[1].read)])
            task = self._task.remote(self._name, [self._stored], self._worker_settings, part, tile)
            under_way[task] = tile
        while under_way:
            yield _first_done(under_way)


def _first_done(under_way: dict[Any, Tile]) -> tuple[Tile, tuple[Image, bool]]:
    (task, *_), _ = ray.wait(list(under_way), num_returns=1)
    return under_way.pop(task), ray.get(task)


def cluster_cores() -> int:
    """Cores of all machines."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


class RayUpscaler(Upscaler):
    """`Upscaler` on a cluster: several images may be given to it at once, from threads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        start_cluster()
        super().__init__(*arguments, **options)

    def _tiled(self, model: UpscalingModel) -> TiledUpscaler:
        return RayTiledUpscaler(model, *self._settings)
