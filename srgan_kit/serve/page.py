"""The page (extra `ui`, gradio): images in, larger images out, before and after under a slider."""

import os
import queue
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srgan_kit.serve.images import Limits, Made, Refused, upscale_file
from srgan_kit.serve.options import OPTIONS, WrongOption, arguments_of, model_names, output_formats
from srgan_kit.serve.workers import HANGUP, Busy, Cancelled, Place, Workers

if TYPE_CHECKING:
    import gradio
    from gradio.components import Component
    from starlette.applications import Starlette

TITLE = "srgan-kit"
FILES = "/gradio_api/file="
PATHS = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/gradio_api/upload", "/gradio_api/cancel")
PATHS += ("/gradio_api/upload_progress", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/theme.css")
PATHS += ("/gradio_api/startup-events", "/gradio_api/reset", "/gradio_api/app_id", "/gradio_api/info")
FOLDERS = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
"""What the page needs of gradio's routes. The others (a proxy, monitoring, deep links) are not there."""
MOST_FILES = 100
KEPT_SECONDS = 3600
"""How long uploads and results are kept."""
PATIENCE = 0.2
"""Seconds between two looks at the progress."""
STYLE = """
.gradio-container { max-width: 1320px !important; margin: 0 auto !important; }
.compare { width: 100%; height: 760px; border: 0; border-radius: 8px; }
.going progress { width: 100%; height: 14px; }
@media (max-width: 600px) { .compare { height: 620px; } }
"""


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("gradio") is not None


def is_of_page(path: str, query: str) -> bool:
    """Whether the page needs something at a path; files are those of its own folder alone."""
    if "deep_link" in query:  # names a folder of saved states
        return False
    if path.startswith(FILES):
        file = os.path.realpath(path.removeprefix(FILES))
        return file.startswith(os.path.realpath(_folder()) + os.sep)
    return path in PATHS or path.startswith(FOLDERS)


def mount_page(app: "Starlette", workers: Workers, limits: Limits) -> None:
    """Put the page at the root of an application, behind what it has already."""
    _settings()
    import gradio
    from gradio.themes import Base

    blocks = _blocks(workers, limits)
    sans, mono = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
    gradio.mount_gradio_app(
        app,  # pyright: ignore[reportArgumentType]
        blocks,
        "/",
        footer_links=[],
        run_history=False,
        max_file_size=limits.upload,
        show_error=True,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=Base(font=sans, font_mono=mono),  # others are loaded from Google
        css=STYLE,
    )
    blocks.has_launched = True  # else gradio takes any file's path for an upload


def _settings() -> None:
    """What gradio reads from the environment when it is imported: nothing is reported, one folder is used."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="srgan-kit-page-")


def _folder() -> str:
    """Where uploads and results are."""
    return os.environ["GRADIO_TEMP_DIR"]


def remove_files() -> None:
    """Remove uploads and results."""
    if folder := os.environ.pop("GRADIO_TEMP_DIR", None):
        shutil.rmtree(folder, ignore_errors=True)


# --- what it looks like -----------------------------------------------------------------------------------------------


def _blocks(workers: Workers, limits: Limits) -> "gradio.Blocks":
    import gradio as gr

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEPT_SECONDS // 6, KEPT_SECONDS)) as blocks:
        gr.Markdown(f"# {TITLE}\nImages in, larger images out. Nothing leaves the machine that serves this page.")
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                files = gr.File(label="Images", file_count="multiple", height=180)
                controls = _controls()
                with gr.Row():
                    start = gr.Button("Upscale", variant="primary")
                    stop = gr.Button("Stop")
            with gr.Column(scale=2, min_width=320):
                progress = gr.HTML(elem_classes="going")
                chosen = gr.Dropdown(label="Image", visible=False, interactive=True)
                view = gr.HTML()
                results = gr.File(label="Results", file_count="multiple", visible=False, interactive=False)
        pages = gr.State({}, time_to_live=KEPT_SECONDS, delete_callback=_forget)
        session = Session(workers, limits, list(controls))
        running = start.click(
            session.upscale,
            [files, pages, *controls.values()],
            [progress, chosen, view, results, pages],
            show_progress="hidden",
            concurrency_limit=len(workers.all) + 1,
            api_visibility="private",
        )
        stop.click(None, cancels=[running], api_visibility="private")
        chosen.input(_framed, [chosen, pages], view, show_progress="hidden", api_visibility="private")
    return blocks.queue(max_size=16, api_open=False)


def _controls() -> "dict[str, Component]":
    """Those of `OPTIONS` that the page has, by name."""
    import gradio as gr

    def choice(name: str, first: str, values: Sequence[str], info: str = "") -> gr.Dropdown:
        """A choice that also takes what is typed, and asks for nothing at first."""
        choices = [(first, ""), *((value, value) for value in values)]
        return gr.Dropdown(choices, value="", label=name, info=info or None, allow_custom_value=True)

    made: dict[str, Component] = {
        "model": gr.Dropdown(model_names(), value="auto", label="Model", info="auto: the one that suits each image"),
        "scale": choice("Scale", "the model's own; 4 with auto", ("1.5", "2", "3", "4", "8"), "any number"),
    }
    for name, info in (("detail", "0: faithful, 1: sharp"), ("denoise", "0: as it is, 1: cleaned")):
        if name in OPTIONS:
            made[name] = choice(name.capitalize(), "not set", ("0", "0.25", "0.5", "0.75", "1"), info)
    made["format"] = gr.Dropdown(output_formats(), value="png", label="Format")
    made["consistent"] = gr.Checkbox(label="Consistent", info="Reduced again, the result is the input.")
    made["ensemble"] = gr.Checkbox(label="Ensemble", info="Better, and eight times slower.")
    made["strip_metadata"] = gr.Checkbox(label="Without metadata")
    return made


# --- what it does -----------------------------------------------------------------------------------------------------


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
    """

    def __init__(self, workers: Workers, limits: Limits, names: list[str]) -> None:
        self._workers, self._limits, self._names = workers, limits, names

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
        _forget(pages)
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
            batch.pages[name] = os.path.join(_folder(), f"{secrets.token_hex(16)}.html")
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
    return gr.Dropdown(names, value=names[-1], visible=len(names) > 1), _framed(names[-1], batch.pages)


def _framed(name: str, pages: dict[str, str]) -> str:
    """The comparison page of a result in a frame, which can do nothing but run its own script."""
    try:
        page = Path(pages[name]).read_text(encoding="utf-8")
    except (KeyError, OSError):  # kept for an hour
        return "<p>This result is not kept any more.</p>"
    return f'<iframe class="compare" title="Before and after" sandbox="allow-scripts" srcdoc="{escape(page)}"></iframe>'


def _forget(pages: dict[str, str]) -> None:
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
