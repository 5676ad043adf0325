"""`srgan-kit evaluate` on real files, with bicubic and with a small network."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from skimage import data
from typer.testing import CliRunner, Result

from srgan_kit.cli.evaluate import evaluate
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.metrics.folder import bicubic_upscaler, evaluate_pairs, pair_images
from srgan_kit.models.super_resolution import load_model, save_model
from srgan_kit.upscaling import torch_engine
from srgan_kit.upscaling.engine import TiledUpscaler
from srgan_kit.upscaling.self_ensemble import ensembled
from srgan_kit.upscaling.torch_engine import torch_upscaler

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "hr"
    folder.mkdir()
    photograph = data.astronaut()
    for name, top in (("cup", 100), ("face", 50)):
        Image.fromarray(photograph[top : top + 66, 150:245]).save(folder / f"{name}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    config = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1)
    save_model(config.build(), config, tmp_path / "tiny.safetensors", {})
    return tmp_path / "tiny.safetensors"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def run(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_prints_plain_lines_and_writes_the_json(images: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    lines = run(images, "-m", "bicubic", "--json", report).splitlines()
    assert lines[0] == "bicubic, x4"
    assert lines[1].split("  ")[0] == "image"
    assert "LR megapixels/s" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["cup", "face", "mean"]
    values = json.loads(report.read_text())
    assert list(values) == ["model", "scale", "ensemble", "consistent", "protocol", "images", "mean"]
    assert (values["model"], values["scale"]) == ("bicubic", 4)
    assert [list(image) for image in values["images"]] == [["name", "psnr_y", "ssim_y", "lr_reproduced", "seconds"]] * 2
    assert list(values["mean"]) == ["psnr_y", "ssim_y", "lr_reproduced", "megapixels_per_second"]
    psnr = [image["psnr_y"] for image in values["images"]]
    assert values["mean"]["psnr_y"] == pytest.approx(np.mean(psnr))
    assert f"{psnr[0]:.2f}" in lines[2]
    assert 15 < psnr[0] < 40


def test_a_network_at_its_own_scale(images: Path, model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run(images, "-m", model, "--device", "cpu", "--precision", "fp32", "--json", report)
    values = json.loads(report.read_text())
    assert values["scale"] == 2
    assert values["mean"]["psnr_y"] > 20
    with pytest.raises(UserError, match=r"--scale 4: model .* upscales by 2"):
        run(images, "-m", model, "-s", 4)


def test_consistent_results_give_the_input_back(images: Path, tmp_path: Path) -> None:
    found: list[dict[str, float]] = []
    for number, more in enumerate(([], ["--consistent"])):
        report = tmp_path / f"{number}.json"
        run(images, "-m", "bicubic", "-s", 2, "--json", report, *more)
        values = json.loads(report.read_text())
        assert values["consistent"] is bool(more)
        found.append(values["mean"])
    alone, consistent = found
    assert alone["lr_reproduced"] < 0.5 < 0.95 < consistent["lr_reproduced"] <= 1  # black and white limit the rest
    assert consistent["psnr_y"] > alone["psnr_y"] + 0.5


def test_the_ensemble_is_what_is_measured(images: Path, model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    settings = "-m", model, "--device", "cpu", "--precision", "fp32"
    assert run(images, *settings, "--ensemble", "--json", report).splitlines()[0].endswith("x2, ensemble")
    values = json.loads(report.read_text())
    upscale = torch_upscaler(ensembled(load_model(model)), "cpu", "fp32").upscale
    expected = [score.psnr_y for score in evaluate_pairs(pair_images(images, None, 2), upscale, 2)]
    assert [image["psnr_y"] for image in values["images"]] == pytest.approx(expected)
    with pytest.raises(UserError, match="--ensemble: expected a model, got bicubic"):
        run(images, "-m", "bicubic", "--ensemble")
    for option in (("--device", "cpu"), ("--precision", "fp32")):
        with pytest.raises(UserError, match="--device and --precision: expected a model, got bicubic"):
            run(images, "-m", "bicubic", *option)


@pytest.mark.parametrize("pattern", ["{}.png", "{}x2.png", "{}_x2.jpg"])
def test_partners_by_name(images: Path, tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "lr"
    folder.mkdir()
    for number, name in enumerate(("cup", "face")):
        level = np.full((33, 47, 3), 100 * number, dtype=np.uint8)
        Image.fromarray(level).save(folder / pattern.format(name))
    paired = run(images, "--lr", folder, "-m", "bicubic", "-s", 2)
    assert paired != run(images, "-m", "bicubic", "-s", 2)
    assert float(paired.splitlines()[-1].split()[3]) < 15  # flat partners: they were used


def test_a_missing_partner_and_a_wrong_size_are_named(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lr"
    folder.mkdir()
    Image.new("RGB", (23, 16)).save(folder / "cupx4.png")
    report = tmp_path / "report.json"
    failed = invoke(images, "--lr", folder, "-m", "bicubic", "--json", report)
    assert failed.exit_code == 1
    assert re.fullmatch(r"error: .*face\.png: no partner in .*lr; expected facex4, face_x4, face .*\n", failed.stderr)
    assert [image["name"] for image in json.loads(report.read_text())["images"]] == ["cup"]
    Image.new("RGB", (23, 17)).save(folder / "facex4.png")
    failed = invoke(images, "--lr", folder, "-m", "bicubic")
    assert failed.exit_code == 1
    assert f"{folder / 'facex4.png'}: is 23x17, expected 23x16" in failed.stderr


def test_folders_without_images_and_tiny_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: expected a folder"):
        run(tmp_path / "nowhere", "-m", "bicubic")
    with pytest.raises(UserError, match="no image found in it"):
        run(tmp_path, "-m", "bicubic")
    Image.new("RGB", (18, 40)).save(tmp_path / "dot.png")
    failed = invoke(tmp_path, "-m", "bicubic", "--json", tmp_path / "report.json")
    assert failed.exit_code == 1
    assert re.fullmatch(r"error: .*dot\.png: 18x40 is too small .* at least 20 .*\n", failed.stderr)
    assert failed.stdout == ""
    assert not (tmp_path / "report.json").exists()


def test_a_report_is_not_overwritten_unasked(images: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("mine")
    with pytest.raises(UserError, match=r"report\.json: exists already"):
        run(images, "-m", "bicubic", "--json", report)
    assert report.read_text() == "mine"
    run(images, "-m", "bicubic", "--json", report, "--overwrite")
    assert json.loads(report.read_text())["scale"] == 4
    with pytest.raises(UserError, match="there is no folder"):
        run(images, "-m", "bicubic", "--json", tmp_path / "none" / "report.json")


def test_a_perfect_image_is_null_in_json(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "flat.png")
    report = tmp_path / "report.json"
    assert "inf" in run(tmp_path, "-m", "bicubic", "--json", report)
    values = json.loads(report.read_text())
    assert values["images"][0]["psnr_y"] is None
    assert values["images"][0]["ssim_y"] == pytest.approx(1)


def test_bicubic_keeps_a_constant_and_rounds() -> None:
    image = np.full((5, 6, 3), 255, dtype=np.uint8)
    enlarged = bicubic_upscaler(3)(image)
    assert enlarged.dtype == np.uint8
    assert enlarged.shape == (15, 18, 3)
    assert (enlarged == 255).all()


def test_the_commands_import_without_torch() -> None:
    program = """
import sys, srgan_kit.cli.app, srgan_kit.cli.models
heavy = {"torch", "skimage", "PIL", "numpy", "scipy", "pyvips"}
print(*heavy & set(sys.modules), file=sys.stderr)
srgan_kit.cli.models.models()  # reads the headers of the weight files
print(*(heavy - {"numpy"}) & set(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stderr == "\n\n"


def test_nothing_is_measured_inside_the_time_of_an_image(
    images: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(data.astronaut()[:132, :190]).save(images / "a.png")  # wide enough to need no receptive field
    order: list[str] = []

    def recorded(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            order.append(name)
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(torch_engine, "measure_field", recorded("field", torch_engine.measure_field))
    monkeypatch.setattr(TiledUpscaler, "run", recorded("upscale", TiledUpscaler.run))
    run(images, "-m", model)
    assert order == ["field", *["upscale"] * 4]  # three images and the warm-up


def test_odd_files_are_measured_without_a_warning(images: Path, model: Path) -> None:
    bombed = "from PIL import Image; Image.MAX_IMAGE_PIXELS = 4000; "  # 6270 pixels: a warning, not a refusal
    program = bombed + "from srgan_kit.cli.main import run; run()"
    command = [sys.executable, "-c", program, "evaluate", str(images), "-m", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_one_bad_image_does_not_stop_the_others(images: Path, tmp_path: Path) -> None:
    expected = run(images, "-m", "bicubic").splitlines()[2:4]
    (images / "broken.png").write_bytes(b"nothing")
    Image.new("RGB", (9, 9)).save(images / "dot.png")
    Image.fromarray(np.zeros((66, 95), np.uint16)).save(images / "deep.png")
    report = tmp_path / "report.json"
    measured = invoke(images, "-m", "bicubic", "--json", report)
    assert measured.exit_code == 1
    figures = [[line.split()[0], *line.split()[1:4]] for line in measured.stdout.splitlines()[2:4]]
    assert figures == [[line.split()[0], *line.split()[1:4]] for line in expected]
    reasons = [line.partition(".png: ")[2] for line in measured.stderr.splitlines()]
    for reason, wanted in zip(reasons, ("not an image", "8 bits per channel, got 16", "too small"), strict=True):
        assert wanted in reason
    values = json.loads(report.read_text())
    assert [failure["name"] for failure in values["failed"]] == ["broken", "deep", "dot"]
    assert [image["name"] for image in values["images"]] == ["cup", "face"]


def test_images_of_one_name_and_two_formats_keep_apart(images: Path, tmp_path: Path) -> None:
    with Image.open(images / "cup.png") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(images / "cup.bmp")
    folder = tmp_path / "lr"
    folder.mkdir()
    for name, level in (("cup.bmp", 0), ("cup.png", 90), ("face.png", 200)):
        Image.new("RGB", (47, 33), (level,) * 3).save(folder / name)
    pairs = pair_images(images, folder, 2)
    assert [pair.name for pair in pairs] == ["cup.bmp", "cup.png", "face"]
    assert [pair.low for pair in pairs] == [folder / name for name in ("cup.bmp", "cup.png", "face.png")]
    lines = run(images, "-m", "bicubic").splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["cup.bmp", "cup.png", "face", "mean"]


def test_a_report_on_standard_output_is_all_of_it(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    values = json.loads(run(images, "-m", "bicubic", "--json", "-"))
    assert [image["name"] for image in values["images"]] == ["cup", "face"]
    assert sorted(tmp_path.iterdir()) == before
