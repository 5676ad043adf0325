"""Files that appear in folders, each once it is whole; torch is not imported.

The folders are looked at again and again rather than listened to: that works on every system and on network drives,
and a file's size has to be looked at twice anyway before it counts as whole.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from srgan_kit.upscaling.folders import InputFile, find

POLL = 0.5
"""Seconds between two looks."""
SETTLED = 2.0
"""Seconds for which a file's size and time must stay the same before it counts as whole."""
Stamp = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""


def appearing(folders: list[str], recursive: bool, gone: Callable[[str], object]) -> Iterator[list[InputFile]]:
    """What is in the folders and what appears there, without end: images that can be read, and are no results.

    A file is given once its size and time have stayed the same for SETTLED seconds, and again after it has changed.
    `gone` is called with a folder that is removed while it is watched; it is watched again once it is back.
    """
    given: dict[Path, Stamp] = {}
    waiting: dict[Path, tuple[Stamp, float]] = {}
    missing: set[str] = set()
    while True:
        stamps = _stamps(folders, recursive)
        for folder in folders:
            if os.path.isdir(folder):
                missing.discard(folder)
            elif folder not in missing:
                missing.add(folder)
                gone(folder)
        now = time.monotonic()
        new = {path: stamp for path, stamp in stamps.items() if given.get(path) != stamp}
        waiting = {path: _since(waiting.get(path), stamp, now) for path, stamp in new.items()}
        given = {path: stamp for path, stamp in given.items() if path in stamps}
        whole = {path: stamp for path, (stamp, since) in waiting.items() if now - since >= SETTLED}
        if whole:
            given |= whole
            there = [folder for folder in folders if folder not in missing]
            found = [item for item in find(there, recursive) if item.path in whole]
            usable = [item for item in found if not item.problem and not item.aside]
            if usable:
                yield usable
        time.sleep(POLL)


def _since(before: tuple[Stamp, float] | None, stamp: Stamp, now: float) -> tuple[Stamp, float]:
    return before if before is not None and before[0] == stamp else (stamp, now)


def _stamps(folders: list[str], recursive: bool) -> dict[Path, Stamp]:
    """Every visible file; folders and files that vanish meanwhile, or may not be entered, are passed over."""
    found: dict[Path, Stamp] = {}
    for folder in folders:
        for place, inner, names in os.walk(folder):
            for path in (Path(place, name) for name in names if not name.startswith(".")):
                try:
                    about = path.stat()
                except OSError:
                    continue
                found[path] = about.st_size, about.st_mtime_ns
            inner[:] = [name for name in inner if recursive and not name.startswith(".")]
    return found
