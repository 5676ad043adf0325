"""Networks from ncnn's files: equal to ncnn's own runtime, and to the networks that they were made of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ncnn_runtime import PlainGraph, runtime
from PIL import Image
from spandrel.architectures.Compact import Compact
from spandrel.architectures.SPAN import SPAN
from torch import nn

from srgan_kit.generators.super_resolution.rrdb import RRDBNet
from srgan_kit.models.ncnn_writer import Graph, write_compact, write_rrdb, write_span
from srgan_kit.models.receptive_field import measure_field
from srgan_kit.models.super_resolution import UpscalingModel, load_model
from srgan_kit.upscaling.torch_engine import torch_upscaler


def rrdb(scale: int) -> RRDBNet:
    """One block, as strong as a trained network's."""
    network = RRDBNet(scale, channels=8, blocks=1, growth=4)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(4.0 if weight.ndim == 4 else 1.0).add_(0.02)
        strength = network(torch.rand(1, 3, 16, 16)).std()
        network.conv_last.weight.div_(strength)
        network.conv_last.bias.div_(strength)  # pyright: ignore[reportOptionalMemberAccess]
    return network


Write = Callable[[Graph], tuple[nn.Module, Graph]]


def written(network: nn.Module, write: Callable[..., Graph], graph: Graph) -> tuple[nn.Module, Graph]:
    return network.eval(), write(network, graph)


NETWORKS: dict[str, tuple[Write, tuple[str, int, int, int]]] = {
    "rrdb-x4": (lambda graph: written(rrdb(4), write_rrdb, graph), ("ESRGAN", 4, 3, 1)),
    "rrdb-x2": (lambda graph: written(rrdb(2), write_rrdb, graph), ("ESRGAN", 2, 3, 2)),
    "compact-x4": (
        lambda graph: written(Compact(num_feat=8, num_conv=3, upscale=4), write_compact, graph),
        ("RealESRGAN Compact", 4, 3, 1),
    ),
    "compact-x1-grey": (
        lambda graph: written(
            Compact(num_in_ch=1, num_out_ch=1, num_feat=6, num_conv=2, upscale=1), write_compact, graph
        ),
        ("RealESRGAN Compact", 1, 1, 1),
    ),
    "span-x2": (
        lambda graph: written(
            SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2, img_range=1.0).eval(), write_span, graph
        ),
        ("SPAN", 2, 3, 1),
    ),
    "span-x4-no-norm": (
        lambda graph: written(
            SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=4, norm=False).eval(), write_span, graph
        ),
        ("SPAN", 4, 3, 1),
    ),
}
"""Name: the network and its graph; (architecture, scale, channels, multiple of)."""


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
@pytest.mark.parametrize("half", [True, False], ids=["fp16", "fp32"])
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_network_equals_ncnns_runtime_and_its_origin(name: str, half: bool, fused: bool, tmp_path: Path) -> None:
    write, facts = NETWORKS[name]
    origin, graph = write((Graph if fused else PlainGraph)(half))
    model = load_model(graph.save(tmp_path / "some.network.param"))
    assert (model.architecture, model.scale, model.channels, model.multiple_of) == facts
    assert (model.name, model.licence) == ("some.network", "unknown")
    image = torch.rand(1, model.channels, 18, 26)
    answer = model.network(image)
    assert answer.std() > 0.02
    assert (answer - runtime(tmp_path / "some.network.param", image)).abs().max() <= 1e-4
    assert (answer - origin(image)).abs().max() <= (2e-3 if half else 1e-5) * max(1.0, float(answer.abs().max()))
    if name.startswith(("rrdb", "compact")):
        assert model.parameters == sum(weight.numel() for weight in origin.parameters())
    assert not any(weight.requires_grad for weight in model.network.parameters())


@pytest.mark.parametrize(("half", "stored"), [(True, b"\x47\x6b\x30\x01"), (False, b"\x56\xc0\x02\x00")])
def test_every_tag_of_floats_is_read(half: bool, stored: bytes, tmp_path: Path) -> None:
    origin = nn.Conv2d(3, 3, 3, padding=1)
    graph = Graph(half)
    graph.convolution(graph.add("Input"), origin)
    graph.numbers = stored + graph.numbers[4:]
    model = load_model(graph.save(tmp_path / "a.param"))
    (layer,) = (layer for layer in model.network.modules() if isinstance(layer, nn.Conv2d))
    assert torch.equal(layer.weight, origin.weight.half().float() if half else origin.weight)
    assert torch.equal(layer.bias, origin.bias)  # pyright: ignore[reportArgumentType]
    image = torch.rand(1, 3, 7, 9)
    assert (model.network(image) - runtime(tmp_path / "a.param", image)).abs().max() <= 1e-5


ONE_LAYER = {
    "ReLU": ["", "0=1.000000e-01"],
    "Sigmoid": [""],
    "Swish": [""],
    "BinaryOp": [f"0={operation} 1=1 2=7.000000e-01" for operation in (0, 1, 2, 3, 7)],
    "Interp": [f"0={mode} 1={factor:e} 2={factor:e}" for mode in (1, 2, 3) for factor in (1, 2, 3, 4)],
    "Concat": ["0=0", "0=-3"],
}


@pytest.mark.parametrize(("kind", "settings"), [(kind, each) for kind, every in ONE_LAYER.items() for each in every])
def test_a_layer_equals_ncnns(kind: str, settings: str, tmp_path: Path) -> None:
    graph = Graph()
    graph.add(kind, graph.add("BinaryOp", graph.add("Input"), settings="0=1 1=1 2=0.5"), settings=settings)
    compare(graph, tmp_path)


def compare(graph: Graph, folder: Path) -> UpscalingModel:
    model = load_model(graph.save(folder / "one.param"))
    image = torch.rand(1, 3, 12, 20)
    answer, expected = model.network(image), runtime(folder / "one.param", image)
    assert answer.shape == expected.shape
    assert answer.std() > 0.02
    assert (answer - expected).abs().max() <= 1e-4
    return model


@pytest.mark.parametrize(("mode", "factor"), [(1, 0.5), (2, 0.75), (3, 0.75), (3, 0.5), (1, 0.25)])
def test_a_result_may_be_reduced_again(mode: int, factor: float, tmp_path: Path) -> None:
    graph = Graph()
    larger = graph.add(
        "PixelShuffle", graph.convolution(graph.add("Input"), nn.Conv2d(3, 48, 3, padding=1)), settings="0=4"
    )
    graph.add("Interp", larger, settings=f"0={mode} 1={factor:e} 2={factor:e}")
    assert compare(graph, tmp_path).scale == 4 * factor


@pytest.mark.parametrize("operation", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("sides", ["0=1 1=1 2=3", "0=3", "0=1", "0=1 1=1 2=1"])
@pytest.mark.parametrize("constant_first", [True, False])
def test_constants_equal_ncnns(operation: int, sides: str, constant_first: bool, tmp_path: Path) -> None:
    graph = Graph()
    image = graph.add("BinaryOp", graph.add("Input"), settings="0=0 1=1 2=0.5")
    graph.weights(torch.tensor([0.3, 0.9, 1.7])[: 3 if "3" in sides else 1], tagged=False)
    constant = graph.add("MemoryData", settings=sides)
    reads = (constant, image) if constant_first else (image, constant)
    graph.add("BinaryOp", *reads, settings=f"0={operation}")
    compare(graph, tmp_path)


@pytest.mark.parametrize("activation", ["9=1", "9=2 -23310=1,3.000000e-01", "9=4"])
def test_activations_inside_a_convolution_equal_ncnns(activation: str, tmp_path: Path) -> None:
    graph = Graph()
    graph.convolution(graph.add("Input"), nn.Conv2d(3, 3, 5, padding=2))
    kind, reads, made, settings = graph.layers.pop()
    graph.layers.append((kind, reads, made, f"{settings} {activation}"))
    compare(graph, tmp_path)


def test_one_slope_for_all_channels_and_kernels_of_two_widths(tmp_path: Path) -> None:
    graph = Graph()
    image = graph.add("BinaryOp", graph.add("Input"), settings="0=1 1=1 2=0.5")
    graph.weights(torch.tensor([0.3]), tagged=False)
    slope = graph.add("PReLU", image, settings="0=1")
    graph.weights(torch.randn(3, 3, 5, 3))
    graph.add("Convolution", slope, settings="0=3 1=3 11=5 4=1 14=2 5=0 6=135")
    padded = graph.add(
        "Convolution", graph.layers[-1][2], settings="0=3 1=3 11=1 4=-233 5=0 6=27 31=3 -23330=4,3,20,12,3"
    )
    graph.weights(torch.randn(3, 3, 1, 3))
    graph.add("Eltwise", padded, image, slope, settings="0=1 -23301=3,5.000000e-01,2.000000e+00,-1.000000e+00")
    compare(graph, tmp_path)


def test_of_several_outputs_the_one_with_the_usual_name_is_taken(tmp_path: Path) -> None:
    graph = Graph()
    image = graph.add("Input")
    graph.add("Sigmoid", image)
    graph.add("Interp", image, settings="0=1 1=2.0 2=2.0")
    text = graph.save(tmp_path / "a.param").read_text()
    (tmp_path / "a.param").write_text(text.replace("output", "other", 1))
    assert load_model(tmp_path / "a.param").scale == 2


@pytest.mark.parametrize("name", ["rrdb-x2", "compact-x4", "span-x4-no-norm"])
def test_tiles_equal_the_whole_image(name: str, tmp_path: Path) -> None:
    write, _ = NETWORKS[name]
    origin, graph = write(Graph())
    model = load_model(graph.save(tmp_path / "a.param"))
    field = measure_field(model.network, model.scale, 3, model.multiple_of)
    assert field.exact
    assert field.halo == measure_field(origin, model.scale, 3, model.multiple_of).halo
    pixels = np.random.default_rng(0).integers(0, 256, (90, 110, 3), dtype=np.uint8)
    whole, tiled = (torch_upscaler(model, "cpu", "fp32", tile).upscale(pixels) for tile in (512, 32))
    assert np.abs(whole.astype(int) - tiled).max() <= 1  # nothing but the rounding
    assert np.abs(whole.astype(int) - tiled).mean() < 1e-3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["rrdb-x4", "compact-x4", "span-x2"])
def test_reduced_precision_is_close(name: str, precision: str, tmp_path: Path) -> None:
    write, _ = NETWORKS[name]
    model = load_model(write(Graph())[1].save(tmp_path / "a.param"))
    pixels = np.random.default_rng(0).integers(0, 256, (70, 66, 3), dtype=np.uint8)
    exact, close = (torch_upscaler(model, "cpu", each).upscale(pixels).astype(int) for each in ("fp32", precision))
    assert exact.std() > 5
    assert np.abs(exact - close).mean() < 1


def test_the_command_takes_a_param(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    write, _ = NETWORKS["compact-x4"]
    graph = write(Graph(half=True))[1].save(tmp_path / "model.param")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    status, out, err = command("upscale", tmp_path / "photo.png", "-m", graph, "--device", "cpu", "--precision", "fp32")
    assert (status, err) == (0, "")
    assert "photo_x4.png (124x80" in out
    expected = torch_upscaler(load_model(graph), "cpu", "fp32").upscale(pixels)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "photo_x4.png")), expected)
