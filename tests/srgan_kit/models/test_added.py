"""Community checkpoints kept under names: what is listed, loaded, refused and removed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from spandrel.architectures.Compact import Compact

from srgan_kit.errors import UserError
from srgan_kit.models import added
from srgan_kit.models.ncnn_writer import Graph, write_compact
from srgan_kit.models.super_resolution import load_model


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for added models."""
    monkeypatch.setenv("SRGAN_KIT_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save({"params": Compact(num_feat=8, num_conv=2, upscale=2).state_dict()}, tmp_path / "some.pth")
    return tmp_path / "some.pth"


def test_a_model_is_added_listed_used_and_removed(checkpoint: Path, kept: Path, tmp_path: Path, command) -> None:
    status, out, _ = command("models", "--add", checkpoint, "--name", "anime.2x", "--licence", "CC-BY-4.0")
    assert status == 0
    first, second = out.splitlines()
    assert first.startswith("anime.2x: x2, RealESRGAN Compact, ")
    assert first.endswith(" parameters, licence CC-BY-4.0")
    assert second.endswith(f" times the compact network's time; kept in {kept / 'anime.2x'}; use it with -m anime.2x")
    original = load_model(checkpoint)
    checkpoint.unlink()
    model = load_model("anime.2x")
    assert (model.name, model.licence, model.scale) == ("anime.2x", "CC-BY-4.0", 2)
    assert all(
        torch.equal(a, b) for a, b in zip(model.network.parameters(), original.network.parameters(), strict=True)
    )
    _, out, _ = command("models")
    assert "anime.2x" in out
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(tmp_path / "a.png")
    assert command("upscale", tmp_path / "a.png", "-m", "anime.2x")[0] == 0
    assert Image.open(tmp_path / "a_x2.png").size == (16, 18)
    assert command("models", "--remove", "anime.2x") == (0, "anime.2x: removed\n", "")
    assert not (kept / "anime.2x").exists()
    status, _, said = command("models", "--remove", "anime.2x")
    assert (status, said) == (2, "error: model 'anime.2x': was not added (added: none)\n")


def test_an_ncnn_model_keeps_both_files(kept: Path, tmp_path: Path, command) -> None:
    write_compact(Compact(num_feat=8, num_conv=2, upscale=2), Graph()).save(tmp_path / "a.param")
    assert command("models", "--add", tmp_path / "a.param", "--name", "a")[0] == 0
    assert {path.name for path in (kept / "a").iterdir()} == {"model.param", "model.bin", "model.json"}
    assert load_model("a").scale == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "x4-fidelity"], "--name x4-fidelity: the kit has a model of that name"),
        (["--name", "auto"], "--name auto: the kit has a model of that name"),
        (["--name", "../a"], "--name '../a': expected letters, digits, dots, dashes and underscores, at most 64"),
        ([], "--add .*some.pth: give --name NAME too"),
        (["--name", "a", "--remove", "b"], "--add and --remove: give one of them"),
    ],
)
def test_mistakes_are_one_line_and_keep_nothing(
    arguments: list[str], message: str, checkpoint: Path, kept: Path, command
) -> None:
    status, out, said = command("models", "--add", checkpoint, *arguments)
    assert (status, out) == (2, "")
    assert re.fullmatch(f"error: {message}\n", said)
    assert not kept.exists()


def test_what_is_no_model_is_not_kept(kept: Path, tmp_path: Path, command) -> None:
    (tmp_path / "a.pth").write_bytes(b"no model")
    assert command("models", "--add", tmp_path / "a.pth", "--name", "a")[0] == 2
    assert not kept.exists()
    assert command("models", "--name", "a")[2] == "error: --name: goes with --add FILE\n"


def test_a_file_that_was_changed_or_is_gone_is_refused(checkpoint: Path, kept: Path, command) -> None:
    command("models", "--add", checkpoint, "--name", "a")
    assert command("models", "--add", checkpoint, "--name", "a")[2].startswith(
        "error: --name a: there is an added model"
    )
    with (kept / "a" / "model.pth").open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match=r"model a: .*model\.pth is not the file that was added: add it again"):
        load_model("a")
    (kept / "a" / "model.pth").unlink()
    with pytest.raises(UserError, match=r"model a: .*model\.pth cannot be read"):
        load_model("a")


def test_a_damaged_record_is_no_model(checkpoint: Path, kept: Path, command) -> None:
    command("models", "--add", checkpoint, "--name", "a")
    for text in ("{", "[]", json.dumps({"name": "a"})):
        (kept / "a" / "model.json").write_text(text)
        assert added.added_models() == []
        with pytest.raises(UserError, match="neither a file nor a pretrained model"):
            load_model("a")


def test_the_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SRGAN_KIT_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert added.folder() == tmp_path / "srgan-kit" / "models"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert added.folder() == tmp_path / ".local" / "share" / "srgan-kit" / "models"
    monkeypatch.setattr("sys.platform", "darwin")
    assert added.folder() == tmp_path / "Library" / "Application Support" / "srgan-kit" / "models"


def test_a_model_whose_file_is_gone_hides_no_others(checkpoint: Path, kept: Path, command) -> None:
    for name in ("a", "b"):
        assert command("models", "--add", checkpoint, "--name", name)[0] == 0
    (kept / "a" / "model.pth").unlink()
    record = json.loads((kept / "b" / "model.json").read_text())
    (kept / "b" / "model.json").write_text(json.dumps(record | {"files": {}}))
    status, out, _ = command("models")
    assert status == 0
    assert "x4-fidelity" in out
    assert added.find("b") is None


def test_a_name_is_no_files_and_a_source_is_one(checkpoint: Path, kept: Path, command) -> None:
    status, _, said = command("models", "--add", checkpoint, "--name", "some.pth")
    assert (status, said) == (2, "error: --name some.pth: looks like a file; expected a name without .pth\n")
    status, _, said = command("models", "--add", "x4-fidelity", "--name", "again")
    assert status == 2
    assert said.startswith("error: --add x4-fidelity: expected a model's file or a run's folder")
    assert not kept.exists()
