"""Networks written as files of ncnn, as its converters and `ncnnoptimize` write them: for Upscayl and its kin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.community import CommunityNetwork
from srgan_kit.generators.super_resolution.pixel_shuffle import PixelShuffleSR
from srgan_kit.generators.super_resolution.reparameterised import folded
from srgan_kit.generators.super_resolution.residual import ResidualGroup, ResidualSR
from srgan_kit.generators.super_resolution.rrdb import DenseBlock, RRDBNet, own_rrdb
from srgan_kit.models.ncnn_files import MAGIC

if TYPE_CHECKING:  # a second to import
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.SPAN import SPAN

HALF, FULL = b"\x47\x6b\x30\x01", b"\0\0\0\0"
CONVOLUTION = "1={k} 11={k} 2=1 12=1 3=1 13=1 4={p} 14={p} 15={p} 16={p}"


@dataclass
class Graph:
    """Layers and their numbers, layer by layer; a blob that several read is split when the files are written."""

    half: bool = False
    """Weights in fp16."""
    result: str = "output"
    """Name of the blob that is the result."""
    layers: list[tuple[str, list[str], str, str]] = field(default_factory=list)
    """(kind, blobs read, blob made, settings)"""
    numbers: bytes = b""
    """What goes into the .bin."""

    def add(self, kind: str, *reads: str, settings: str = "") -> str:
        """Append a layer; the blob that it makes."""
        made = "data" if kind == "Input" else f"blob{len(self.layers)}"
        self.layers.append((kind, list(reads), made, settings))
        return made

    def weights(self, values: Tensor, tagged: bool = True) -> None:
        """Append numbers: with a tag and in the graph's precision, or in fp32 without."""
        array = values.detach().numpy().astype("<f2" if self.half and tagged else "<f4")
        data = array.tobytes()
        tag = (HALF if self.half else FULL) if tagged else b""
        self.numbers += tag + data + b"\0" * (-len(data) % 4)

    def convolution(self, read: str, layer: nn.Conv2d, slope: float | None = None) -> str:
        """A convolution, and a leaky ReLU of that slope after it; None for none, 0 for a plain one."""
        size = layer.kernel_size[0]
        where = CONVOLUTION.format(k=size, p=size // 2)
        bias = int(layer.bias is not None)
        settings = f"0={layer.out_channels} {where} 5={bias} 6={layer.weight.numel()}"
        self.weights(layer.weight)
        if layer.bias is not None:
            self.weights(layer.bias, tagged=False)
        if slope is not None:
            settings += f" 9=2 -23310=1,{slope:e}" if slope else " 9=1"
        return self.add("Convolution", read, settings=settings)

    def weighted(self, first: str, factor: float, second: str) -> str:
        """first * factor + second."""
        return self.add("Eltwise", first, second, settings=f"0=1 -23301=2,{factor:e},1.000000e+00")

    def lines(self) -> list[str]:
        """The .param's lines."""
        uses = Counter(name for _, reads, _, _ in self.layers for name in reads)
        copies = {name: iter(range(count)) for name, count in uses.items() if count > 1}
        written: list[str] = []
        blobs = 0
        for number, (kind, reads, made, settings) in enumerate(self.layers):
            names = [f"{name}_{next(copies[name])}" if name in copies else name for name in reads]
            made = made if uses[made] else self.result
            written.append(f"{kind:<24} {kind}_{number:<16} {len(names)} 1 {' '.join([*names, made])} {settings}")
            split = [f"{made}_{copy}" for copy in range(uses[made])] if made in copies else []
            if split:
                written.append(f"{'Split':<24} split_{number:<16} 1 {len(split)} {made} {' '.join(split)}")
            blobs += 1 + len(split)
        return [MAGIC, f"{len(written)} {blobs}", *written]

    def save(self, path: Path) -> Path:
        """Write both files, each whole or not at all; the .param, which comes last.

        Raises:
            OSError: one cannot be written.
        """
        with atomic_write(path.with_suffix(".bin")) as temporary:
            temporary.write_bytes(self.numbers)
        with atomic_write(path) as temporary:
            temporary.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")
        return path


def write_residual(network: ResidualSR | PixelShuffleSR, graph: Graph) -> Graph:
    """The kit's own networks of plain convolutions.

    Raises:
        UserError: blocks of another kind, or a latent vector.
    """
    plain: Any = folded(network)
    if getattr(plain, "latent", None) is not None:
        raise UserError("a generator with a latent vector cannot be written for ncnn")
    image = graph.add("Input")
    maps = graph.convolution(graph.add("BinaryOp", image, settings="0=1 1=1 2=5.000000e-01"), plain.head)
    for group in plain.body:
        if not isinstance(group, ResidualGroup):
            raise UserError(f"blocks of {type(group).__name__} cannot be written for ncnn")
        inside = maps
        for convolution in cast(list[nn.Conv2d], group.convolutions):
            inside = graph.convolution(inside, convolution, 0.0)
        maps = graph.add("BinaryOp", maps, inside, settings="0=0")
    larger = graph.add("PixelShuffle", graph.convolution(maps, plain.tail), settings=f"0={network.scale}")
    mode = {"nearest": 1, "bilinear": 2}[network.image_skip]
    skip = graph.add("Interp", image, settings=f"0={mode} 1={network.scale:e} 2={network.scale:e}")
    graph.add("BinaryOp", skip, larger, settings="0=0")
    return graph


def write_rrdb(network: RRDBNet, graph: Graph) -> Graph:
    """ESRGAN's network."""

    def dense(read: str, block: DenseBlock) -> str:
        maps = [read]
        for layer in (block.conv1, block.conv2, block.conv3, block.conv4):
            joined = graph.add("Concat", *maps, settings="0=0") if len(maps) > 1 else read
            maps.append(graph.convolution(joined, layer, 0.2))
        return graph.weighted(graph.convolution(graph.add("Concat", *maps), block.conv5), 0.2, read)

    image = graph.add("Input")
    if network.fold > 1:
        image = graph.add("Reorg", image, settings=f"0={network.fold} 1=0")
    low = trunk = graph.convolution(image, network.conv_first)
    for block in network.body:
        inside = trunk
        for part in (block.rdb1, block.rdb2, block.rdb3):
            inside = dense(inside, part)  # pyright: ignore[reportArgumentType]
        trunk = graph.weighted(inside, 0.2, trunk)
    maps = graph.add("BinaryOp", low, graph.convolution(trunk, network.conv_body))
    for layer in (network.conv_up1, network.conv_up2):
        larger = graph.add("Interp", maps, settings="0=1 1=2.000000e+00 2=2.000000e+00")
        maps = graph.convolution(larger, layer, 0.2)
    graph.convolution(graph.convolution(maps, network.conv_hr, 0.2), network.conv_last)
    return graph


def write_compact(network: Compact, graph: Graph) -> Graph:
    """Real-ESRGAN's compact network."""
    image = maps = graph.add("Input")
    for layer in network.body:
        if isinstance(layer, nn.Conv2d):
            maps = graph.convolution(maps, layer)
        else:
            graph.weights(layer.weight, tagged=False)  # pyright: ignore[reportArgumentType]
            maps = graph.add("PReLU", maps, settings=f"0={layer.weight.numel()}")  # pyright: ignore
    larger = graph.add("PixelShuffle", maps, settings=f"0={network.upscale}")
    nearest = graph.add("Interp", image, settings=f"0=1 1={network.upscale:e} 2={network.upscale:e}")
    graph.add("BinaryOp", larger, nearest)
    return graph


def write_span(network: SPAN, graph: Graph) -> Graph:
    """SPAN, with its branches folded."""
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 8, 8))  # folds the branches
    image = graph.add("Input")
    if network.is_norm:
        mean = graph.add("MemoryData", settings="0=1 1=1 2=3")
        graph.weights(network.mean, tagged=False)
        image = graph.add("BinaryOp", image, mean, settings="0=1")
        image = graph.add("BinaryOp", image, settings=f"0=2 1=1 2={network.img_range:e}")
    first = maps = graph.convolution(image, network.conv_1.eval_conv)
    seen: list[str] = []
    inner = ""
    for block in (getattr(network, f"block_{number}") for number in range(1, 7)):
        inner = graph.add("Swish", graph.convolution(maps, block.c1_r.eval_conv))
        second = graph.add("Swish", graph.convolution(inner, block.c2_r.eval_conv))
        third = graph.convolution(second, block.c3_r.eval_conv)
        attention = graph.add("BinaryOp", graph.add("Sigmoid", third), settings="0=1 1=1 2=5.000000e-01")
        maps = graph.add("BinaryOp", graph.add("BinaryOp", third, maps), attention, settings="0=2")
        seen.append(maps)
    last = graph.convolution(maps, network.conv_2.eval_conv)
    joined = graph.add("Concat", first, last, seen[0], inner, settings="0=0")
    head = network.upsampler[0]
    assert isinstance(head, nn.Conv2d)
    graph.add(
        "PixelShuffle",
        graph.convolution(graph.convolution(joined, network.conv_cat), head),
        settings=f"0={int((head.out_channels / 3) ** 0.5)} 1=0",
    )
    return graph


def ncnn_graph(network: nn.Module, half: bool = False) -> Graph:
    """The graph of a network that upscales.

    Args:
        network: one of ours, or a community checkpoint's.
        half: whether its weights are stored in fp16.

    Raises:
        UserError: an architecture that is not written here.
    """
    model = network.model if isinstance(network, CommunityNetwork) else network
    write = WRITERS.get(type(model).__name__)
    if write is None:
        expected = "residual, ESRGAN (RRDBNet), Real-ESRGAN's compact network or SPAN"
        raise UserError(f"{type(model).__name__} cannot be written for ncnn: expected {expected}")
    if type(model).__name__ == "RRDBNet" and not isinstance(model, RRDBNet):
        model = own_rrdb(model.state_dict())
    with torch.no_grad():
        return write(model, Graph(half))


WRITERS: dict[str, Callable[[Any, Graph], Graph]] = {
    "Compact": write_compact,
    "SRVGGNetCompact": write_compact,
    "PixelShuffleSR": write_residual,
    "RRDBNet": write_rrdb,
    "ResidualSR": write_residual,
    "SPAN": write_span,
}
"""How a network is written, by the name of its class: spandrel's are not imported for it."""
