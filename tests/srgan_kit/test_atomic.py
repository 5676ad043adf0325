"""Files that appear whole or not at all, claims, and what dead processes leave."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from srgan_kit import atomic as files
from srgan_kit.atomic import UNFINISHED, atomic_write, claimed, remove_leftovers

needs_locks = pytest.mark.skipif(files.fcntl is None, reason="files are not locked here")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def other_process(program: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of `program`, which waits there; killed at the end."""
    code = f"import time; from pathlib import Path; from srgan_kit.atomic import *\n{program}"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder)
    try:
        for _ in range(500):
            if any(name.startswith(UNFINISHED) for name in names(folder)):
                break
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


WRITING = "with atomic_write(Path('a.png')) as path: path.write_bytes(b'half'); time.sleep(60)"
CLAIMING = "with claimed(Path('a.png')): time.sleep(60)"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as path:
        path.write_text("whole")
        assert names(tmp_path) == [path.name]
    assert (tmp_path / "a.txt").read_text() == "whole"
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a.txt") as path:
        path.write_text(str(1 // 0))
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_exists_stays(tmp_path: Path, has_links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(files.os, "link", refuse)
    for text in ("first", "second"):
        with atomic_write(tmp_path / text, replace=False) as path:
            path.write_text(text)
    with pytest.raises(FileExistsError), atomic_write(tmp_path / "first", replace=False) as path:
        path.write_text("other")
    assert names(tmp_path) == ["first", "second"]
    assert (tmp_path / "first").read_text() == "first"


@needs_locks
@pytest.mark.parametrize("program", [WRITING, CLAIMING])
def test_what_a_dead_process_left_is_removed_and_nothing_of_a_living_one(tmp_path: Path, program: str) -> None:
    with other_process(program, tmp_path):
        remove_leftovers(tmp_path)
        assert len(names(tmp_path)) == 1
    assert len(names(tmp_path)) == 1  # killed: it could not tidy up
    with atomic_write(tmp_path / "b.txt") as path:  # the next file in this folder
        path.write_text("b")
    assert names(tmp_path) == ["b.txt"]


@needs_locks
def test_one_process_has_a_claim(tmp_path: Path) -> None:
    with other_process(CLAIMING, tmp_path):
        with claimed(tmp_path / "a.png") as is_mine:
            assert not is_mine
        with claimed(tmp_path / "b.png") as is_mine:
            assert is_mine
    with claimed(tmp_path / "a.png") as is_mine:
        assert is_mine
        with claimed(tmp_path / "a.png") as again:
            assert not again
    assert names(tmp_path) == []


def test_names_may_be_as_long_as_they_can_be(tmp_path: Path) -> None:
    with claimed(tmp_path / ("m" * 251 + ".png")) as is_mine:
        assert is_mine


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed by Linux")
@pytest.mark.parametrize("replace", [True, False])
def test_without_locks_no_file_is_open_when_it_is_renamed(
    tmp_path: Path, replace: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows renames and removes no open file."""
    monkeypatch.setattr(files, "fcntl", None)

    def opened() -> list[str]:
        links = [Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
        return [os.readlink(link) for link in links if link.is_symlink()]

    with atomic_write(tmp_path / "a.txt", replace=replace) as path:
        path.write_text("whole")
        assert not [name for name in opened() if name.startswith(str(tmp_path))]
    assert (tmp_path / "a.txt").read_text() == "whole"
    with pytest.raises(ValueError, match="stop"), atomic_write(tmp_path / "b.txt"):
        raise ValueError("stop")
    assert names(tmp_path) == ["a.txt"]
