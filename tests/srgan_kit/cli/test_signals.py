"""Signals end a command in order, whenever they come: one line, its status, nothing left, the report written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from upscale_command import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def start(folder: Path, *arguments: str, before: str = "") -> subprocess.Popen[str]:
    program = (
        f"import sys; sys.argv = ['srgan-kit', *sys.argv[1:]]\n{before}\nfrom srgan_kit.cli.main import run; run()"
    )

    def hear() -> None:  # even where these tests run in the background, or under nohup
        for number in STATUS:
            signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-c", program, *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, text=True, preexec_fn=hear, **streams)  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small image, and larger ones that take seconds each."""
    (tmp_path / "in").mkdir()
    for number, side in enumerate((16, 400, 400)):
        noise = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "in" / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("number", STATUS)
def test_upscale_ends_between_two_results(folder: Path, number: signal.Signals) -> None:
    process = start(folder, "upscale", "in", "-o", "out", "--report", "r.json", "--precision", "fp32")
    wait_for(lambda: (folder / "out" / "0_x4.png").exists())
    time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == STATUS[number]
    assert errors == f"stopped by {number.name}: 1 of 3 images done\n"
    assert sorted(os.listdir(folder / "out")) == ["0_x4.png"]
    images = json.loads((folder / "r.json").read_text())["images"]
    assert [(image["status"], image["reason"]) for image in images] == [
        ("done", ""),
        *[("waiting", f"stopped by {number.name}")] * 2,
    ]


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_while_a_file_is_written_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    slow = "import srgan_kit.images.png as png, time; png._filtered_strips = lambda image: iter(time.sleep(60), 1)"
    process = start(folder, "upscale", "in/0.png", "-o", "out", before=slow)
    wait_for(lambda: (folder / "out").exists() and any("unfinished" in n for n in os.listdir(folder / "out")))
    wait_for(lambda: any(name.endswith(".png") for name in os.listdir(folder / "out")))
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (STATUS[number], f"stopped by {number.name}: 0 of 1 images done\n")
    assert os.listdir(folder / "out") == []


@pytest.mark.parametrize("module", ["typer", "torch", "spandrel"])
def test_a_signal_during_an_import_is_no_traceback(tmp_path: Path, module: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.pth").write_bytes(b"nothing")
    breaks = f"""
import builtins, os, signal
original = builtins.__import__
def imported(name, *arguments, **options):
    if name == {module!r}:
        builtins.__import__ = original
        import importlib.machinery
        class Finder:
            def find_spec(self, *_):
                sys.meta_path.remove(self)
                os.kill(os.getpid(), signal.SIGINT)
        sys.modules.pop(name, None)
        sys.meta_path.insert(0, Finder())
    return original(name, *arguments, **options)
builtins.__import__ = imported
"""
    arguments = ("-m", "a.pth") if module == "spandrel" else ()
    if module == "spandrel":  # a checkpoint that gets that far
        import torch

        torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    process = start(tmp_path, "upscale", "a.png", *arguments, before=breaks)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.startswith("stopped by SIGINT")
    assert errors.count("\n") == 1


def test_what_nohup_ignores_stays_ignored(folder: Path) -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = start(folder, "upscale", "in/0.png", before=ignoring)
    time.sleep(1)
    process.send_signal(signal.SIGHUP)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert out.startswith("in/0.png -> in/0_x4.png")


def test_what_a_library_makes_of_a_signal_is_still_the_signal(folder: Path) -> None:
    swallowing = """
import os, signal
import srgan_kit.images.read as images
def broken(*_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000): pass
    except BaseException:
        raise ValueError("could not determine the shape") from None
images.read_image = broken
"""
    process = start(folder, "upscale", "in", "-o", "out", before=swallowing)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "stopped by SIGTERM: 0 of 3 images done\n")
