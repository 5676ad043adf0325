"""The page of a real server in a browser: images in, larger ones out, and nothing of the server's besides."""

import http.client
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from scripts.lib.server import Server
from srgan_kit.serve.options import OPTIONS

Command = Callable[..., tuple[int, str, str]]


def make_image(path: Path, side: int = 20) -> Path:
    noise = np.random.default_rng(side).integers(0, 256, (side, side + 5, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    Image.fromarray(noise).save(path, exif=exif)
    return path


@contextmanager
def opened(browser: Any, server: Server) -> Iterator[Any]:
    """The page; whatever the browser asks for is the server's, and nothing goes wrong in it."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    tab.goto(server.address)
    tab.get_by_role("button", name="Upscale").wait_for(timeout=60_000)
    yield tab
    context.close()
    own = (server.address, "data:", f"blob:{server.address}")
    assert [url for url in asked if not url.startswith(own)] == []
    assert wrong == []


def upload(tab: Any, *files: Path) -> None:
    tab.locator("input[type=file]").first.set_input_files([str(each) for each in files])
    tab.locator(".download-link").nth(len(files) - 1).wait_for(timeout=30_000)


def upscale(tab: Any, expected: str) -> None:
    tab.get_by_role("button", name="Upscale").click()
    tab.get_by_text(expected).wait_for(timeout=60_000)


def downloaded(tab: Any, name: str) -> bytes:
    with tab.expect_download() as download:
        tab.locator(f'a[download="{name}"]').click()
    return Path(download.value.path()).read_bytes()


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def running(server: Server) -> int:
    return json.loads(ask(server, "GET", "/health")[1])["running"]


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError


def test_images_go_in_and_the_commands_files_come_out(
    browser: Any, server_with_page: Server, tmp_path: Path, command: Command
) -> None:
    images = make_image(tmp_path / "a.png", 20), make_image(tmp_path / "b.jpg", 30)
    (tmp_path / "broken.png").write_bytes(images[0].read_bytes()[:300])
    out = tmp_path / "out"
    assert command("upscale", *images, "-s", "2.5", "-o", f"{out}/")[0] == 0
    expected = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(expected) == {"a_x2.5.png", "b_x2.5.png"}
    with opened(browser, server_with_page) as tab:
        upload(tab, *images, tmp_path / "broken.png")
        tab.get_by_label("Scale").fill("2.5")
        tab.get_by_label("Scale").press("Enter")
        upscale(tab, "2 of 3 images done")
        assert "broken.png: cannot be read" in tab.get_by_role("alert").inner_text()
        assert {name: downloaded(tab, name) for name in expected} == expected
        with zipfile.ZipFile(io.BytesIO(downloaded(tab, "upscaled.zip"))) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == expected
        assert Image.open(io.BytesIO(expected["b_x2.5.png"])).getexif()[0x010F] == "a camera"
        check_slider(tab, "b.jpg → b_x2.5.png")
        tab.get_by_label("Image", exact=True).click()
        tab.get_by_role("option", name="1. a_x2.5.png").click()
        check_slider(tab, "a.png → a_x2.5.png")


def check_slider(tab: Any, heading: str) -> None:
    """The slider of this result moves, and so does what is seen."""
    frame = tab.frame_locator("iframe.compare")
    frame.get_by_role("heading", name=heading).wait_for(timeout=30_000)
    slider = frame.get_by_role("slider")
    slider.focus()
    seen: list[np.ndarray] = []
    for key, value in (("Home", "0"), ("End", "100")):
        tab.keyboard.press(key)
        assert slider.get_attribute("aria-valuenow") == value
        seen.append(np.asarray(Image.open(io.BytesIO(frame.locator(".window").screenshot())).convert("RGB"), int))
    assert np.abs(seen[0] - seen[1])[40:-60, 60:-60].mean() > 1


def test_hostile_and_oversized_uploads_are_told(browser: Any, server_with_page: Server, tmp_path: Path) -> None:
    large = make_image(tmp_path / "large.png", 400)
    evil = tmp_path / "<img src=x onerror=alert(1)>.svg"
    evil.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    with opened(browser, server_with_page) as tab:
        upload(tab, large, evil)
        upscale(tab, "0 of 2 images done")
        told = tab.get_by_role("alert").inner_text()
        assert "large.png: 162000 pixels, more than 110000" in told
        assert "not an image of a kind that is taken here" in told
        tab.get_by_label("Scale").fill("lots")
        tab.get_by_label("Scale").press("Enter")
        tab.get_by_role("button", name="Upscale").click()
        tab.get_by_text("scale: expected a number such as 2.5, got 'lots'").wait_for(timeout=20_000)


def test_stop_and_a_closed_tab_end_the_job(browser: Any, server_with_page: Server, tmp_path: Path) -> None:
    image = make_image(tmp_path / "slow.png", 300)
    for end in ("stop", "close"):
        with opened(browser, server_with_page) as tab:
            upload(tab, image)
            tab.get_by_label("Ensemble").check()
            tab.get_by_role("button", name="Upscale").click()
            tab.get_by_role("progressbar").wait_for(timeout=20_000)
            wait_for(lambda: running(server_with_page) == 1)
            start = time.monotonic()
            if end == "stop":
                tab.get_by_role("button", name="Stop").click()
                wait_for(lambda: running(server_with_page) == 0)
        wait_for(lambda: running(server_with_page) == 0)
        assert time.monotonic() - start < 15


def test_no_file_of_the_server_can_be_read(server_with_page: Server, tmp_path: Path) -> None:
    secret = make_image(tmp_path / "secret.png")
    config = json.loads(ask(server_with_page, "GET", "/config")[1])
    assert ask(server_with_page, "GET", "/")[0] == 200
    for path in (
        f"/gradio_api/file={secret}",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/x",
        "/gradio_api/file=pyproject.toml",
        "/file=/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/x",
        "/gradio_api/runs",
        "/gradio_api/openapi.json",
        "/monitoring",
        "/?deep_link=../../x",
        "/assets/../../../../etc/passwd",
        "/static/..%2f..%2f..%2f..%2fetc/passwd",
    ):
        status, body = ask(server_with_page, "GET", path)
        assert status in (403, 404), path
        assert b"root:" not in body
    assert config["root"] == server_with_page.address


def test_a_path_is_not_taken_for_an_upload(server_with_page: Server, tmp_path: Path) -> None:
    secret = make_image(tmp_path / "secret.png")
    config = json.loads(ask(server_with_page, "GET", "/config")[1])
    click = next(each for each in config["dependencies"] if len(each["inputs"]) > 3)
    for path in (str(secret), "/etc/passwd"):
        files = [{"path": path, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}]
        values = [files, None, "auto", "2", None, None, "png", False, False, False]
        assert len(values) == len(click["inputs"])
        body = {"data": values, "fn_index": click["id"], "session_hash": "s", "trigger_id": 1}
        status, _ = ask(
            server_with_page,
            "POST",
            "/gradio_api/queue/join",
            json.dumps(body).encode(),
            content_type="application/json",
        )
        assert status == 200
        said = ask(server_with_page, "GET", "/gradio_api/queue/data?session_hash=s")[1].decode()
        ended = [json.loads(line[6:]) for line in said.splitlines() if "process_completed" in line]
        assert [each["success"] for each in ended] == [False]
        assert "images done" not in said
    name = quote(str(tmp_path))
    assert ask(server_with_page, "GET", f"/gradio_api/file={name}/secret.png")[0] == 404


def test_the_page_has_controls_for_options_that_there_are(server_with_page: Server) -> None:
    config = json.loads(ask(server_with_page, "GET", "/config")[1])
    labels = {each["props"].get("label") for each in config["components"]}
    assert {"Images", "Model", "Scale", "Format", "Results"} <= labels
    assert labels & {"Detail", "Denoise"} == {name.capitalize() for name in ("detail", "denoise") if name in OPTIONS}
