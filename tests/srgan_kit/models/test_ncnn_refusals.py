"""Files of ncnn that are damaged, hostile or of another kind of network: one line that says what is wrong."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.models import ncnn_files
from srgan_kit.models.ncnn_writer import Graph, write_rrdb
from srgan_kit.models.super_resolution import load_model


def two_convolutions() -> Graph:
    """3 to 12 channels, PReLU, 12 to 12 channels, upscaled by 2."""
    graph = Graph()
    maps = graph.convolution(graph.add("Input"), nn.Conv2d(3, 12, 3, padding=1))
    graph.weights(torch.rand(12), tagged=False)
    maps = graph.convolution(graph.add("PReLU", maps, settings="0=12"), nn.Conv2d(12, 12, 3, padding=1))
    graph.add("PixelShuffle", maps, settings="0=2")
    return graph


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))
    assert path.stem in str(caught.value)
    return str(caught.value)


SECOND = "layer Convolution Convolution_3"
CHANGES = [  # what stands in the .param, what takes its place, what is said
    ("7767517", "7767518", "expected 7767517 in its first line"),
    ("\n5 5\n", "\n5\n", "expected the counts of layers and blobs"),
    ("\n5 5\n", "\n5 x\n", "expected a whole number, got 'x'"),
    ("\n5 5\n", "\n6 5\n", "has 5 layers, its second line says 6"),
    ("\n5 5\n", f"\n{10**9} 5\n", "has 5 layers, its second line says 1000000000"),
    ("\n5 5\n", f"\n{'9' * 5000} 5\n", "expected a whole number, got '9999"),
    ("\n5 5\n", "\n5 4\n", "its layers make 5 blobs, its second line says 4"),
    ("Convolution              Convolution_1                1 1", "Convolution 1", "layer 2: expected kind, name and"),
    (
        "Convolution              Convolution_1                1 1",
        "Convolution 1 1",
        "layer 2: expected kind, name and",
    ),
    (" 1 1 data blob1", " 1 2000000000 data blob1", "expected the names of 1 + 2000000000 blobs"),
    (" 1 1 data blob1", " -1 1 data blob1", "expected the names of -1 + 1 blobs"),
    ("PReLU ", "Deconvolution ", "layer Deconvolution PReLU_2: a kind of layer that is not understood"),
    ("PReLU ", "PReLU\x1b[31m ", "layer 3: expected text that can be printed"),
    ("PixelShuffle ", f"{'P' * 9000} ", "a kind of layer that is not understood"),
    ("0=12 1=3", "0=12 1=4", "layer Convolution Convolution_1: padding 1 of a kernel of 4"),
    ("0=12 1=3", "0=12 1=-3", "setting 1: expected at least 1, got -3"),
    ("0=12 1=3", "0=0 1=3", "setting 0: expected at least 1, got 0"),
    ("0=12 1=3", f"0={10**9} 1=3", "324 weights do not take 3 to 1000000000 channels with a kernel of 3x3"),
    ("3=1 13=1", "3=2 13=2", "layer Convolution Convolution_1: setting 3=2 is not understood, expected 1"),
    ("4=1 14=1", "4=0 14=0", "layer Convolution Convolution_1: padding 0 and 1 of a kernel of 3 is not understood"),
    ("5=1 6=324", "5=1 6=324 8=1", "setting 8=1 is not understood, expected 0"),
    ("5=1 6=324", "5=1 6=324 9=5", "setting 9=5 is not understood, expected 0 or 1 or 2 or 4"),
    ("5=1 6=324", "5=1 6=324 9=2", "0 numbers for its activation 2"),
    ("5=1 6=324", "5=1 6=324 19=1", "setting 19=1 is not understood"),
    ("5=1 6=324", "5=1 6=324 five", "setting five is not understood"),
    ("5=1 6=324", "5=1 6=324 10=nan.", "setting 10=nan. is not understood"),
    ("5=1 6=324", "5=1 6=324 10=1e999", "setting 10=1e999 is not understood"),
    ("5=1 6=324", "5=1 6=324 -23310=2,1.0", "setting -23310=2,1.0: expected 2 values, got 1"),
    ("5=1 6=1296", "5=1 6=1297", f"{SECOND}: 1297 weights do not take 12 to 12 channels with a kernel of 3x3"),
    (" 0=12\n", " 0=5\n", "layer PReLU PReLU_2: setting 0=5 is not understood, expected 1 or 12"),
    ("0=2\n", "0=5\n", "layer PixelShuffle PixelShuffle_4: 12 channels cannot be shuffled by 5"),
    ("0=2\n", "0=1\n", "maps an image of 3 channels to 12 of 1 times the size"),
    ("0=2\n", "0=2 1=1\n", "setting 1=1 is not understood, expected 0"),
    ("1 1 blob2 blob3", "1 1 blob3 blob3", f"{SECOND}: reads blob3, which no layer before it makes"),
    ("1 1 blob2 blob3", "1 1 blob2 blob1", f"{SECOND}: makes blob1 a second time"),
    ("1 1 blob3 output", "1 1 blob2 other", "has 2 outputs, expected one, or one called output or out0"),
    (
        "PReLU                    PReLU_2                1 1 blob1 blob2 0=12",
        "Input i 0 1 blob2",
        "layer Input i: a second image",
    ),
    (
        "PReLU                    PReLU_2                1 1 blob1",
        "PReLU PReLU_2 0 1",
        "expected 1 or more inputs, got 0",
    ),
    ("PReLU                    PReLU_2                1 1 blob1 blob2 0=12", "MemoryData m 0 1 blob2 0=12", SECOND),
]


@pytest.mark.parametrize(("before", "after", "said"), CHANGES)
def test_a_graph_that_is_not_understood(before: str, after: str, said: str, tmp_path: Path) -> None:
    path = two_convolutions().save(tmp_path / "model.param")
    text = path.read_text()
    assert text.count(before) == 1 or before in ("3=1 13=1", "4=1 14=1", "0=12 1=3")
    path.write_text(text.replace(before, after, 1))
    assert said in refusal(path)


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.param").write_bytes(b"7767517\n\xff\xfe\n")
    assert "expected text" in refusal(tmp_path / "a.param")
    (tmp_path / "b.param").write_bytes(b"")
    assert "expected 7767517 in its first line" in refusal(tmp_path / "b.param")
    (tmp_path / "c.param").write_text("7767517\n1 1\n" + " " * (9 << 20))
    assert "expected at most 8 MB of text" in refusal(tmp_path / "c.param")


def test_layers_without_number(tmp_path: Path) -> None:
    chain = [f"Sigmoid s{number} 1 1 b{number} b{number + 1}" for number in range(20_000)]
    (tmp_path / "a.param").write_text("\n".join(["7767517", "20001 20001", "Input i 0 1 b0", *chain]))
    assert "has 20001 layers, expected at most 20000" in refusal(tmp_path / "a.param")


@pytest.mark.parametrize(
    ("line", "doublings", "said"),
    [
        ("Concat c{0} 2 1 s{0} t{0} b{1}", 40, "the network keeps"),
        ("Interp i{0} 1 1 s{0} b{1} 0=1 1=2.0 2=2.0", 9, "keeps"),
    ],
)
def test_maps_that_grow_without_weights(line: str, doublings: int, said: str, tmp_path: Path) -> None:
    lines = ["Input i 0 1 b0"]
    for number in range(doublings):
        lines += [f"Split s 1 2 b{number} s{number} t{number}", line.format(number, number + 1)]
    blobs = sum(int(each.split()[3]) for each in lines)
    (tmp_path / "a.param").write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines]))
    assert said in refusal(tmp_path / "a.param")


@pytest.mark.parametrize("scale", ["1.000000e+02", "1.000000e-03", "7.071068e-01", "0.0", "-2.0"])
def test_an_enlargement_that_is_no_simple_one(scale: str, tmp_path: Path) -> None:
    graph = Graph()
    graph.add("Interp", graph.add("Input"), settings=f"0=1 1={scale} 2={scale}")
    assert "layer Interp Interp_1: a scale of" in refusal(graph.save(tmp_path / "a.param"))


@pytest.mark.parametrize(("scale", "said"), [("0.5", "of 1/2 times the size"), ("32.0", "of 32 times the size")])
def test_a_result_that_is_no_enlargement(scale: str, said: str, tmp_path: Path) -> None:
    graph = Graph()
    graph.add("Interp", graph.add("Input"), settings=f"0=2 1={scale} 2={scale}")
    assert said in refusal(graph.save(tmp_path / "a.param"))


def test_constants_only_where_they_are_understood(tmp_path: Path) -> None:
    graph = Graph()
    graph.weights(torch.rand(2), tagged=False)
    graph.add("BinaryOp", graph.add("Input"), graph.add("MemoryData", settings="0=1 1=1 2=2"))
    assert "BinaryOp_2: a constant that does not fit 3 channels" in refusal(graph.save(tmp_path / "a.param"))
    for settings_, said in [("0=4 1=4", "got 4x4x0"), ("0=2 1=1 2=3", "got 2x1x3"), ("", "got 0x0x0")]:
        graph = Graph()
        graph.add("BinaryOp", graph.add("Input"), graph.add("MemoryData", settings=settings_))
        assert f"expected one number, or one a channel, {said}" in refusal(graph.save(tmp_path / "a.param"))


# --- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [True, False])
def test_every_truncated_file_is_refused_before_it_is_read(
    half: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = two_convolutions()
    graph.half = half
    path = graph.save(tmp_path / "model.param")

    def read(*_: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr(ncnn_files, "_numbers", read)
    for length in (0, 3, 4, 100, len(graph.numbers) - 100, len(graph.numbers) - 1):
        path.with_suffix(".bin").write_bytes(graph.numbers[:length])
        assert "truncated, or another's" in refusal(path)
    path.with_suffix(".bin").write_bytes(graph.numbers + b"\0\0\0\0")
    size = len(graph.numbers)
    assert f"model.bin: has {size + 4} bytes, the layers of the .param need {size}" in refusal(path)


def test_a_layer_larger_than_its_file(tmp_path: Path) -> None:
    path = two_convolutions().save(tmp_path / "model.param")
    side, count = 10_001, 3 * 12 * 10_001**2  # 14 gigabytes
    text = path.read_text().replace("1=3 11=3", f"1={side} 11={side}", 1).replace("=1 14=1 15=1 16=1", "=-233", 1)
    path.write_text(text.replace("6=324", f"6={count}", 1))
    assert (
        f"Convolution_1: its weights end at byte {4 * count + 4}, the file at {path.with_suffix('.bin').stat().st_size}"
        in (refusal(path))
    )


@pytest.mark.parametrize("tag", [0x000D4B38, 0x01010101, 0xFFFFFFFF])
def test_weights_stored_in_another_way(tag: int, tmp_path: Path) -> None:
    graph = two_convolutions()
    graph.numbers = struct.pack("<I", tag) + graph.numbers[4:]
    said = refusal(graph.save(tmp_path / "model.param"))
    assert f"Convolution_1: its weights are stored as {tag:#010x}, expected fp32 or fp16" in said


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(value: float, tmp_path: Path) -> None:
    graph = two_convolutions()
    graph.numbers = graph.numbers[:-4] + struct.pack("<f", value)
    assert "Convolution_3: its weights hold NaN or infinity" in refusal(graph.save(tmp_path / "model.param"))


def test_a_param_without_its_bin(tmp_path: Path) -> None:
    path = two_convolutions().save(tmp_path / "model.param")
    path.with_suffix(".bin").unlink()
    assert "model.bin: no such file: the weights lie beside the .param" in refusal(path)
    path.with_suffix(".bin").mkdir()
    assert "model.bin: no such file" in refusal(path)


def test_the_command_says_it_in_one_line_and_writes_nothing(
    command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = two_convolutions().save(tmp_path / "model.param")
    path.write_text(path.read_text().replace("PReLU ", "Softmax "))
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    status, out, err = command("upscale", tmp_path / "photo.png", "-m", path)
    assert (status, out) == (2, "")
    assert err.splitlines() == [f"error: model {path}: layer Softmax PReLU_2: a kind of layer that is not understood"]
    assert not (tmp_path / "photo_x4.png").exists()


RRDB = write_rrdb(RRDBNet(channels=4, blocks=1, growth=2), Graph(half=True))


@settings(max_examples=60)
@given(st.data())
def test_no_damage_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A few bytes of the text or of the weights changed: it is refused, or still a network that runs."""
    text, numbers = bytearray("\n".join(RRDB.lines()), "ascii"), bytearray(RRDB.numbers)
    damaged = text if data.draw(st.integers(0, 4)) else numbers
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.sampled_from(b"0123456789 =.-e,\n\0") if damaged is text else st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "model.param"
    path.write_bytes(text)
    path.with_suffix(".bin").write_bytes(numbers)
    with contextlib.suppress(UserError):
        model = load_model(path)
        with torch.inference_mode():
            side = 2 * model.multiple_of
            shape = model.network(torch.rand(1, model.channels, side, side)).shape
        assert shape == (1, model.channels, side * model.scale, side * model.scale)
