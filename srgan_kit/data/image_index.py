"""What is known of a source's images from an earlier run, so that a large folder is decoded once and not at each start.

There is a file for each source, a run's in the user's cache folder. An image whose file has another size or time of
change than it had counts as new, and so does one that could not be read.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from srgan_kit.data.image_files import ImageFiles


class Known(NamedTuple):
    """What was found when an image was decoded."""

    height: int
    """Rows."""
    width: int
    """Columns."""
    bits: int
    """8 or 16, a channel."""


class ImageIndex:
    """The images of one source that have been decoded before.

    Args:
        source: the source.
        folder: where the index is, in a file of its own.
    """

    def __init__(self, source: ImageFiles, folder: Path) -> None:
        self.source = source
        place = source.root.resolve()
        digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
        self.path = folder / f"{place.name}-{digest}.sqlite3"
        self._names = [os.fsencode(name) for name in source.names]
        self._stamps = source.stamps()  # from before anything is decoded

    def load(self) -> list[Known | None]:
        """What is known of each image; None of those that are new or have changed.

        Raises:
            sqlite3.Error: the file is damaged or cannot be read.
        """
        with _opened(self.path) as table:
            rows = table.execute("SELECT name, size, changed, height, width, bits FROM images")
            there = {name: ((size, changed), Known(*about)) for name, size, changed, *about in rows}
        found: list[Known | None] = []
        for name, stamp in zip(self._names, self._stamps, strict=True):
            before = there.get(name)
            found.append(before[1] if before is not None and before[0] == stamp else None)
        return found

    def save(self, rows: Iterable[tuple[int, Known]]) -> None:
        """Keep what was found of some images, by number.

        Raises:
            OSError: there can be no such folder.
            sqlite3.Error: the file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(self.path) as table:
            table.execute(
                "CREATE TABLE IF NOT EXISTS images (name BLOB PRIMARY KEY, size INTEGER, changed INTEGER, "
                "height INTEGER, width INTEGER, bits INTEGER)"
            )
            values = [(self._names[number], *self._stamps[number], *known) for number, known in rows]
            table.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?)", values)


class _opened:
    """A data base that is committed, or not, and closed after the block."""

    def __init__(self, path: Path) -> None:
        self._table = sqlite3.connect(path, timeout=60)

    def __enter__(self) -> sqlite3.Connection:
        return self._table.__enter__()

    def __exit__(self, *error: object) -> None:
        try:
            self._table.__exit__(*error)  # pyright: ignore[reportArgumentType]
        finally:
            self._table.close()
