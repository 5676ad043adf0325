"""A real `srgan-kit serve`, for all tests that talk to one."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

MAX_UPLOAD_MB, MAX_PIXELS, MAX_RESULT_PIXELS, QUEUE = 1, 110_000, 1_800_000, 2


@dataclass
class Server:
    """A server that runs."""

    address: str
    """Of its page."""
    runtime: Path
    """Its runtime folder, which clients have to name too."""
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        port = urlsplit(self.address).port
        assert port is not None
        return port

    @property
    def environment(self) -> dict[str, str]:
        """That of a client."""
        return {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime)}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """It has small limits, a queue of two, and the page where gradio is installed."""
    runtime = Path(tempfile.mkdtemp(prefix="srgan-"))  # a socket's path may not be long
    limits = ("--max-upload", MAX_UPLOAD_MB, "--max-pixels", MAX_PIXELS, "--max-result-pixels", MAX_RESULT_PIXELS)
    command = [sys.executable, "-m", "srgan_kit", "serve", "--port", 0, "--queue", QUEUE, *limits]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    address = process.stdout.readline().removeprefix("serving ").strip()
    assert process.stdout.readline().strip() == f"upscale --server finds it at {runtime}/srgan-kit/server.sock"
    yield Server(address, runtime, process)
    process.terminate()
    assert process.wait(20) == 143
    assert not (runtime / "srgan-kit" / "server.sock").exists()
    shutil.rmtree(runtime)
