"""Files that appear in folders are given once they are whole."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from srgan_kit.upscaling import watching
from srgan_kit.upscaling.watching import SETTLED, appearing


class Clock:
    """Time goes on in sleep alone; then something may happen in the folder."""

    def __init__(self, happens: Iterator[object]) -> None:
        self.now, self.happens = 0.0, happens

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        next(self.happens, None)


def watch(
    folder: Path, happens: Iterator[object], monkeypatch: pytest.MonkeyPatch, *, recursive: bool = False
) -> tuple[list[tuple[float, list[str]]], list[str]]:
    """(time, names) of all that is given within a minute, and the folders that went."""
    clock, given, gone = Clock(happens), list[tuple[float, list[str]]](), list[str]()
    monkeypatch.setattr(watching, "time", clock)

    class MinuteIsOverError(Exception):
        pass

    def sleep(seconds: float) -> None:
        Clock.sleep(clock, seconds)
        if clock.now > 60:
            raise MinuteIsOverError

    monkeypatch.setattr(clock, "sleep", sleep)
    with contextlib.suppress(MinuteIsOverError):
        for found in appearing([str(folder)], recursive, gone.append):
            given.append((clock.now, [str(item.relative) for item in found]))
    return given, gone


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_what_is_there_and_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "a.png")

    def happens() -> Iterator[object]:
        yield from range(9)
        yield image(tmp_path / "b.png"), (tmp_path / "notes.txt").write_text("no image"), image(tmp_path / "in/c.png")

    given, gone = watch(tmp_path, happens(), monkeypatch)
    assert given == [(SETTLED, ["a.png"]), (5 + SETTLED, ["b.png"])]
    assert gone == []


def test_a_file_that_still_grows_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = image(tmp_path / "out.png").read_bytes()
    (tmp_path / "out.png").unlink()

    def happens() -> Iterator[object]:
        for count in range(12):
            yield (tmp_path / "a.png").write_bytes(whole[: 1 + count * len(whole) // 12])
        yield (tmp_path / "a.png").write_bytes(whole)

    given, _ = watch(tmp_path, happens(), monkeypatch)
    assert given == [(6.5 + SETTLED, ["a.png"])]


def test_a_file_that_changes_is_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "a.png")

    def happens() -> Iterator[object]:
        yield from range(9)
        yield Image.new("RGB", (99, 99)).save(tmp_path / "a.png")

    given, _ = watch(tmp_path, happens(), monkeypatch)
    assert given == [(SETTLED, ["a.png"]), (5 + SETTLED, ["a.png"])]


def test_results_are_no_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "a.png")
    image(tmp_path / "a_x4.png")
    assert watch(tmp_path, iter(()), monkeypatch)[0] == [(SETTLED, ["a.png"])]


def test_a_folder_may_go_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in"
    image(folder / "deep" / "a.png")

    def happens() -> Iterator[object]:
        yield from range(9)
        yield (folder / "deep" / "a.png").unlink(), (folder / "deep").rmdir(), folder.rmdir()
        yield from range(9)
        yield image(folder / "deep" / "a.png")

    given, gone = watch(folder, happens(), monkeypatch, recursive=True)
    assert given == [(SETTLED, ["deep/a.png"]), (10 + SETTLED, ["deep/a.png"])]
    assert gone == [str(folder)]
