"""A model as an ONNX file, checked against the network that it was made of."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srgan_kit import __version__
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.community import first_line
from srgan_kit.models.onnx_header import INPUT, OUTPUT, OnnxHeader
from srgan_kit.models.receptive_field import automatic_tile, measure_field
from srgan_kit.models.super_resolution import UpscalingModel

OPSET = 18
"""Version of ONNX's operators; runtimes from 2023 on have it."""
TOLERANCE, HALF_TOLERANCE = 1e-4, 2e-2
"""Largest difference of an output from the network's, in its range of [0, 1]."""
INSTALL = "pip install 'srgan-kit[export]'"
TRACED, CHECKED = (2, 24, 32), ((1, 17, 23), (3, 40, 31))
"""(images, height, width) that the graph is made with, and that it is checked with; sides in the model's multiples."""


class _Half(nn.Module):
    """A network in fp16 between inputs and outputs in fp32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image.half()).float()


def export_onnx(model: UpscalingModel, path: Path, half: bool = False) -> float:
    """Write the network as (N, C, h, w) -> (N, C, h * scale, w * scale) in fp32, N, h and w free; the file is checked
    by onnxruntime before it appears.

    Args:
        model: the network; the border that it wants continued is the caller's work, and stands in the file's metadata.
        path: of the file.
        half: whether weights and arithmetic are fp16.

    Returns:
        The largest difference from the network's outputs for random images of two sizes.

    Raises:
        UserError: the extra is missing, a network that cannot be translated, a difference above the tolerance, a file
            that cannot be written.
    """
    difference, proto = translated(model, half)
    import onnx

    try:
        with atomic_write(path) as temporary:
            onnx.save_model(proto, temporary)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    return difference


def translated(model: UpscalingModel, half: bool = False) -> tuple[float, Any]:
    """The network as an `onnx.ModelProto` with its header, and the largest difference of its outputs.

    Raises:
        UserError: as `export_onnx`.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise UserError(f"exporting to ONNX is an extra: {INSTALL}") from None
    network = _Half(copy.deepcopy(model.network)) if half else model.network
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (_images(model, TRACED),),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(_free_sides(model),),
            )
    except Exception as error:  # the exporter raises whatever it stumbles over
        raise UserError(f"model {model.name}: {model.architecture} cannot be translated: {first_line(error)}") from None
    assert program is not None
    proto = program.model_proto
    _forget_sources(proto)
    proto.producer_name, proto.producer_version = "srgan-kit", __version__
    onnx.helper.set_model_props(proto, header_of(model, half).as_metadata())
    difference = _difference(onnxruntime, proto.SerializeToString(), model)
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    if not difference <= tolerance:
        raise UserError(f"model {model.name}: the ONNX graph's outputs differ by {difference:.1e}, above {tolerance:g}")
    return difference, proto


def _forget_sources(proto: Any) -> None:
    """Without lines and folders of the code that made each node, and without shapes that follow from the graph."""
    for node in proto.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    proto.graph.ClearField("value_info")


def header_of(model: UpscalingModel, half: bool = False) -> OnnxHeader:
    """What the file says of itself, measured where it has to be."""
    return OnnxHeader(
        name=model.name,
        scale=model.scale,
        channels=model.channels,
        multiple_of=model.multiple_of,
        border=model.border,
        tile=automatic_tile(model),
        field=measure_field(model.network, model.scale, model.channels, model.multiple_of, model.minimum),
        precision="float16" if half else "float32",
        architecture=model.architecture,
        licence=model.licence,
        training_data=model.metadata.get("training_data", "unknown"),
    )


def _free_sides(model: UpscalingModel) -> dict[int, Any]:
    """Which dimensions of the image are free, and in which steps."""
    if model.multiple_of == 1:
        return {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    height, width = (model.multiple_of * torch.export.Dim(name) for name in ("rows", "columns"))
    return {0: torch.export.Dim.DYNAMIC, 2: height, 3: width}


def _images(model: UpscalingModel, shape: tuple[int, int, int]) -> Tensor:
    count, *sides = shape
    height, width = (max(side, model.minimum) * model.multiple_of for side in sides)
    return torch.rand(count, model.channels, height, width, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def _difference(onnxruntime: Any, serialised: bytes, model: UpscalingModel) -> float:
    """The largest one of the graph's outputs from the network's."""
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    largest = 0.0
    for shape in CHECKED:
        image = _images(model, shape)
        (answer,) = session.run([OUTPUT], {INPUT: image.numpy()})
        largest = max(largest, float(np.abs(answer - model.network(image).numpy()).max()))
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's warnings are for programmers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
