"""Files that appear whole or not at all, and are made by one process at a time."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there anyway
    fcntl = None

UNFINISHED = ".unfinished-"
"""What the names of temporary files and claims begin with."""
_tidied: set[Path] = set()
"""Folders that this process has tidied."""


@contextmanager
def atomic_write(path: Path, replace: bool = True) -> Iterator[Path]:
    """A temporary file beside `path` to write to; renamed to `path` if the block ends well, removed if it does not.

    The temporary name keeps the suffix, so that writers which choose a format by it work, and not the rest, so that it
    is no longer than a file system allows. It is locked as long as its process lives; what dead ones left is removed.

    Raises:
        FileExistsError: `path` exists at the end of the block, and `replace` is false.
        OSError: no file can be made there.
    """
    _tidy_once(path.parent)
    handle, temporary = _temporary_file(path)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        if replace:
            temporary.replace(path)
        else:
            _place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """True where this process alone is to make `path`, as long as the block lasts; False where another one is at it.

    A claim is a locked file beside `path`: it ends with its process, however that ends. Where files cannot be locked
    everybody has it.

    Raises:
        OSError: no file can be made there.
    """
    _tidy_once(path.parent)
    if fcntl is None:
        yield True
        return
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]  # the name itself may be as long as names can be
    claim = path.with_name(f"{UNFINISHED}claim-{digest}")
    while True:
        handle = os.open(claim, os.O_RDWR | os.O_CREAT, 0o666)
        is_mine = _lock(handle) is not False
        if not is_mine or os.fstat(handle).st_nlink:
            break
        os.close(handle)  # its former owner removed it between our two lines
    try:
        yield is_mine
    finally:
        if is_mine:
            claim.unlink(missing_ok=True)
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and claims of processes that are dead; those of living ones are locked."""
    try:
        left = [entry.path for entry in os.scandir(folder) if entry.name.startswith(UNFINISHED)]
    except OSError:  # no such folder, or one that may not be listed
        return
    for path in left:
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if _lock(handle):
                    os.unlink(path)
            finally:
                os.close(handle)


def _tidy_once(folder: Path) -> None:
    folder = folder.absolute()
    if folder not in _tidied:
        _tidied.add(folder)
        remove_leftovers(folder)


def _temporary_file(path: Path) -> tuple[int | None, Path]:
    """A file beside `path`, and the open handle that locks it; None where files cannot be locked: Windows renames and
    removes no file that is open."""
    while True:
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, suffix=path.suffix, dir=path.parent)
        if fcntl is None:
            os.close(handle)
            return None, Path(name)
        try:
            _lock(handle)
            if os.fstat(handle).st_nlink:
                return handle, Path(name)
        except BaseException:  # a signal
            os.unlink(name)
            raise
        os.close(handle)  # taken for a leftover before it was locked


def _lock(handle: int) -> bool | None:
    """Whether an open file is now locked by it; None where files cannot be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _place(temporary: Path, path: Path) -> None:
    """Rename, unless `path` exists: a link fails then, at once."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.replace(path)
    else:
        temporary.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
