"""What the benchmarks share: times of pieces of work that take turns, thresholds, and the report."""

import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from srgan_kit.devices import autocast
from srgan_kit.models.super_resolution import UpscalingModel

Work = Callable[[], object]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Check:
    """One threshold."""

    name: str
    value: float
    bound: str
    ok: bool


def median_seconds(work: dict[str, Work], repeats: int) -> dict[str, float]:
    """Median time of each piece of work after one warm-up; they take turns, so that all see the same machine."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, piece in work.items():
            start = time.perf_counter()
            piece()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def report(found: Mapping[str, object], checks: Sequence[Check], output: Path) -> None:
    """Print what was found and which thresholds hold, and write both to a JSON file."""
    for name, value in found.items():
        print(f"{name:56} {value:.4g}" if isinstance(value, float) else f"{name:56} {value}")
    for each in checks:
        print(f"{'pass' if each.ok else 'FAIL'}  {each.name:50} {each.value:.4g} {each.bound}")
    output.write_text(json.dumps({**found, "thresholds": [asdict(each) for each in checks]}, indent=2) + "\n")


def photograph(side: int) -> np.ndarray:
    """A real photograph of side x side: scikit-image's astronaut, mirrored until it is large enough."""
    from skimage.data import astronaut

    photo = np.asarray(astronaut())
    missing = max(side - len(photo), 0)
    return np.pad(photo, [(0, missing), (0, missing), (0, 0)], mode="symmetric")[:side, :side].copy()


def bare(model: UpscalingModel, pixels: np.ndarray, dtype: torch.dtype, layout: torch.memory_format) -> Work:
    """The network alone on the whole image as a tensor that is already there."""
    network = copy.deepcopy(model.network)
    network.to(memory_format=layout)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255).contiguous(memory_format=layout)

    def run() -> object:
        with torch.inference_mode(), autocast(CPU, dtype):
            return network(image)

    return run
