"""A real `srgan-kit serve`, for all tests that talk to one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.server import Server, serving
from srgan_kit.serve.page import is_installed

OPTIONS = ("--max-upload", 1, "--max-pixels", 110_000, "--max-result-pixels", 1_800_000, "--queue", 2)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """It has small limits, a queue of two, and no page, which takes seconds to be made."""
    yield from running("--no-page")


@pytest.fixture(scope="session")
def server_with_page() -> Iterator[Server]:
    """The same with the page; tests skip where the extra is not installed."""
    if not is_installed():
        pytest.skip("the extra ui is not installed")
    yield from running()


def running(*more: str) -> Iterator[Server]:
    runtime = Path(tempfile.mkdtemp(prefix="srgan-"))
    with serving(runtime, *OPTIONS, *more) as server:
        yield server
    assert server.process.returncode == 143
    assert list((runtime / "srgan-kit").iterdir()) == []
    shutil.rmtree(runtime)
