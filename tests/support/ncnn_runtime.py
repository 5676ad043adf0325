"""What ncnn's own runtime makes of files, and graphs that are not optimised."""

from dataclasses import dataclass
from pathlib import Path

import ncnn
import numpy as np
import torch
from torch import Tensor, nn

from srgan_kit.models.ncnn_writer import Graph


@dataclass
class PlainGraph(Graph):
    """As before ncnnoptimize: activations and weighted sums in layers of their own."""

    def convolution(self, read: str, layer: nn.Conv2d, slope: float | None = None) -> str:
        made = super().convolution(read, layer)
        return made if slope is None else self.add("ReLU", made, settings=f"0={slope:e}")

    def weighted(self, first: str, factor: float, second: str) -> str:
        scaled = self.add("BinaryOp", first, settings=f"0=2 1=1 2={factor:e}")
        return self.add("BinaryOp", scaled, second, settings="0=0")


def runtime(path: Path, image: Tensor) -> Tensor:
    """What ncnn makes of (1, C, h, w), in fp32."""
    network = ncnn.Net()  # pyright: ignore[reportAttributeAccessIssue]
    network.opt.num_threads = 1
    for name in ("vulkan_compute", "fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(network.opt, f"use_{name}", False)
    assert network.load_param(str(path)) == 0
    assert network.load_model(str(path.with_suffix(".bin"))) == 0
    extractor = network.create_extractor()
    pixels = np.ascontiguousarray(image[0].numpy())
    given = ncnn.Mat(pixels).clone()  # layers may overwrite it, and it must outlive them  # pyright: ignore[reportAttributeAccessIssue]
    extractor.input(network.input_names()[0], given)
    status, result = extractor.extract(network.output_names()[0])
    assert status == 0
    return torch.from_numpy(np.array(result))[None]
