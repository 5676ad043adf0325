"""Results of long experiments: a file of JSON lines, each appended as soon as it is known, so that none is lost."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

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

    def add(self, row: Row) -> None:
        """Append a line."""
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(file, (json.dumps(row) + "\n").encode())
        os.close(file)
