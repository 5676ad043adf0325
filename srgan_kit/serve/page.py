"""The page (extra `ui`, gradio): images in, larger images out, before and after under a slider."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from srgan_kit.serve.images import Limits
from srgan_kit.serve.options import OPTIONS, model_names, output_formats
from srgan_kit.serve.session import Session, forget, framed
from srgan_kit.serve.workers import Workers

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
KEPT_SECONDS = 3600
"""How long uploads and results are kept."""
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
        pages = gr.State({}, time_to_live=KEPT_SECONDS, delete_callback=forget)
        session = Session(workers, limits, list(controls), _folder())
        running = start.click(
            session.upscale,
            [files, pages, *controls.values()],
            [progress, chosen, view, results, pages],
            show_progress="hidden",
            concurrency_limit=len(workers.all) + 1,
            api_visibility="private",
        )
        stop.click(None, cancels=[running], api_visibility="private")
        chosen.input(framed, [chosen, pages], view, show_progress="hidden", api_visibility="private")
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
