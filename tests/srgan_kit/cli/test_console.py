"""What the command prints: on one line whatever names hold, without a traceback where nothing can be printed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from upscale_command import save_tiny_model

from srgan_kit.cli.console import libraries_muted, one_line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs names that are any bytes, and /dev/full")
MAIN = "from srgan_kit.cli.main import run; run()"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def run(folder: Path, *arguments: str | bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, cwd=folder, check=False, **options)  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize(
    ("encoding", "dtype", "suffix"),
    [("utf-8:strict", np.uint8, b"png"), ("ascii:strict", np.uint16, b"png"), ("latin-1", np.uint16, b"tif")],
)
def test_names_that_are_not_utf8(tmp_path: Path, weights: str, encoding: str, dtype: type, suffix: bytes) -> None:
    environment = {"PYTHONIOENCODING": encoding}
    folder = os.fsencode(tmp_path) + b"/in\xfe"
    os.mkdir(folder)
    Image.fromarray(np.full((8, 9), 7, dtype)).save(folder + b"/a\xff." + suffix)
    done = run(tmp_path, "upscale", folder, "-m", weights, "--format", suffix.decode(), env=os.environ | environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"in\xfe/a\xff." + suffix + rb" -> " in done.stdout
    with Image.open(folder + b"/a\xff_x4." + suffix) as image:
        assert image.size == (36, 32)


def test_control_characters_in_names_are_spelled_out(tmp_path: Path, weights: str) -> None:
    name = "a\n\x1b[31merror: forged\u202e.png"
    Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / f"b{name}").write_text("broken")
    done = run(tmp_path, "upscale", ".", "missing\rx.png", "-m", weights)
    shown = r"a\n\x1b[31merror: forged\u202e.png"
    assert done.returncode == 1
    assert done.stdout.decode().startswith(f"{shown} -> ")
    assert len(done.stdout.splitlines()) == 1
    errors = done.stderr.decode().splitlines()
    assert errors[0].startswith(f"error: b{shown}: not an image")
    assert errors[1:] == [r"error: missing\rx.png: no such file"]


def test_a_line_is_one_line() -> None:
    assert one_line("ü 漢字 🦊\u200d a\\n") == "ü 漢字 🦊\u200d a\\n"
    assert one_line("\udce4\x85\u2028\x7f\t") == r"\xe4\x85\u2028\x7f\t"


@pytest.mark.parametrize("arguments", [["models"], ["upscale", "a.png", "-o", "-"]])
def test_a_full_device_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with open("/dev/full", "wb") as full:
        done = run(tmp_path, *arguments, stdout=full)
        assert (done.returncode, done.stderr) == (1, b"error: standard output: No space left on device\n")
        assert run(tmp_path, "upscale", "none.png", stderr=full).returncode == 1


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_obstacle(tmp_path: Path, weights: str, closed: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    command = f'"$0" -c "{MAIN}" upscale a.png -m "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, weights], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(tmp_path / "a_x4.png") as image:
        assert image.size == (32, 32)


def test_a_folder_that_was_deleted(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f'rmdir ../gone; "$0" -c "{MAIN}" upscale a.png'
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], cwd=tmp_path / "gone", capture_output=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (1, b"error: the current folder does not exist any more\n")


def test_libtiff_says_nothing_itself(tmp_path: Path, weights: str) -> None:
    Image.effect_noise((40, 30), 60).save(tmp_path / "a.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    for position in range(60, len(content) - 200):
        content[position] = (7 * content[position] + 3) % 256
    (tmp_path / "a.tif").write_bytes(content)
    done = run(tmp_path, "upscale", "a.tif", "-m", weights)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"error: a.tif: cannot be read: decoder error -2: ")
    for command in (["models", "--for", "a.tif"], ["evaluate", ".", "-m", "bicubic"]):
        done = run(tmp_path, *command)
        assert done.returncode != 0
        assert done.stderr.startswith(b"error: a.tif: cannot be read: decoder error -2")
        assert len(done.stderr.splitlines()) == 1


def test_other_libraries_warnings_are_not_shown(tmp_path: Path) -> None:
    replaced = """
import warnings, srgan_kit.cli.app as app
def models(): warnings.warn("not for users")
next(each for each in app.app.registered_commands if each.callback.__name__ == 'models').callback = models
"""
    command = [sys.executable, "-c", replaced + MAIN, "models"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    done = subprocess.run([*command[:1], "-W", "default", *command[1:]], capture_output=True, check=True)
    assert b"not for users" in done.stderr


def test_what_libraries_print_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with libraries_muted() as lines:
        os.write(2, b"tempfile.tif: bad\nmore\n")
    assert lines == ["tempfile.tif: bad", "more"]
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
