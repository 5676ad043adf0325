"""`srgan-kit upscale` run in this process or in one of its own, and a small network for it."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srgan_kit.cli import main
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import save_model

MAIN = "from srgan_kit.cli.main import run; run()"


def save_tiny_model(folder: Path) -> str:
    """The path of a network whose weights are random but small: an interpolation, nearly."""
    path = folder / "tiny.safetensors"
    config = ResidualSRConfig(channels=4, groups=1)
    save_model(config.build(), config, path, {})
    return str(path)


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once it holds.

    Raises:
        TimeoutError: it did not within half a minute.
    """
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command: with options of a process in one of its own, else in this one, which has torch loaded already."""
    command = [sys.executable, "-c", MAIN, "upscale", *arguments]
    if not options:
        return _run_here(folder, command)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, cwd=folder, text=True, env=os.environ, check=False, **options)


def _run_here(folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["srgan-kit", *command[3:]])
        try:
            main.run()
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())
