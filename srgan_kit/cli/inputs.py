"""What the commands share about the images they read."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srgan_kit.upscaling.folders import STDIN


@contextmanager
def file_of(source: Path) -> Iterator[Path]:
    """A file with what standard input says, as long as the block lasts, or the source itself."""
    if source != STDIN:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="srgan-kit-") as folder:
        file = Path(folder, "stdin")
        file.write_bytes(sys.stdin.buffer.read())
        yield file
