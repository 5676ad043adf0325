"""Models written for other programs, and what those programs' own runtimes make of them."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
import spandrel
import torch
from ncnn_runtime import runtime
from safetensors.torch import load_file, save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SwinIR import SwinIR
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.rrdb import RRDBNetConfig
from srgan_kit.models import ncnn_export, onnx_export
from srgan_kit.models.ncnn_export import export_ncnn
from srgan_kit.models.onnx_export import export_onnx
from srgan_kit.models.super_resolution import load_model, save_model


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A small model of ours."""
    config = ResidualSRConfig(channels=8, groups=2, convolutions=2, scale=3)
    torch.manual_seed(0)
    network = config.build()
    nn.init.normal_(network.tail.weight, std=0.1)
    save_model(network, config, tmp_path / "mine-x3.safetensors", {"licence": "CC0-1.0", "border": "2"})
    return tmp_path / "mine-x3.safetensors"


@pytest.fixture
def esrgan(tmp_path: Path) -> Path:
    """A small community checkpoint of scale 2, which folds 2x2 pixels into channels."""
    torch.manual_seed(0)
    network = ESRGAN(in_nc=12, num_filters=8, num_blocks=1, scale=4, shuffle_factor=2)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "c.safetensors")
    return tmp_path / "c.safetensors"


def answers(path: Path, image: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"image": image.numpy()})[0])


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-5), (True, 5e-3)], ids=["fp32", "fp16"])
@torch.inference_mode()
def test_onnx_gives_the_networks_outputs_at_every_size(half: bool, tolerance: float, own: Path, tmp_path: Path) -> None:
    model = load_model(own)
    assert export_onnx(model, tmp_path / "x.onnx", half) <= tolerance
    for shape in ((1, 3, 9, 11), (2, 3, 20, 13)):
        image = torch.rand(shape)
        expected = model.network(image)
        assert expected.std() > 0.1
        assert (answers(tmp_path / "x.onnx", image) - expected).abs().max() <= tolerance
    file = onnx.load(tmp_path / "x.onnx")
    about = {entry.key: entry.value for entry in file.metadata_props}
    assert (about["scale"], about["border"], about["licence"]) == ("3", "2", "CC0-1.0")
    assert file.opset_import[0].version == 18
    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    assert {weight.data_type for weight in file.graph.initializer if len(weight.dims) == 4} == {kind}
    assert next(model.network.parameters()).dtype == torch.float32  # the model itself is as it was


@torch.inference_mode()
def test_onnx_of_a_community_checkpoint(esrgan: Path, tmp_path: Path) -> None:
    model = load_model(esrgan)
    assert (model.scale, model.architecture) == (2, "ESRGAN")
    export_onnx(model, tmp_path / "x.onnx")
    image = torch.rand(1, 3, 22, 14)
    assert (answers(tmp_path / "x.onnx", image) - model.network(image)).abs().max() <= 1e-5


def test_onnx_that_differs_or_is_not_possible_leaves_no_file(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match=r"model mine-x3: the ONNX graph's outputs differ by \d.*, above -1"):
        export_onnx(load_model(own), tmp_path / "x.onnx")
    monkeypatch.setattr(onnx_export.torch.onnx, "export", lambda *_, **__: 1 / 0)
    with pytest.raises(UserError, match="model mine-x3: residual cannot be translated: division by zero"):
        export_onnx(load_model(own), tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
@pytest.mark.parametrize("skip", ["bilinear", "nearest"])
@pytest.mark.parametrize("scale", [2, 3, 4])
@torch.inference_mode()
def test_ncnns_runtime_gives_the_outputs_of_our_networks(scale: int, skip: str, half: bool, tmp_path: Path) -> None:
    config = ReparameterisedConfig(channels=8, groups=2, convolutions=2, scale=scale, image_skip=skip)  # pyright: ignore
    network = config.build()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    save_model(network, config, tmp_path / "a.safetensors", {})
    model = load_model(tmp_path / "a.safetensors")
    export_ncnn(model, tmp_path / "x4.param", half)
    image = torch.rand(1, 3, 12, 17)
    expected = model.network(image)
    assert expected.std() > 0.1
    assert (runtime(tmp_path / "x4.param", image) - expected).abs().max() <= (2e-2 if half else 1e-4)
    text = (tmp_path / "x4.param").read_text().splitlines()
    assert text[2].split()[4] == "data"
    assert text[-1].split()[6] == "output"


@torch.inference_mode()
def test_ncnns_runtime_gives_the_outputs_of_community_checkpoints(esrgan: Path, tmp_path: Path) -> None:
    torch.save({"params": Compact(num_feat=8, num_conv=2, upscale=2).state_dict()}, tmp_path / "compact.pth")
    for path in (esrgan, tmp_path / "compact.pth"):
        model = load_model(path)
        export_ncnn(model, tmp_path / "x.param")
        image = torch.rand(1, 3, 12, 18)
        assert (runtime(tmp_path / "x.param", image) - model.network(image)).abs().max() <= 1e-4
        assert load_model(tmp_path / "x.param").scale == 2


def test_what_ncnn_cannot_have_is_refused_and_leaves_no_file(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = SwinIR(img_size=8, embed_dim=12, depths=[2], num_heads=[2], window_size=4, upscale=2, upsampler="")
    torch.save(network.state_dict(), tmp_path / "swin.pth")
    with pytest.raises(UserError, match=r"model swin: SwinIR cannot be written for ncnn: expected residual, ESRGAN"):
        export_ncnn(load_model(tmp_path / "swin.pth"), tmp_path / "x.param")
    monkeypatch.setattr(ncnn_export, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="ncnn's layers differ by"):
        export_ncnn(load_model(own), tmp_path / "x.param")
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".param", ".bin")]


def test_the_command(own: Path, esrgan: Path, tmp_path: Path, command) -> None:
    for name, expected in (
        ("x.onnx", "x.onnx: mine-x3, x3, opset 18, fp32, within "),
        ("x.param", "x.param: mine-x3, x3, fp32, within "),
        ("x.safetensors", "x.safetensors: mine-x3, x3, fp32\n"),
    ):
        status, out, _ = command("export", own, "-o", tmp_path / name)
        assert status == 0
        assert out.startswith(str(tmp_path / expected))
        assert ("Continue images by 2 pixels" in out) == (name != "x.safetensors")
    assert load_model(tmp_path / "x.safetensors").border == 2
    assert command("export", own, "-o", tmp_path / "x.param")[0] == 2
    assert command("export", own, "-o", tmp_path / "x.param", "--overwrite", "--fp16")[0] == 0
    assert command("export", esrgan, "-o", tmp_path / "half.safetensors", "--fp16")[0] == 0
    half = load_file(tmp_path / "half.safetensors")
    assert {value.dtype for value in half.values()} == {torch.float16}
    assert spandrel.ModelLoader().load_from_state_dict(half).architecture.name == "ESRGAN"
    status, _, said = command("export", own, "-o", tmp_path / "x.pt")
    assert (status, said) == (
        2,
        f"error: {tmp_path / 'x.pt'}: expected a name ending in .onnx, .param, .safetensors\n",
    )
    status, _, said = command("export", tmp_path / "x.param", "-o", tmp_path / "y.safetensors")
    assert status == 2
    assert "an ncnn graph has no names for its weights" in said


@pytest.mark.parametrize("scale", [1, 2])
@torch.inference_mode()
def test_networks_that_begin_by_a_pixel_unshuffle_become_ncnns(scale: int, tmp_path: Path) -> None:
    config = RRDBNetConfig(scale=scale, channels=8, blocks=1, growth=4)  # pyright: ignore[reportArgumentType]
    save_model(config.build(), config, tmp_path / "a.safetensors", {})
    model = load_model(tmp_path / "a.safetensors")
    assert export_ncnn(model, tmp_path / "x.param") <= 1e-4
