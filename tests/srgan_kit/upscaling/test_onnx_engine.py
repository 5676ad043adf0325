"""The onnx engine: the same pixels as PyTorch's, without PyTorch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from skimage import data
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.onnx_export import export_onnx, header_of
from srgan_kit.models.onnx_header import read_header
from srgan_kit.models.pretrained import pretrained_models, pretrained_upscalers
from srgan_kit.models.super_resolution import load_model, save_model
from srgan_kit.upscaling.onnx_engine import OnnxRunner
from srgan_kit.upscaling.upscaler import Upscaler

WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "torch torchvision kornia lpips spandrel accelerate skimage scipy".split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])

sys.meta_path.insert(0, Missing())
from srgan_kit.cli.main import run
run()
"""


def without_torch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`srgan-kit` where importing PyTorch fails."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of ours as an .onnx file, its safetensors beside it, and half.onnx in fp16."""
    folder = tmp_path_factory.mktemp("own")
    config = ResidualSRConfig(channels=8, groups=1, convolutions=2, scale=3)
    network = config.build()
    nn.init.normal_(network.tail.weight, std=0.05)
    save_model(network, config, folder / "mine.safetensors", {"licence": "CC0-1.0", "border": "2"})
    model = load_model(folder / "mine.safetensors")
    export_onnx(model, folder / "mine.onnx")
    export_onnx(model, folder / "half.onnx", half=True)
    return folder / "mine.onnx"


@pytest.mark.parametrize("name", pretrained_upscalers())
def test_pretrained_models_give_the_same_pixels_to_one_level(name: str) -> None:
    image = data.astronaut()[100:140, 200:250]
    ours, theirs = (Upscaler(name, "cpu", "fp32", engine=engine).upscale(image) for engine in ("onnx", "local"))
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours == theirs).mean() > 0.999


@pytest.mark.parametrize("name", pretrained_upscalers())
def test_pretrained_models_headers_are_those_of_their_networks(name: str) -> None:
    runner = OnnxRunner(pretrained_models()[name].with_suffix(".onnx"))  # which compares the hash of the weights
    weights, _, digest = runner.model.weights.partition(" ")
    assert (weights, len(digest)) == (f"{name}.safetensors", 64)
    expected = header_of(load_model(name)) if name == "x4-fidelity-fast" else None
    about = load_model(name)
    assert (runner.model.scale, runner.model.border) == (about.scale, about.border)
    assert (runner.model.licence, runner.model.architecture) == (about.licence, about.architecture)
    if expected is not None:
        assert (runner.field, runner.tile, runner.minimum) == (expected.field, expected.tile, expected.minimum)


def test_tiles_change_nothing(own: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    whole, tiled = (Upscaler(own, tile=tile).upscale(image) for tile in (512, 16))
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert (whole == tiled).mean() > 0.999


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_file_of_export_is_its_model(own: Path, ensemble: bool) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (20, 31, 3), dtype=np.uint16)
    expected = Upscaler(own.with_suffix(".safetensors"), "cpu", "fp32", ensemble=ensemble).upscale(image)
    upscaler = Upscaler(own, ensemble=ensemble)
    assert (upscaler.device, upscaler.precision, upscaler.scale) == ("cpu", "float32", 3)
    assert np.abs(upscaler.upscale(image).astype(int) - expected).max() <= 4  # of 65535
    grey = Upscaler(own, ensemble=ensemble).upscale(image[:, :, :1])
    assert (grey.shape, grey.dtype) == ((60, 93, 1), np.uint16)


def test_a_file_in_fp16(own: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    upscaler = Upscaler(own.with_name("half.onnx"), precision="fp16")
    assert upscaler.precision == "float16"
    assert np.abs(upscaler.upscale(image).astype(int) - Upscaler(own).upscale(image)).max() <= 2


def test_everything_works_without_torch(tmp_path: Path) -> None:
    photograph = data.astronaut()[100:148, 180:240]
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(photograph).save(folder / "clean.png")
    Image.fromarray(photograph).save(folder / "bad.jpg", quality=30)
    opacity = np.linspace(0, 255, 48 * 60).reshape(48, 60, 1).astype(np.uint8)
    Image.fromarray(np.concatenate([photograph, opacity], axis=2)).save(folder / "clear.png")
    Image.fromarray(photograph[:, :, 0].astype(np.uint16) * 257).save(folder / "deep.png")
    for options in (["-s", "2.5", "--consistent"], ["--fit", "150x150", "--format", "tif"]):
        out, expected = (tmp_path / f"{name}{len(options)}" for name in ("out", "expected"))
        done = without_torch(tmp_path, "upscale", "in", "-o", str(out), "--engine", "onnx", *options)
        assert done.returncode == 0, done.stderr
        assert "x4-photo: JPEG of quality about 30" in done.stdout
        command = [sys.executable, "-m", "srgan_kit", "upscale", "in", "-o", str(expected), "--precision", "fp32"]
        same = [*command, "--device", "cpu", *options]
        theirs = subprocess.run(same, cwd=tmp_path, check=True, capture_output=True, text=True)
        assert done.stderr == theirs.stderr  # notes of what --consistent cannot do
        assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in expected.iterdir())
        for path in out.iterdir():
            ours, wanted = pixels_of(path), pixels_of(expected / path.name)
            assert np.abs(ours - wanted).max() <= (257 if "deep" in path.name else 1), path.name


def test_maps_and_dry_runs_without_torch(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[100:148, 180:240]).save(tmp_path / "a.png")
    command = ("upscale", "a.png", "--engine", "onnx", "-m", "x2-fidelity")
    done = without_torch(tmp_path, *command, "--explain", "map.png")
    assert (done.returncode, "departs from what the input supports" in done.stderr) == (0, True)
    assert (tmp_path / "map.png").stat().st_size
    done = without_torch(tmp_path, *command, "-o", "b.png", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_torch_the_other_engine_says_what_to_do(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    done = without_torch(tmp_path, "upscale", "a.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: PyTorch is not installed; --engine onnx upscales without it\n"
    done = without_torch(tmp_path, "evaluate", ".", "-m", "x4-fidelity")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: this needs torch, which is not installed; `pip install srgan-kit` brings it\n"
    done = without_torch(tmp_path, "models")
    assert (done.returncode, done.stderr) == (0, "")
    assert "x4-photo" in done.stdout


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model": "x9-magic"}, "onnxruntime runs x2-fidelity"),
        ({"model": "none.onnx"}, "there is no such file"),
        ({"model": "dcgan-flowers"}, "not among those that onnxruntime runs"),
        ({"model": "x2-fidelity", "precision": "bf16"}, "x2-fidelity.onnx is in fp32"),
        ({"model": "x2-fidelity", "device": "mps"}, "onnxruntime runs on auto, cpu or cuda"),
        ({"model": "x2-fidelity", "tile": 0}, "expected at least 1 pixel"),
        ({"model": "x2-fidelity", "engine": "steam"}, "expected one of local, onnx, ray"),
    ],
)
def test_what_is_not_possible_is_said(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        Upscaler(**({"engine": "onnx"} | settings))  # pyright: ignore[reportArgumentType]


def test_other_files_are_refused(own: Path, tmp_path: Path) -> None:
    proto = onnx.load(own)
    onnx.helper.set_model_props(proto, {"scale": "3"})
    onnx.save(proto, tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"other\.onnx: expected an ONNX file that `srgan-kit export`"):
        Upscaler(tmp_path / "other.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken\.onnx: cannot be read"):
        Upscaler(tmp_path / "broken.onnx")


@pytest.mark.parametrize(
    ("key", "value"), [("scale", "x"), ("tile", "0"), ("halo", "-1"), ("step", "0"), ("border", "-3"), ("exact", None)]
)
def test_a_damaged_header_is_refused(key: str, value: str | None) -> None:
    about = header_of(load_model("x4-fidelity-fast")).as_metadata()
    assert read_header(Path("a.onnx"), about).as_metadata() == about
    damaged = {name: text for name, text in about.items() if name != key} | ({} if value is None else {key: value})
    with pytest.raises(UserError, match="its header is damaged"):
        read_header(Path("a.onnx"), damaged)


def test_weights_that_changed_are_noticed(tmp_path: Path) -> None:
    weights = pretrained_models()["x4-fidelity-fast"]
    content = bytearray(weights.read_bytes())
    (tmp_path / weights.name).write_bytes(content)
    file = tmp_path / "x4-fidelity-fast.onnx"
    file.write_bytes(weights.with_suffix(".onnx").read_bytes())
    OnnxRunner(file)
    content[-5] ^= 1
    (tmp_path / weights.name).write_bytes(content)
    with pytest.raises(UserError, match="was made for another x4-fidelity-fast"):
        OnnxRunner(file)
