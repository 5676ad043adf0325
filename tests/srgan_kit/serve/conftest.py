"""A real `srgan-kit serve`, for all tests that talk to one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.server import Server, serving

OPTIONS = ("--max-upload", 1, "--max-pixels", 110_000, "--max-result-pixels", 1_800_000, "--queue", 2)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """It has small limits, a queue of two, and the page where gradio is installed."""
    runtime = Path(tempfile.mkdtemp(prefix="srgan-"))
    with serving(runtime, *OPTIONS) as running:
        yield running
    assert running.process.returncode == 143
    assert list((runtime / "srgan-kit").iterdir()) == []
    shutil.rmtree(runtime)
