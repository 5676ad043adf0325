"""What each kind of ncnn's layers does, by the settings that are understood; every other is refused.

These are the layers of RRDBNet, SRVGGNetCompact and SPAN as the converters onnx2ncnn, pnnx and ncnnoptimize write them.
The numbers of a setting and its default are ncnn's.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor, nn

from srgan_kit.models.ncnn_files import Layer, Numbers, Refusal
from srgan_kit.models.ncnn_modules import Channels, Combination, Constant, Resizing, WeightedSum
from srgan_kit.models.ncnn_settings import Settings

SAME = (-233, -234)
"""Padding such that a layer's result is as large as its input."""
LARGEST_FACTOR = 64
"""Largest upscaling or reduction of one layer."""


@dataclass(frozen=True)
class Maps:
    """A blob: maps of a size that follows from the image's, or a constant."""

    channels: int
    scale: Fraction | None
    """Side over the image's side; None for a constant of one value a channel, or of one value in all."""

    @property
    def values(self) -> Fraction:
        """Numbers for each pixel of the image."""
        return self.channels * (self.scale or Fraction(0)) ** 2


@dataclass(frozen=True)
class Step:
    """What a layer makes of its inputs."""

    maps: Maps
    """What comes out."""
    build: Callable[[Sequence[Tensor]], nn.Module]
    """The layer, from its numbers: called with all inputs."""
    needs: tuple[Numbers, ...] = ()
    """Numbers in the `.bin`, in their order."""
    convolution: tuple[int, int, int] | None = None
    """(channels in, channels out, kernel) of a convolution."""


def understood(layer: Layer, inputs: Sequence[Maps]) -> Step:
    """What a layer makes of inputs of those kinds.

    Raises:
        Refusal: an unknown layer or setting, or inputs that do not fit it.
    """
    reader = LAYERS.get(layer.kind)
    if reader is None:
        raise Refusal(f"{layer}: a kind of layer that is not understood")
    expected = LAYERS_READ.get(layer.kind, (1, 1))
    if not expected[0] <= len(inputs) <= (expected[1] or len(inputs)):
        raise Refusal(f"{layer}: expected {expected[0]} or more inputs, got {len(inputs)}")
    if len(layer.outputs) != 1 and layer.kind != "Split":
        raise Refusal(f"{layer}: expected one output, got {len(layer.outputs)}")
    if layer.kind != "BinaryOp" and any(maps.scale is None for maps in inputs):
        raise Refusal(f"{layer}: a constant as its input is not understood")
    settings = Settings(layer)
    step = reader(settings, inputs)
    settings.end()
    return step


def _convolution(settings: Settings, inputs: Sequence[Maps]) -> Step:
    width = settings.count(1)
    height = settings.count(11, width)
    for key in (2, 3, 12, 13):  # dilation and stride
        settings.integer(key, 1, [1])
    left = settings.integer(4, 0)
    top = settings.integer(14, left)
    padding = {left, settings.integer(15, left)}, {top, settings.integer(16, top)}
    for sides, kernel in zip(padding, (width, height), strict=True):
        if kernel % 2 == 0 or not (sides == {kernel // 2} or sides <= set(SAME)):
            given = " and ".join(map(str, sorted(sides)))
            raise Refusal(f"{settings.layer}: padding {given} of a kernel of {kernel} is not understood")
    settings.integer(8, 0, [0])  # int8
    settings.integer(18, 0, [0])  # what padding holds
    outside, inside, bias = settings.count(0), inputs[0].channels, settings.integer(5, 0, [0, 1])
    count = settings.count(6)
    if count != outside * inside * height * width:
        sizes = f"{inside} to {outside} channels with a kernel of {width}x{height}"
        raise Refusal(f"{settings.layer}: {count} weights do not take {sizes}")
    activation = _activation(settings)

    def build(numbers: Sequence[Tensor]) -> nn.Module:
        kernel, half = (height, width), (height // 2, width // 2)
        layer = nn.Conv2d(inside, outside, kernel, padding=half, bias=bool(bias), device="meta")
        layer.weight = nn.Parameter(numbers[0].view(outside, inside, height, width))
        if bias:
            layer.bias = nn.Parameter(numbers[1])
        return layer if activation is None else nn.Sequential(layer, activation)

    needs = (Numbers(count, tagged=True), *[Numbers(outside, tagged=False)] * bias)
    maps = Maps(outside, inputs[0].scale)
    return Step(maps, build, needs, (inside, outside, max(height, width)))


def _activation(settings: Settings) -> nn.Module | None:
    """What a convolution does to its own result, which nobody else sees: so it may be overwritten."""
    kind, values = settings.integer(9, 0, [0, 1, 2, 4]), settings.numbers(10)
    if len(values) != (kind == 2):
        raise Refusal(f"{settings.layer}: {len(values)} numbers for its activation {kind}")
    if kind == 2:
        return nn.LeakyReLU(values[0], inplace=True)
    return {0: None, 1: nn.ReLU(inplace=True), 4: nn.Sigmoid()}[kind]


def _prelu(settings: Settings, inputs: Sequence[Maps]) -> Step:
    count = settings.integer(0, 0, sorted({1, inputs[0].channels}))

    def build(numbers: Sequence[Tensor]) -> nn.Module:
        layer = nn.PReLU(count, device="meta")
        layer.weight = nn.Parameter(numbers[0])
        return layer

    return Step(inputs[0], build, (Numbers(count, tagged=False),))


def _relu(settings: Settings, inputs: Sequence[Maps]) -> Step:
    slope = settings.number(0, 0.0)
    return Step(inputs[0], lambda _: nn.LeakyReLU(slope))


def _sigmoid(_: Settings, inputs: Sequence[Maps]) -> Step:
    return Step(inputs[0], lambda _: nn.Sigmoid())


def _swish(_: Settings, inputs: Sequence[Maps]) -> Step:
    return Step(inputs[0], lambda _: nn.SiLU())


def _split(_: Settings, inputs: Sequence[Maps]) -> Step:
    return Step(inputs[0], lambda _: nn.Identity())


def _from_second(first: Tensor, second: Tensor | float) -> Tensor:
    return second - first


OPERATIONS: dict[int, Callable[[Tensor, Tensor | float], Tensor]] = {
    0: operator.add,
    1: operator.sub,
    2: operator.mul,
    3: operator.truediv,
    7: _from_second,
}
"""BinaryOp's setting 0: what it does."""


def _binary(settings: Settings, inputs: Sequence[Maps]) -> Step:
    operation = OPERATIONS[settings.integer(0, 0, list(OPERATIONS))]
    if not settings.integer(1, 0, [0, 1]):
        return Step(_fitting(settings.layer, inputs, 2), lambda _: Combination(operation))
    number = settings.number(2, 0.0)
    return Step(_fitting(settings.layer, inputs, 1), lambda _: Combination(operation, number))


def _fitting(layer: Layer, inputs: Sequence[Maps], count: int) -> Maps:
    """What comes out of an operation on maps of the same size, or on maps and a constant."""
    images = {maps for maps in inputs if maps.scale is not None}
    if len(inputs) != count or len(images) != 1:
        raise Refusal(f"{layer}: expected {count} inputs of one size, got {len(inputs)} of {len(images)}")
    (image,) = images
    if any(maps.channels not in (1, image.channels) for maps in inputs):
        raise Refusal(f"{layer}: a constant that does not fit {image.channels} channels")
    return image


def _eltwise(settings: Settings, inputs: Sequence[Maps]) -> Step:
    settings.integer(0, 0, [1])  # a sum
    factors = settings.numbers(1) or [1.0] * len(inputs)
    maps = _fitting(settings.layer, inputs, len(factors))
    return Step(maps, lambda _: WeightedSum(factors))


def _concat(settings: Settings, inputs: Sequence[Maps]) -> Step:
    settings.integer(0, 0, [0, -3])  # the axis
    if len({maps.scale for maps in inputs}) != 1:
        raise Refusal(f"{settings.layer}: expected inputs of one size")
    return Step(Maps(sum(maps.channels for maps in inputs), inputs[0].scale), lambda _: Channels())


def _pixel_shuffle(settings: Settings, inputs: Sequence[Maps]) -> Step:
    factor, (channels, scale) = settings.count(0, 1), _image(inputs)
    settings.integer(1, 0, [0])  # the order of the channels
    if channels % factor**2 or factor > LARGEST_FACTOR:
        raise Refusal(f"{settings.layer}: {channels} channels cannot be shuffled by {factor}")
    return Step(Maps(channels // factor**2, scale * factor), lambda _: nn.PixelShuffle(factor))


def _reorg(settings: Settings, inputs: Sequence[Maps]) -> Step:
    factor, (channels, scale) = settings.count(0, 1), _image(inputs)
    settings.integer(1, 0, [0])  # the order of the channels
    if factor > LARGEST_FACTOR:
        raise Refusal(f"{settings.layer}: expected a factor of at most {LARGEST_FACTOR}, got {factor}")
    return Step(Maps(channels * factor**2, scale / factor), lambda _: nn.PixelUnshuffle(factor))


def _interp(settings: Settings, inputs: Sequence[Maps]) -> Step:
    channels, scale = _image(inputs)
    kind = settings.integer(0, 0, [1, 2, 3])
    mode = {1: "nearest", 2: "bilinear", 3: "bicubic"}[kind]
    for key in (3, 4, 5, 6):  # a fixed size, another blob's size, corners in line
        settings.integer(key, 0, [0])
    height, width = settings.number(1, 1.0), settings.number(2, 1.0)
    factor = Fraction(height).limit_denominator(LARGEST_FACTOR)
    if height != width or not 1 / LARGEST_FACTOR <= height <= LARGEST_FACTOR or abs(factor - height) > 1e-5 * height:
        raise Refusal(f"{settings.layer}: a scale of {height:g} and {width:g} is not understood")
    return Step(Maps(channels, scale * factor), lambda _: Resizing(factor, mode))


def _memory_data(settings: Settings, _: Sequence[Maps]) -> Step:
    width, height, channels = (settings.integer(key, 0) for key in (0, 1, 2))
    settings.integer(11, 0, [0, 1])  # depth
    tagged = settings.integer(21, 1, [0, 1]) == 0
    count = channels or width
    if count < 1 or (width, height) != ((1, 1) if channels else (width, 0)):
        raise Refusal(f"{settings.layer}: expected one number, or one a channel, got {width}x{height}x{channels}")
    needs = (Numbers(count, tagged),)
    return Step(Maps(count, None), lambda numbers: Constant(numbers[0].view(1, count, 1, 1)), needs)


def _image(inputs: Sequence[Maps]) -> tuple[int, Fraction]:
    scale = inputs[0].scale
    assert scale is not None  # `understood` has refused constants
    return inputs[0].channels, scale


LAYERS: dict[str, Callable[[Settings, Sequence[Maps]], Step]] = {
    "BinaryOp": _binary,
    "Concat": _concat,
    "Convolution": _convolution,
    "Eltwise": _eltwise,
    "Interp": _interp,
    "MemoryData": _memory_data,
    "PixelShuffle": _pixel_shuffle,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Reorg": _reorg,
    "Sigmoid": _sigmoid,
    "Split": _split,
    "Swish": _swish,
}
"""Kind: how its settings are read."""
LAYERS_READ: dict[str, tuple[int, int | None]] = {
    "BinaryOp": (1, 2),
    "Concat": (1, None),
    "Eltwise": (2, None),
    "MemoryData": (0, 0),
}
"""How many inputs a kind has, at least and at most; others have one."""
