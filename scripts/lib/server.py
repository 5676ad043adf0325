"""A `srgan-kit serve` of one's own, for benchmarks, images and tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    address: str
    """Of its page."""
    runtime: Path
    """Its runtime folder."""
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """That of the address."""
        return int(self.address.rpartition(":")[2])

    @property
    def environment(self) -> dict[str, str]:
        """That of a client."""
        return {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime)}


@contextmanager
def serving(runtime: Path, *options: object) -> Iterator[Server]:
    """A server on a free port, as long as the block lasts; its socket is in that folder, whose path may not be long."""
    command = [sys.executable, "-m", "srgan_kit", "serve", "--port", "0", *map(str, options)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().removeprefix("serving ").strip()
        process.stdout.readline()  # where the socket is
        yield Server(address, runtime, process)
    finally:
        process.terminate()
        process.wait()
