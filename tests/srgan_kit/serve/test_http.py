"""The HTTP interface of a real server, asked by curl and by hand: the command's bytes, and what bad requests get."""

import http.client
import io
import json
import re
import shlex
import shutil
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from scripts.lib.server import Server
from srgan_kit.serve.images import Refused, check_kind
from srgan_kit.serve.options import OPTIONS, WrongOption, arguments_of

Command = Callable[..., tuple[int, str, str]]
GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "server.md"


def png(side: int = 12, **saved: Any) -> bytes:
    noise = np.random.default_rng(side).integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", **saved)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A small file that says it is a large image."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def error(server: Server, path: str, body: bytes) -> tuple[int, str]:
    status, headers, answer = ask(server, "POST", path, body)
    assert headers["content-type"] == "application/json"
    return status, json.loads(answer)["error"]


def by_command(command: Command, folder: Path, image: bytes, *arguments: str, suffix: str = ".png") -> bytes:
    """What the command line makes of it."""
    (folder / "given").write_bytes(image)
    out = folder / f"by_command{suffix}"
    assert command("upscale", folder / "given", "-o", out, "--overwrite", *arguments)[0] == 0
    return out.read_bytes()


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_guides_curl_commands_give_the_commands_bytes(server: Server, tmp_path: Path, command: Command) -> None:
    text = GUIDE.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^curl .*$", text, re.MULTILINE)
    assert len(commands) >= 4
    (tmp_path / "photo.jpg").write_bytes(png())
    for line in commands:
        words = shlex.split(line.replace("http://127.0.0.1:7860", server.address), comments=True)
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "error" not in done.stdout, line
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "photo.jpg"}
    assert set(found) == {"photo_x4.png", "photo_x2.jpg"}
    assert found["photo_x4.png"] == by_command(command, tmp_path, png())
    arguments = ("-s", "2", "-m", "x2-fidelity", "--quality", "90")
    assert found["photo_x2.jpg"] == by_command(command, tmp_path, png(), *arguments, suffix=".jpg")


def test_a_result_has_the_images_metadata_and_says_what_made_it(
    server: Server, tmp_path: Path, command: Command
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    image = png(exif=exif, dpi=(300, 300))
    status, headers, result = ask(server, "POST", "/upscale?scale=3", image)
    assert status == 200
    assert result == by_command(command, tmp_path, image, "-s", "3")
    opened = Image.open(io.BytesIO(result))
    assert opened.getexif()[0x010F] == "a camera"
    assert opened.size == (45, 36)
    assert headers["content-type"] == "image/png"
    assert headers["content-disposition"] == 'attachment; filename="image_x3.png"'
    assert (headers["x-size"], headers["x-model"][:3]) == ("45x36", "x3-")
    stripped = ask(server, "POST", "/upscale?scale=3&strip_metadata=true", image)[2]
    assert 0x010F not in Image.open(io.BytesIO(stripped)).getexif()


def test_models_and_health(server: Server) -> None:
    status, _, answer = ask(server, "GET", "/models")
    assert status == 200
    assert {"x2-fidelity", "x4-fidelity", "x4-photo"} <= {model["name"] for model in json.loads(answer)}
    status, _, answer = ask(server, "GET", "/health")
    expected = {"status": "ok", "workers": 1, "running": 0, "waiting": 0}
    assert (status, {name: json.loads(answer)[name] for name in expected}) == (200, expected)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("scael=2", "scael: no such option (did you mean scale?)"),
        ("scale=2&scale=3", "scale: expected it once"),
        ("scale=1e9", "scale: expected a number such as 2.5, got '1e9'"),
        ("scale=0", "--scale 0: expected more than 0"),
        ("scale=-1", "scale: expected a number"),
        ("scale=65", "--scale 65: expected more than 0 and at most 64"),
        ("scale=2&fit=9x9", "--scale and --fit: expected one of them"),
        ("fit=0x9", "--fit 0x9: expected a box"),
        ("model=/etc/passwd", "model: expected auto or a name that /models lists, got '/etc/passwd'"),
        ("model=../x4-fidelity.safetensors", "model: expected auto or a name"),
        ("model=x.pth", "model: expected auto or a name"),
        ("format=exe", "format: expected a format that is written"),
        ("format=../x.png", "format: expected a format that is written"),
        ("quality=101", "quality: expected a whole number from 1 to 100"),
        ("consistent=perhaps", "consistent: expected true or false"),
        ("output=/tmp/x.png", "output: no such option"),
        ("report=/tmp/x.json", "report: no such option"),
        ("device=cuda:9", "device: no such option"),
    ],
)
def test_wrong_options_are_named(server: Server, query: str, expected: str) -> None:
    status, reason = error(server, f"/upscale?{query}", png())
    assert status == 400
    assert expected in reason


HOSTILE = {
    "nothing": (b"", 400, "the request has no image in it"),
    "text": (b"hello", 422, "not an image of a kind that is taken here: PNG, JPEG, WebP"),
    "truncated": (png(40)[:900], 422, "cannot be read"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', 422, "not an image"),
    "bomb": (bomb(50_000), 413, "2500000000 pixels, more than 110000"),
    "many pixels": (bomb(400), 413, "160000 pixels, more than 110000"),
    "a pickle": (b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix.", 422, "not an image"),
    "postscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        422,
        "not an image of a kind",
    ),
    "an archive": (b"PK\x03\x04" + bytes(100), 422, "not an image"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads_get_an_error_and_the_server_goes_on(server: Server, name: str) -> None:
    body, expected, reason = HOSTILE[name]
    status, said = error(server, "/upscale", body)
    assert status == expected
    assert reason in said
    assert "/tmp" not in said
    assert "root:" not in said
    assert ask(server, "POST", "/upscale?scale=2", png())[0] == 200


def test_a_polyglot_is_the_image_that_it_is(server: Server) -> None:
    status, headers, result = ask(server, "POST", "/upscale?scale=2", png() + b"<script>alert(1)</script>")
    assert (status, headers["content-type"]) == (200, "image/png")
    assert b"<script" not in result


def test_a_result_that_is_too_large_is_refused(server: Server) -> None:
    assert error(server, "/upscale?scale=60", png(60)) == (
        413,
        "the result would have 13608000 pixels, more than 1800000",
    )


def test_a_form_without_an_image_or_with_two_is_refused(server: Server) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n'
    form = {"content_type": "multipart/form-data; boundary=b"}
    bodies = (b"--b--\r\n", part % (b"a", b"a", b"x") + part % (b"b", b"b", b"x") + b"--b--\r\n", b"nonsense")
    for body in bodies:
        status, _, answer = ask(server, "POST", "/upscale", body, **form)
        assert (status, "error" in json.loads(answer)) == (400, True)
    field = b'--b\r\nContent-Disposition: form-data; name="scale"\r\n\r\n2\r\n'
    status, _, answer = ask(server, "POST", "/upscale", part % (b"a", b"a", png()) + field + b"--b--\r\n", **form)
    assert status == 400
    assert "options stand in the address: /upscale?scale=2" in json.loads(answer)["error"]
    image = part % (b"image", b"../../../etc/x.png", png()) + b"--b--\r\n"
    status, headers, _ = ask(server, "POST", "/upscale", image, **form)
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="image_x4.png"')


def test_nothing_else_is_there(server: Server) -> None:
    assert ask(server, "GET", "/upscale")[0] == 405
    for path in ("/etc/passwd", "/../etc/passwd", "/upscale/../../etc/passwd", "/models/x", "/docs", "/openapi.json"):
        status, _, answer = ask(server, "GET", path)
        assert (status, b"root:" in answer) == (404, False)
    large = bytes(1_000_001)
    assert error(server, "/upscale", large) == (413, "the request is larger than 1000000 bytes")


# --- the queue --------------------------------------------------------------------------------------------------------

SLOW = "/upscale?model=x4-fidelity&ensemble=true&precision=fp32"


def test_a_full_queue_says_when_to_come_again(server: Server) -> None:
    answers: list[tuple[int, dict[str, str], bytes]] = []
    image = png(130)
    threads = [
        threading.Thread(target=lambda: answers.append(ask(server, "POST", SLOW.replace("&ensemble=true", ""), image)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, *_ in answers) == [200] * 3 + [503] * 3  # one at work and two that wait
    refused = next(answer for answer in answers if answer[0] == 503)
    assert refused[1]["retry-after"] == "10"
    assert json.loads(refused[2]) == {"error": "the queue is full"}
    assert len({answer[2] for answer in answers if answer[0] == 200}) == 1


def running(server: Server) -> int:
    return json.loads(ask(server, "GET", "/health")[2])["running"]


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError


def test_a_client_that_leaves_takes_its_job_with_it(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", SLOW, png(300))
    wait_for(lambda: running(server) == 1)
    start = time.monotonic()
    connection.close()
    wait_for(lambda: running(server) == 0)
    assert time.monotonic() - start < 10


def test_a_worker_that_dies_is_told_and_started_again(server: Server) -> None:
    answers: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: answers.append(error(server, SLOW, png(300))))
    thread.start()
    wait_for(lambda: running(server) == 1)
    time.sleep(0.3)
    psutil.Process(server.process.pid).children()[0].kill()
    thread.join()
    assert answers == [(500, "the worker was killed by SIGKILL in the middle of the work; the next starts another")]
    assert ask(server, "POST", "/upscale?scale=2", png())[0] == 200


def test_every_kind_that_is_read_is_taken(tmp_path: Path) -> None:
    """Those with a signature; what has none, such as TGA, could be anything."""
    image = Image.new("RGB", (4, 4))
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM"):
        image.save(tmp_path / "image", kind)
        check_kind(tmp_path / "image")
    for kind in ("EPS", "PDF", "TGA", "ICNS", "PCX"):
        image.resize((16, 16)).save(tmp_path / "image", kind)
        with pytest.raises(Refused, match="of a kind that is taken here"):
            check_kind(tmp_path / "image")


# --- options ----------------------------------------------------------------------------------------------------------


def test_options_become_arguments() -> None:
    given = [("scale", "2.5"), ("consistent", "yes"), ("ensemble", "0"), ("model", "x4-photo")]
    assert arguments_of(given) == ["--scale", "2.5", "--consistent", "--model", "x4-photo"]
    for name in OPTIONS:
        for value in ("", "--overwrite", "-o", "/etc/passwd", "a b", "\n", "x" * 10_000, "٣"):
            with pytest.raises(WrongOption, match=f"{name}: expected"):
                arguments_of([(name, value)])
