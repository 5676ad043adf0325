"""Results of long experiments: a file of JSON lines, each appended as soon as it is known, so that none is lost."""

import contextlib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from srgan_kit.atomic import atomic_write

Row = dict[str, Any]


class Results:
    """The lines of a file; several processes may append to it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, **wanted: object) -> list[Row]:
        """Those that have these values; a line that was cut short is as if it were not there."""
        found: list[Row] = []
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [row for row in found if all(row.get(key) == value for key, value in wanted.items())]

    def latest(self, *key: str) -> list[Row]:
        """Of the lines that agree in these values the last, as one that was measured again is appended."""
        return list({tuple(row[name] for name in key): row for row in self.rows()}.values())

    def tidy(self, key: Sequence[str], without: Collection[str] = ()) -> None:
        """Leave only the last of the lines that agree in `key`, and take values of these names out of them."""
        rows = [{name: value for name, value in row.items() if name not in without} for row in self.latest(*key)]
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    def add(self, row: Row) -> None:
        """Append a line."""
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(file, (json.dumps(row) + "\n").encode())
        os.close(file)
