"""Files of ncnn: the layers that a `.param` names, and the numbers that the `.bin` beside it holds in their order.

A `.param` is text: 7767517; the counts of layers and blobs; then a layer a line: kind, name, how many blobs it reads
and makes, their names, and settings such as `0=64`, or `-23310=1,0.2` for a list of one number. A `.bin` has no names
and no sizes: each layer's numbers follow the last one's, weights after a tag of four bytes that says how they are
stored, biases and slopes in fp32 without one. So what does not fit is known before a number is read.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from srgan_kit.errors import UserError

MAGIC = "7767517"
"""What the first line of a `.param` says."""
LARGEST_TEXT = 8 << 20
"""Bytes of a `.param`; that of RRDBNet's 999 layers has 117 thousand."""
MOST_LAYERS = 20_000
"""Layers of a network; RRDBNet has 999."""
FIRST_LIST = -23300
"""A list's key is this less the setting's number."""
STORED = {b"\0\0\0\0": "<f4", b"\x56\xc0\x02\x00": "<f4", b"\x47\x6b\x30\x01": "<f2"}
"""Tags of weights, and what follows them. Others are int8 and tables of 256 values."""

Value = int | float | list[float]


class Refusal(ValueError):
    """What is wrong with a layer, or with all of them together; the file's name is put before it."""

    position = 0
    """How many layers were understood before."""


@dataclass(frozen=True)
class Layer:
    """A line of a `.param`."""

    kind: str
    """What it does, such as Convolution."""
    name: str
    """Its own name."""
    inputs: tuple[str, ...]
    """The blobs that it reads."""
    outputs: tuple[str, ...]
    """The blobs that it makes."""
    settings: dict[int, Value]
    """What it says of itself, by number."""

    def __str__(self) -> str:
        return f"layer {self.kind[:60]} {self.name[:60]}"


@dataclass(frozen=True)
class Numbers:
    """Numbers that a layer needs from the `.bin`."""

    count: int
    """How many."""
    tagged: bool
    """Whether a tag before them says how they are stored; else they are fp32."""


def read_layers(path: Path) -> list[Layer]:
    """The layers of a `.param`, in its order.

    Raises:
        UserError: it cannot be read, is no such file, or its counts are not those of its lines.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise UserError(f"model {path}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_TEXT:
        raise UserError(f"model {path}: expected at most {LARGEST_TEXT >> 20} MB of text")
    try:
        return _parse(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise UserError(f"model {path}: not a .param of ncnn: expected text") from None
    except Refusal as refusal:
        raise UserError(f"model {path}: {refusal}") from None


def read_numbers(path: Path, needs: Sequence[tuple[Layer, Numbers]]) -> list[Tensor]:
    """The numbers of a `.bin` in fp32, each need's as a vector. Nothing is read of a file of another length.

    Raises:
        UserError: it cannot be read, is shorter or longer than the needs, stored in another way, or not finite.
    """
    if not path.is_file():
        raise UserError(f"model {path}: no such file: the weights lie beside the .param under the same name")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            places = list(_places(file, size, needs))
            return [_numbers(file, place, need) for place, need in zip(places, needs, strict=True)]
    except OSError as error:
        raise UserError(f"model {path}: cannot be read: {error.strerror}") from None
    except Refusal as refusal:
        raise UserError(f"model {path}: {refusal}") from None


def _places(file: BinaryIO, size: int, needs: Iterable[tuple[Layer, Numbers]]) -> Iterable[tuple[int, str]]:
    """(where it starts, how it is stored) of each need."""
    start = 0
    for layer, numbers in needs:
        stored = "<f4"
        if numbers.tagged:
            file.seek(start)
            tag = file.read(4)
            if len(tag) == 4 and tag not in STORED:
                tag_as_number = struct.unpack("<I", tag)[0]
                raise Refusal(f"{layer}: its weights are stored as {tag_as_number:#010x}, expected fp32 or fp16")
            stored = STORED.get(tag, stored)
            start += 4
        yield start, stored
        start += (numbers.count * np.dtype(stored).itemsize + 3) // 4 * 4
        if start > size:
            raise Refusal(f"{layer}: its weights end at byte {start}, the file at {size}: truncated, or another's")
    if start != size:
        raise Refusal(f"has {size} bytes, the layers of the .param need {start}")


def _numbers(file: BinaryIO, place: tuple[int, str], need: tuple[Layer, Numbers]) -> Tensor:
    start, stored = place
    layer, numbers = need
    file.seek(start)
    values = np.frombuffer(file.read(numbers.count * np.dtype(stored).itemsize), stored).astype(np.float32)
    if not np.isfinite(values).all():
        raise Refusal(f"{layer}: its weights hold NaN or infinity")
    return torch.from_numpy(values)


def _parse(lines: list[str]) -> list[Layer]:
    if not lines or lines[0].strip() != MAGIC:
        raise Refusal(f"not a .param of ncnn: expected {MAGIC} in its first line")
    counts = [_integer(word) for word in lines[1].split()] if len(lines) > 1 else []
    if len(counts) != 2:
        raise Refusal("expected the counts of layers and blobs in its second line")
    written = [words for words in (line.split() for line in lines[2:]) if words]
    if len(written) != counts[0]:
        raise Refusal(f"has {len(written)} layers, its second line says {counts[0]}")
    if len(written) > MOST_LAYERS:
        raise Refusal(f"has {len(written)} layers, expected at most {MOST_LAYERS}")
    layers = [_layer(number, words) for number, words in enumerate(written, start=1)]
    blobs = sum(len(layer.outputs) for layer in layers)
    if blobs != counts[1]:
        raise Refusal(f"its layers make {blobs} blobs, its second line says {counts[1]}")
    return layers


def _layer(number: int, words: list[str]) -> Layer:
    try:
        kind, name = words[:2]
        reads, makes = (_integer(word) for word in words[2:4])
    except ValueError:
        raise Refusal(f"layer {number}: expected kind, name and how many blobs it reads and makes") from None
    if not all(word.isprintable() for word in words):
        raise Refusal(f"layer {number}: expected text that can be printed")
    rest = words[4:]
    if min(reads, makes) < 0 or len(rest) < reads + makes:
        raise Refusal(f"layer {kind[:60]} {name[:60]}: expected the names of {reads} + {makes} blobs")
    following = iter(rest)
    inputs, outputs = tuple(islice(following, reads)), tuple(islice(following, makes))
    layer = Layer(kind, name, inputs, outputs, {})
    for word in following:
        key, value = _setting(layer, word)
        layer.settings[key] = value
    return layer


def _setting(layer: Layer, word: str) -> tuple[int, Value]:
    key_text, _, text = word.partition("=")
    try:
        key = _integer(key_text)
        if key > FIRST_LIST:
            return key, _number(text)
        length, *values = (_number(part) for part in text.split(","))
    except Refusal:
        raise Refusal(f"{layer}: setting {word[:60]} is not understood") from None
    if length != len(values):
        raise Refusal(f"{layer}: setting {word[:60]}: expected {length} values, got {len(values)}")
    return FIRST_LIST - key, [float(value) for value in values]


def _number(text: str) -> int | float:
    if not any(sign in text for sign in ".eE"):
        return _integer(text)
    try:
        value = float(text)
    except ValueError:
        raise Refusal(f"expected a number, got {text[:60]!r}") from None
    if not math.isfinite(value):
        raise Refusal(f"expected a finite number, got {text[:60]!r}")
    return value


def _integer(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise Refusal(f"expected a whole number, got {text[:60]!r}")
    return int(text)
