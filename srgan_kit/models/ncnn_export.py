"""A model as files of ncnn, checked against the network that they were made of."""

import math
import tempfile
from pathlib import Path

import torch

from srgan_kit.errors import UserError
from srgan_kit.models.ncnn_network import read_ncnn
from srgan_kit.models.ncnn_writer import ncnn_graph
from srgan_kit.models.super_resolution import UpscalingModel

TOLERANCE, HALF_TOLERANCE = 1e-4, 2e-2
"""Largest difference of an output from the network's, in its range of [0, 1]."""


@torch.inference_mode()
def export_ncnn(model: UpscalingModel, path: Path, half: bool = False) -> float:
    """Write a .param and the .bin beside it, as Upscayl and Real-ESRGAN-ncnn read them: blobs "data" and "output".

    The files are read back and run before they appear. These programs take the scale from the name: keep "x4" or "4x"
    in it.

    Returns:
        The largest difference from the network's output for a random image.

    Raises:
        UserError: an architecture that is not written, a difference above the tolerance, a file that cannot be written.
    """
    try:
        graph = ncnn_graph(model.network, half)
    except UserError as error:
        raise UserError(f"model {model.name}: {error}") from None
    with tempfile.TemporaryDirectory() as folder:
        written, about = read_ncnn(graph.save(Path(folder) / "model.param"))
        step = math.lcm(model.multiple_of, about.multiple_of)
        image = torch.rand(1, model.channels, 16 * step, 17 * step, generator=torch.Generator().manual_seed(0))
        difference = float((written(image) - model.network(image)).abs().max())
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    if not difference <= tolerance:
        raise UserError(f"model {model.name}: ncnn's layers differ by {difference:.1e}, above {tolerance:g}")
    try:
        graph.save(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    return difference
