"""A run's folder: one process trains in it, and what it writes there appears whole."""

import os
from pathlib import Path
from types import TracebackType
from typing import IO

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.recipes.schema import Recipe

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

LOCK = ".lock"
RECIPE = "recipe.json"


class RunLock:
    """Keeps other processes out of the run's folder; it ends with this process, however that ends.

    The lock is the process's own, not its children's: workers that outlive a killed run for a moment hold none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock, if it was not taken before.

        Raises:
            UserError: another process has it.
            OSError: the folder cannot be written to, or its file system has no locks.
        """
        if self._file is not None:
            return
        file = self._open()
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            who = file.read().strip()
            file.close()
            process = f" (process {who})" if who.isdigit() else ""
            raise UserError(f"{self.folder}: another run{process} trains in this folder; give -o another one") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def _open(self) -> IO[str]:
        """The file of the lock; what is no plain file, such as a link to one that is someone's own, is put aside."""
        path = self.folder / LOCK
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        return os.fdopen(os.open(path, flags, 0o666), "a+", encoding="utf-8")

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """The recipe as it runs, in place of the one that was there."""
    with atomic_write(folder / RECIPE) as temporary:
        temporary.write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _lock(file: IO[str]) -> None:
    if fcntl is not None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore
