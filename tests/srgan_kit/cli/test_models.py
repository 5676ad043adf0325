"""`srgan-kit models`: what the headers of real files say."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import srgan_kit.cli.models as command
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models import pretrained as embedded
from srgan_kit.models import realesrgan
from srgan_kit.models.generative import load_saved
from srgan_kit.models.pretrained import DEFAULT_MODEL, UNKNOWN, default_model, pretrained_models, read_summary
from srgan_kit.models.super_resolution import load_model, save_model
from srgan_kit.variants import VARIANTS


@pytest.fixture
def model(tmp_path: Path) -> Path:
    config = ResidualSRConfig(scale=3, channels=4, groups=1, convolutions=1)
    measured = {"Set5": {"psnr_y": 31.504, "ssim_y": 0.88}, "B100": {"psnr_y": 27.4, "ssim_y": 0.73, "lpips_like": 0.2}}
    measured["speed"] = {"megapixels_per_second_fp32": 0.25, "time_against_compact_fp32": 0.5}
    metadata = {"licence": "Apache-2.0", "training_data": "holiday photographs", "measured": json.dumps(measured)}
    save_model(config.build(), config, tmp_path / "mine.safetensors", metadata)
    return tmp_path / "mine.safetensors"


def test_the_summary_is_what_was_saved(model: Path) -> None:
    summary = read_summary(model)
    network = ResidualSRConfig(scale=3, channels=4, groups=1, convolutions=1).build()
    assert summary.parameters == sum(weight.numel() for weight in network.state_dict().values())
    assert (summary.name, summary.scale, summary.architecture) == ("mine", "3", "residual")
    assert (summary.licence, summary.training_data) == ("Apache-2.0", "holiday photographs")
    assert summary.psnr_y == {"Set5": 31.504, "B100": 27.4}
    assert summary.bytes == model.stat().st_size


def test_what_a_header_lacks_or_garbles_is_unknown(tmp_path: Path) -> None:
    config = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1)
    for text in ("not json", "[1]", '{"Set5": 3}', '{"Set5": {"psnr_y": "high"}}'):
        save_model(config.build(), config, tmp_path / "bare.safetensors", {"measured": text})
        summary = read_summary(tmp_path / "bare.safetensors")
        assert summary.psnr_y == {}
        assert (summary.licence, summary.training_data) == ("unknown", "unknown")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken\.safetensors: not a readable safetensors file"):
        read_summary(tmp_path / "broken.safetensors")


@pytest.fixture
def _without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra `realesrgan` is not installed."""
    monkeypatch.setattr(realesrgan, "PACKAGE", "srgan_kit_has_no_such_package")


@pytest.mark.usefixtures("_without_extra")
def test_the_table(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "pretrained_models", lambda: {"mine": model})
    command.models()
    headings, row, nothing, meaning, empty, hint = capsys.readouterr().out.splitlines()
    assert meaning.startswith("time vs compact: ")
    assert (nothing, empty, hint) == (
        "",
        "",
        'Real-ESRGAN\'s 5 models are an extra: pip install "srgan-kit[realesrgan]"',
    )
    assert headings.split()[:3] == ["model", "scale", "architecture"]
    assert row.startswith("mine")
    figures = "Set5 31.50, B100 27.40", "Set5 0.8800, B100 0.7300", "B100 0.200", "0.50"
    for part in ("x3", "residual", *figures, "Apache-2.0", "holiday photographs"):
        assert part in row


@pytest.mark.usefixtures("_without_extra")
def test_no_model_is_a_friendly_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "pretrained_models", dict)
    command.models()
    assert capsys.readouterr().out.startswith("This installation has no pretrained models")


def test_the_default_model_is_embedded_and_measured() -> None:
    assert {"Set5", "B100"} <= set(read_summary(pretrained_models()[DEFAULT_MODEL]).psnr_y)


def test_the_default_model_is_the_smallest_that_reaches_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("x2-fidelity", "x4-fidelity", "x4-photo")
    monkeypatch.setattr(embedded, "pretrained_models", lambda: dict.fromkeys(names, Path()))
    chosen = {scale: default_model(scale) for scale in (None, 0.5, 2, 2.1, 3, 4, 6)}
    reaching = {0.5: "x2-fidelity", 2: "x2-fidelity"}
    assert chosen == {scale: reaching.get(scale, "x4-fidelity") for scale in chosen}


@pytest.mark.parametrize("name", pretrained_models())
def test_every_embedded_model_is_small_and_says_what_it_is(name: str) -> None:
    path = pretrained_models()[name]
    summary = read_summary(path)
    assert summary.bytes <= 8e6
    assert UNKNOWN not in (summary.architecture, summary.licence, summary.training_data, summary.makes)
    if summary.makes:
        assert summary.measured["samples"]
        assert summary.system in VARIANTS
    else:
        assert summary.scale in ("2", "3", "4")
        assert summary.psnr_y
    assert path.with_suffix(".md").exists()  # its card


@pytest.mark.usefixtures("_without_extra")
def test_a_generative_model_has_a_table_of_its_own(
    tiny_run, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"mine": model, "digits": tiny_run("infogan") / "model.safetensors"}
    summary = read_summary(files["digits"])
    assert (summary.makes, summary.system, summary.architecture) == ("16x16 RGB", "infogan", "dcgan")
    monkeypatch.setattr(command, "pretrained_models", lambda: files)
    command.models()
    upscalers, generators, _, _ = capsys.readouterr().out.split("\n\n")
    assert len(upscalers.splitlines()) == len(generators.splitlines()) == 2
    assert "16x16 RGB" in generators
    assert "16x16 RGB" not in upscalers


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder in the place of the pretrained models."""
    (tmp_path / "package" / "pretrained").mkdir(parents=True)
    monkeypatch.setattr(embedded.resources, "files", lambda package: tmp_path / "package")
    return tmp_path / "package" / "pretrained"


def test_each_kind_is_refused_where_the_other_is_wanted(tiny_run, model: Path, shipped: Path) -> None:
    digits = tiny_run("infogan") / "model.safetensors"
    with pytest.raises(UserError, match=r"makes images and upscales none: see `srgan-kit generate`"):
        load_model(digits)
    (shipped / "digits.safetensors").write_bytes(digits.read_bytes())
    (shipped / "mine.safetensors").write_bytes(model.read_bytes())
    assert list(embedded.pretrained_generators()) == ["digits"]
    assert list(embedded.pretrained_upscalers()) == ["mine"]
    with pytest.raises(UserError, match=r"model digits: makes images and upscales none"):
        load_model("digits")
    with pytest.raises(UserError, match=r"model mine: upscales images: see `srgan-kit upscale`"):
        load_saved("mine")
    assert load_saved("digits").recipe.name == "infogan"
    assert load_model("mine").scale == 3


def test_a_file_that_is_being_written_is_no_model(model: Path, shipped: Path) -> None:
    (shipped / "mine.safetensors").write_bytes(model.read_bytes())
    (shipped / ".mine-x1.safetensors").write_bytes(b"")
    assert list(pretrained_models()) == ["mine"]


@pytest.mark.parametrize("hidden", [0, 255])
def test_the_model_for_standard_input_is_that_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hidden: int
) -> None:
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[8:56, 8:56, :3] = np.random.default_rng(0).integers(0, 256, (48, 48, 3))
    pixels[:, :, 3] = hidden
    Image.fromarray(pixels).save(tmp_path / "a.png")
    command.models(tmp_path / "a.png")
    of_file = capsys.readouterr().out.replace(f"{tmp_path / 'a.png'}: ", "-: ")
    assert ("no sign of compression or noise" in of_file) == (hidden == 0)  # noise that nobody sees does not count
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "a.png").read_bytes())))
    command.models(Path("-"))
    assert capsys.readouterr().out == of_file
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"nothing")))
    with pytest.raises(UserError, match=r"^-: not an image in a format known here$"):
        command.models(Path("-"))
