"""What the buttons of the page do: images are upscaled one after the other, and the page is told of every step."""

import os
import queue
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from srgan_kit.serve.images import Limits, Made, Refused, upscale_file
from srgan_kit.serve.options import WrongOption, arguments_of
from srgan_kit.serve.workers import HANGUP, Busy, Cancelled, Place, Workers

MOST_FILES = 100
PATIENCE = 0.2
"""Seconds between two looks at the progress."""


@dataclass
class Batch:
    """The images of a click, as far as they are."""

    count: int
    done: list[Made] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Names and reasons."""
    pages: dict[str, str] = field(default_factory=dict)
    """The files of what is shown of each result, by its name."""

    @property
    def number(self) -> int:
        """Of images that were dealt with."""
        return len(self.done) + len(self.failed)


class Session:
    """What the page's buttons do.

    Args:
        workers: who does it.
        limits: what an image may cost.
        names: of the options, in the order of their values.
        folder: where pages are kept.
    """

    def __init__(self, workers: Workers, limits: Limits, names: list[str], folder: str) -> None:
        self._workers, self._limits, self._names, self._folder = workers, limits, names, folder

    def upscale(self, files: list[str] | None, pages: dict[str, str], *values: Any) -> Iterator[tuple[Any, ...]]:
        """Upscale what was uploaded, one image after the other; the page's new contents after every step."""
        import gradio as gr

        if not files:
            raise gr.Error("There is no image yet: drop one, or choose files.", print_exception=False)
        if len(files) > MOST_FILES:
            raise gr.Error(f"At most {MOST_FILES} images at a time.", print_exception=False)
        given = {name: value for name, value in zip(self._names, values, strict=True) if value not in (None, "")}
        try:
            arguments = arguments_of((name, _text(value)) for name, value in given.items())
        except WrongOption as error:
            raise gr.Error(str(error), print_exception=False) from None
        forget(pages)
        batch, folder = Batch(len(files)), Path(tempfile.mkdtemp(prefix="srgan-kit-"))
        yield (_going(batch, Path(files[0]).name, 0, 0), *[gr.skip()] * 3, {})
        try:
            for number, file in enumerate(map(Path, files)):
                for done, total in self._upscale_one(file, folder / str(number), arguments, batch):
                    yield (_going(batch, file.name, done, total), *[gr.skip()] * 4)
                yield (_going(batch, file.name, 0, 0), *_shown(batch), gr.skip(), batch.pages)
            yield (_ended(batch), *[gr.skip()] * 2, gr.File(_downloads(batch, folder), visible=True), gr.skip())
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _upscale_one(self, file: Path, folder: Path, arguments: list[str], batch: Batch) -> Iterator[tuple[int, int]]:
        """Upscale an image into a folder of its own; its progress until it is done or has failed."""
        folder.mkdir()
        shutil.copyfile(file, folder / file.name)
        told: queue.Queue[tuple[int, int] | None] = queue.Queue()
        try:
            with self._workers.place() as place:
                work = _Thread(lambda: self._work(place, folder / file.name, arguments, told))
                try:
                    while (news := _latest(told)) is not None:
                        yield news
                finally:  # also where the page was closed in the middle
                    place.stop(HANGUP)
                    made = work.result()
        except (Busy, Refused, Cancelled) as error:
            batch.failed.append((file.name, "stopped" if isinstance(error, Cancelled) else str(error)))
            return
        batch.done.append(made)
        name = f"{len(batch.done)}. {made.file.name}" if batch.count > 1 else made.file.name
        if made.comparison is not None:
            batch.pages[name] = os.path.join(self._folder, f"{secrets.token_hex(16)}.html")
            shutil.move(made.comparison, batch.pages[name])

    def _work(
        self, place: Place, file: Path, arguments: list[str], told: "queue.Queue[tuple[int, int] | None]"
    ) -> Made:
        try:
            tell: Callable[[int, int], None] = lambda done, total: told.put((done, total))  # noqa: E731
            return upscale_file(place, file, arguments, self._limits, tell, compared=True)
        finally:
            told.put(None)


class _Thread:
    """Work in a thread, and what comes of it."""

    def __init__(self, work: Callable[[], Made]) -> None:
        self._made: Made | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], Made]) -> None:
        try:
            self._made = work()
        except Exception as error:  # for the one who asked
            self._error = error

    def result(self) -> Made:
        """What was made, once it is; its error where it failed."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._made is not None
        return self._made


def _latest(told: "queue.Queue[tuple[int, int] | None]") -> tuple[int, int] | None:
    """The latest news after a while; None at the end."""
    news: tuple[int, int] | None = (0, 0)
    try:
        news = told.get(timeout=PATIENCE)
        while news is not None:
            news = told.get_nowait()
    except queue.Empty:
        pass
    return news


def _text(value: Any) -> str:
    """A control's value as a request would have it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _going(batch: Batch, name: str, done: int, total: int) -> str:
    part = done / total if total else 0.0
    at = f"{done} of {total} tiles" if total else "waiting for the first tile"
    value = (batch.number + part) / batch.count
    return (
        f'<progress value="{value:.4f}" max="1" aria-label="Progress"></progress>'
        f"<p>Image {min(batch.number + 1, batch.count)} of {batch.count}, {escape(name)}: {at}</p>{_failures(batch)}"
    )


def _ended(batch: Batch) -> str:
    facts = "".join(
        f"<li>{escape(made.file.name)}: {made.facts['size'][0]} × {made.facts['size'][1]}, "
        f"{escape(made.facts['model'])}, {made.facts['seconds']:.1f} s"
        f"{''.join(f'; {escape(note)}' for note in made.facts['notes'])}</li>"
        for made in batch.done
    )
    return f"<p>{len(batch.done)} of {batch.count} images done.</p><ul>{facts}</ul>{_failures(batch)}"


def _failures(batch: Batch) -> str:
    lines = "".join(f"<li><b>{escape(name)}</b>: {escape(reason)}</li>" for name, reason in batch.failed)
    return f"<ul role=alert>{lines}</ul>" if lines else ""


def _shown(batch: Batch) -> tuple[Any, Any]:
    """The choice of images, and the one that was made last."""
    import gradio as gr

    names = list(batch.pages)
    if not names:
        return gr.Dropdown(visible=False), ""
    return gr.Dropdown(names, value=names[-1], visible=len(names) > 1), framed(names[-1], batch.pages)


def framed(name: str, pages: dict[str, str]) -> str:
    """The comparison page of a result in a frame, which can do nothing but run its own script."""
    try:
        page = Path(pages[name]).read_text(encoding="utf-8")
    except (KeyError, OSError):  # kept for an hour
        return "<p>This result is not kept any more.</p>"
    return f'<iframe class="compare" title="Before and after" sandbox="allow-scripts" srcdoc="{escape(page)}"></iframe>'


def forget(pages: dict[str, str]) -> None:
    """Remove the pages of an earlier click."""
    for page in pages.values():
        Path(page).unlink(missing_ok=True)


def _downloads(batch: Batch, folder: Path) -> list[str]:
    """The results, and all of them in one archive where there are many; gradio copies them to its own folder."""
    files = [str(made.file) for made in batch.done]
    if len(files) > 1:
        archive = folder / "upscaled.zip"
        with zipfile.ZipFile(archive, "w") as out:  # images are compressed already
            taken: set[str] = set()
            for number, made in enumerate(batch.done, 1):
                name = made.file.name if made.file.name not in taken else f"{number}_{made.file.name}"
                taken.add(name)
                out.write(made.file, name)
        files.append(str(archive))
    return files
