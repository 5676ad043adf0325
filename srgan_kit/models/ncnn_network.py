"""A network from ncnn's files, run layer by layer as the `.param` says: RRDBNet, SRVGGNetCompact, SPAN and their kin.

Converters fuse, split and reorder layers, so the graph itself is run and no architecture has to be guessed from it. It
is checked from end to end before a weight is read: every layer and setting is understood, every number of channels
fits, and the result is an upscaled image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from pathlib import Path

from torch import Tensor, nn

from srgan_kit.errors import UserError
from srgan_kit.models.ncnn_files import Layer, Numbers, Refusal, read_layers, read_numbers
from srgan_kit.models.ncnn_layers import Maps, Step, understood

MOST_VALUES = 1 << 15
"""Numbers kept at a time for each pixel of the image; RRDBNet has 2048."""
LARGEST_SCALE, LARGEST_MULTIPLE = 16, 64
"""Largest upscaling of a network, and largest number that sides of its image must be multiples of."""
OUTPUTS = ("output", "out0")
"""What converters call the result, where a network has more than one."""
PLAIN = {"BinaryOp", "Convolution", "Interp", "PixelShuffle", "PReLU", "ReLU", "Split"}
"""The layers of SRVGGNetCompact."""


@dataclass(frozen=True)
class Call:
    """A layer in the order of the file, and the blobs that it handles."""

    layer: Layer
    step: Step
    finished: tuple[str, ...]
    """Blobs that no later layer reads."""


@dataclass(frozen=True)
class Graph:
    """All layers, understood."""

    calls: tuple[Call, ...]
    source: str
    """The blob that is the image."""
    result: str
    """The blob that is the upscaled image."""
    channels: int
    """Channels of the input and of the result."""
    scale: int
    """Side of the result over the image's."""
    multiple_of: int
    """Sides of the image must be multiples of this."""

    @property
    def needs(self) -> list[tuple[Layer, Numbers]]:
        """The numbers in the `.bin`, in their order."""
        return [(call.layer, numbers) for call in self.calls for numbers in call.step.needs]

    @property
    def architecture(self) -> str:
        """The network's name, under which spandrel knows it too, from its layers."""
        kinds = {call.layer.kind for call in self.calls}
        convolutions = [call.step.convolution for call in self.calls if call.step.convolution is not None]
        inside = [channels for channels, _, _ in convolutions]
        growths = [after - before for before, after in pairwise(inside[1:6])]  # of a dense block
        if "Concat" in kinds and len(growths) == 4 and len(set(growths)) == 1 and growths[0] > 0:
            return "ESRGAN"
        if kinds <= PLAIN and kinds & {"PReLU", "ReLU"} and len(set(inside[1:])) == 1:
            return "RealESRGAN Compact"
        joins = any(kernel == 1 and before == 4 * after for before, after, kernel in convolutions)
        if {"Sigmoid", "Swish", "Concat"} <= kinds and joins:
            return "SPAN"
        return f"ncnn, {len(convolutions)} convolutions"


class NcnnNetwork(nn.Module):
    """The layers of a graph, with their weights. (N, C, h, w) in [0, 1] -> (N, C, h * scale, w * scale)"""

    def __init__(self, graph: Graph, numbers: Sequence[Tensor]) -> None:
        super().__init__()
        self._source, self._result = graph.source, graph.result
        self._blobs = [(call.layer.inputs, call.layer.outputs, call.finished) for call in graph.calls]
        following = iter(numbers)
        layers = [call.step.build([next(following) for _ in call.step.needs]) for call in graph.calls]
        self.layers = nn.ModuleList(layers)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h * scale, w * scale)"""
        blobs = {self._source: image}
        for layer, (reads, makes, finished) in zip(self.layers, self._blobs, strict=True):
            inputs = [blobs[name] for name in reads]
            for name in finished:  # memory is needed for what comes next
                del blobs[name]
            result: Tensor = layer(*inputs)
            for name in makes:
                blobs[name] = result
        return blobs[self._result]


def read_ncnn(path: Path) -> tuple[NcnnNetwork, Graph]:
    """The network of a `.param` and the `.bin` beside it, with weights in fp32.

    Raises:
        UserError: a file that is missing, damaged or of another network; a layer that is not understood; a network that
            does not upscale an image of 3 or 1 channels.
    """
    layers = read_layers(path)
    refusals: list[Refusal] = []
    for channels in (3, 1):  # the file does not say
        try:
            graph = understand(layers, channels)
        except Refusal as refusal:
            refusals.append(refusal)
        else:
            return NcnnNetwork(graph, read_numbers(path.with_suffix(".bin"), graph.needs)), graph
    raise UserError(f"model {path}: {max(refusals, key=lambda refusal: refusal.position)}")


def understand(layers: Sequence[Layer], channels: int) -> Graph:
    """The graph of these layers for an image of that many channels.

    Raises:
        Refusal: a layer that is not understood, or all of them are no network that upscales an image.
    """
    last_read = {name: number for number, layer in enumerate(layers) for name in layer.inputs}
    blobs: dict[str, Maps] = {}
    calls: list[Call] = []
    sources: list[str] = []
    for number, layer in enumerate(layers):
        try:
            _check_blobs(layer, blobs)
            if layer.kind == "Input":
                if sources or len(layer.outputs) != 1:
                    raise Refusal(f"{layer}: a second image, expected one")
                sources.append(layer.outputs[0])
                maps = Maps(channels, Fraction(1))
            else:
                step = understood(layer, [blobs[name] for name in layer.inputs])
                finished = tuple(name for name in set(layer.inputs) if last_read[name] == number)
                calls.append(Call(layer, step, finished))
                maps = step.maps
            blobs |= dict.fromkeys(layer.outputs, maps)
        except Refusal as refusal:
            refusal.position = number
            raise
    try:
        if not sources:
            raise Refusal("has no layer Input, expected one")
        _check_memory(calls, blobs)
        result = _result([name for name in blobs if name not in last_read])
        scale, multiple_of = _scale(channels, blobs[result], list(blobs.values()))
    except Refusal as refusal:
        refusal.position = len(layers)
        raise
    return Graph(tuple(calls), sources[0], result, channels, scale, multiple_of)


def _check_blobs(layer: Layer, blobs: Mapping[str, Maps]) -> None:
    for name in layer.inputs:
        if name not in blobs:
            raise Refusal(f"{layer}: reads {name[:60]}, which no layer before it makes")
    for name in layer.outputs:
        if name in blobs or layer.outputs.count(name) > 1:
            raise Refusal(f"{layer}: makes {name[:60]} a second time")


def _check_memory(calls: Sequence[Call], blobs: Mapping[str, Maps]) -> None:
    kept = Fraction(0)
    for call in calls:
        kept += sum(blobs[name].values for name in call.layer.outputs)
        if kept > MOST_VALUES:
            kind = f"{int(kept)} values for each pixel of the image"
            raise Refusal(f"{call.layer}: the network keeps {kind}, expected at most {MOST_VALUES}")
        kept -= sum(blobs[name].values for name in call.finished)


def _result(unread: Sequence[str]) -> str:
    """The blob that is the result, of those that no layer reads."""
    if len(unread) == 1:
        return unread[0]
    named = [name for name in OUTPUTS if name in unread]
    if not named:
        raise Refusal(f"has {len(unread)} outputs, expected one, or one called {' or '.join(OUTPUTS)}")
    return named[0]


def _scale(channels: int, result: Maps, every: Sequence[Maps]) -> tuple[int, int]:
    """(scale of the result, what the image's sides must be multiples of for every blob to have whole sides)."""
    scale = result.scale
    if scale is None or scale.denominator != 1 or scale > LARGEST_SCALE or result.channels != channels:
        what = f"{channels} channels to {result.channels} of {scale} times the size"
        raise Refusal(f"maps an image of {what}, expected the same channels and 1 to {LARGEST_SCALE} times the size")
    multiple_of = lcm(*(maps.scale.denominator for maps in every if maps.scale is not None))
    if multiple_of > LARGEST_MULTIPLE:
        raise Refusal(f"needs sides that are multiples of {multiple_of}, expected at most {LARGEST_MULTIPLE}")
    return int(scale), multiple_of
