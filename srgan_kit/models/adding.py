"""Adding a community checkpoint under a name: it is loaded, its speed is measured, and its files are kept."""

import statistics
import time
from pathlib import Path

import torch
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.models import added
from srgan_kit.models.super_resolution import RUN_MODEL, UpscalingModel, load_model

SIDE, REPEATS = 64, 3
"""The square that both networks upscale, and how often, after one time to warm up."""


def add_model(source: Path, name: str, licence: str | None) -> added.Added:
    """Keep the model in a file or run folder under a name.

    Args:
        source: what `load_model` takes that is a file or a folder.
        name: the name it gets.
        licence: its terms, as the user knows them; None for what the file says.

    Raises:
        UserError: a name that cannot be, a file that is no upscaling model or cannot be kept.
    """
    added.check_name(name)
    if not source.exists():
        raise UserError(f"--add {source}: expected a model's file or a run's folder; there is none of that name")
    model = load_model(source)
    file = source / RUN_MODEL if source.is_dir() else source
    files = {f"model{file.suffix.lower()}": file}
    if file.suffix.lower() == ".param":
        files["model.bin"] = file.with_suffix(".bin")
    about = added.Added(
        name=name,
        files={},
        scale=model.scale,
        architecture=model.architecture,
        parameters=model.parameters,
        licence=model.licence if licence is None else licence,
        speed={"time_against_compact_fp32": time_against_compact(model)},
    )
    added.add(about, files)
    return about


@torch.inference_mode()
def time_against_compact(model: UpscalingModel) -> float:
    """Median time of the network in fp32 over that of Real-ESRGAN's compact network (64 channels, 16 convolutions, x4,
    random weights) on the same square; they take turns."""
    from spandrel.architectures.Compact import Compact

    networks: list[nn.Module] = [model.network, Compact(num_feat=64, num_conv=16, upscale=4).eval()]
    side = max(SIDE, model.minimum)
    side += -side % model.multiple_of
    images = [torch.rand(1, channels, side, side) for channels in (model.channels, 3)]
    times: list[list[float]] = [[], []]
    for _ in range(REPEATS + 1):
        for network, image, own in zip(networks, images, times, strict=True):
            begin = time.perf_counter()
            network(image)
            own.append(time.perf_counter() - begin)
    return statistics.median(times[0][1:]) / statistics.median(times[1][1:])
