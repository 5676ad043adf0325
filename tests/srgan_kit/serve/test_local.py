"""`upscale --server` is `upscale`: the same files, lines and statuses, and signals that reach the job."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from upscale_command import wait_for

from scripts.lib.server import Server
from srgan_kit import __version__
from srgan_kit.errors import UserError
from srgan_kit.serve import address
from srgan_kit.serve.address import Listener, connect
from srgan_kit.serve.channel import FAILED, JOB, Channel, Job

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
Command = Callable[..., tuple[int, str, str]]
CLIENT = "import sys; sys.argv = ['srgan-kit', *sys.argv[1:]]; from srgan_kit.cli.main import run; run()"


def make_image(path: Path, side: int = 12, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, dpi=(300, 300))
    return path


def client(server: Server, folder: Path, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """`upscale --server` in a process of its own."""
    command = [sys.executable, "-c", CLIENT, "upscale", "--server", *map(str, arguments)]
    usual: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    given: dict[str, Any] = {"cwd": folder, "env": server.environment, **usual, **options}
    return subprocess.Popen[bytes](command, **given)


def finished(process: subprocess.Popen[bytes], given: bytes | None = None) -> tuple[int, bytes, str]:
    out, err = process.communicate(given, timeout=60)
    return process.returncode, out, err.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        make_image(tmp_path / name, seed=number)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.png", "b.jpg"),
        ("a.png", "-s", "2.5", "--format", "jpg", "--quality", "80", "--consistent"),
        (".", "-r", "-o", "out", "--strip-metadata", "--fit", "50x50", "--report", "r.json", "--compare", "c.html"),
        ("a.png", "broken.png", "missing.png", "no*.png"),
        ("a.png", "-m", "nonsense"),
        ("a.png", "--nonsense"),
        ("a.png", "--tile", "0"),
        ("a.png", "-s", "2", "--fit", "3x3"),
        ("--help",),
        (),
    ],
)
def test_files_lines_and_status_are_those_of_the_command_alone(
    server: Server, folder: Path, tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...], command: Command
) -> None:
    found: list[object] = []
    for how in ((), ("--server",)):
        place = tmp_path_factory.mktemp("place")
        subprocess.run(["cp", "-r", f"{folder}/.", place], check=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place)
            patch.setenv("XDG_RUNTIME_DIR", str(server.runtime))
            status, out, err = command("upscale", *arguments, *how)
        in_a_table = r" [0-9.]+(?=  (?:done|$)| *$)"  # and the sum of its last line
        said = re.sub(rf"[0-9.]+ s\b|{in_a_table}", " T", f"{status}\n{out}\n{err}", flags=re.MULTILINE)
        files = {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        texts = {
            path: re.sub(rb'[0-9.]+ s<|"seconds": [0-9.]+', b"T", content)
            for path, content in files.items()
            if path.suffix in (".json", ".html")
        }
        found.append((said, files | texts))
    assert found[0] == found[1]


def test_torch_is_not_imported_by_a_client(server: Server, folder: Path) -> None:
    check = "import atexit, sys; atexit.register(lambda: print([n for n in ('torch', 'typer') if n in sys.modules]))"
    command = [sys.executable, "-c", f"{check}\n{CLIENT}", "upscale", "a.png", "--server"]
    done = subprocess.run(command, cwd=folder, env=server.environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["[]"]


def test_standard_input_and_output_are_the_clients(server: Server, folder: Path) -> None:
    assert finished(client(server, folder, "a.png"))[0] == 0
    piped = client(server, folder, "-", stdin=subprocess.PIPE)
    status, out, err = finished(piped, (folder / "a.png").read_bytes())
    assert (status, out) == (0, (folder / "a_x4.png").read_bytes())
    assert err.startswith("/dev/stdin -> /dev/stdout (60x48, ")
    status, out, _ = finished(client(server, folder, "a.png", "-o", "x.png", "--report", "-"))
    assert json.loads(out)["images"][0]["target"] == "x.png"


def test_a_result_has_the_clients_permissions(server: Server, folder: Path) -> None:
    for mask, mode in ((0o077, 0o600), (0o027, 0o640)):
        done = finished(client(server, folder, "a.png", "--overwrite", umask=mask))
        assert done[0] == 0
        assert stat.S_IMODE((folder / "a_x4.png").stat().st_mode) == mode


def test_the_clients_environment_counts(server: Server, folder: Path) -> None:
    (folder / "models").mkdir()
    options = {"SRGAN_KIT_MODELS": str(folder / "models")}
    record = {"name": "mine", "files": {"x.pth": "0"}, "scale": 2, "architecture": "", "parameters": 1}
    (folder / "models" / "mine").mkdir()
    record |= {"licence": "", "speed": {}}
    (folder / "models" / "mine" / "model.json").write_text(json.dumps(record))
    process = client(server, folder, "a.png", "-m", "mine", env=server.environment | options)
    assert f"{folder}/models/mine/x.pth cannot be read" in finished(process)[2]


def test_on_a_terminal_the_progress_is_drawn(server: Server, folder: Path) -> None:
    ours, theirs = os.openpty()
    process = client(server, folder, "a.png", stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = b""
    while b" -> " not in drawn:
        drawn += os.read(ours, 10_000)
    assert process.wait(20) == 0
    os.close(ours)
    assert "0/1 images" in drawn.decode()
    assert "\x1b[" in drawn.decode()


# --- signals and clients that leave -----------------------------------------------------------------------------------


def started(server: Server, folder: Path, *more: object) -> subprocess.Popen[bytes]:
    """A client whose job takes seconds and is at it."""
    make_image(folder / "large.png", 700)
    process = client(server, folder, "large.png", "-m", "x4-fidelity", "--precision", "fp32", *more)
    wait_for(lambda: any("unfinished-claim" in name for name in os.listdir(folder)))
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_job_as_it_stops_the_command(server: Server, folder: Path, number: signal.Signals) -> None:
    process = started(server, folder, "--report", "r.json")
    process.send_signal(number)
    status, out, err = finished(process)
    assert (status, out) == (128 + number, b"")
    assert err == f"stopped by {number.name}: 0 of 1 images done\n"
    assert json.loads((folder / "r.json").read_text())["images"][0]["reason"] == f"stopped by {number.name}"
    assert not [name for name in os.listdir(folder) if "unfinished" in name or "_x4" in name]
    assert finished(client(server, folder, "a.png"))[0] == 0  # the worker is there for the next


def test_a_signal_in_the_middle_of_the_input_is_heard(server: Server, folder: Path) -> None:
    process = client(server, folder, "-", "-o", "x.png", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(bytes(100_001))
    process.stdin.flush()
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b"stopped by SIGINT: 0 of 1 images done\n"
    assert finished(client(server, folder, "a.png"))[0] == 0


def test_a_killed_client_takes_its_job_with_it(server: Server, folder: Path) -> None:
    process = started(server, folder)
    process.kill()
    process.wait()
    wait_for(lambda: not [name for name in os.listdir(folder) if "unfinished" in name])
    assert not (folder / "large_x4.png").exists()
    assert finished(client(server, folder, "a.png"))[0] == 0


def test_a_signal_that_comes_after_its_job_does_not_stop_the_next_one(server: Server, folder: Path) -> None:
    assert finished(client(server, folder, "a.png"))[0] == 0
    (worker,) = psutil.Process(server.process.pid).children()
    worker.send_signal(signal.SIGHUP)
    assert finished(client(server, folder, "a.png", "--overwrite"))[0] == 0
    assert worker.is_running()


def test_clients_wait_for_each_other_and_too_many_are_refused(server: Server, folder: Path) -> None:
    first = started(server, folder)
    waiting = [client(server, folder, "a.png", "-o", f"{number}.png") for number in range(2)]
    time.sleep(1)
    status, _, err = finished(client(server, folder, "a.png", "-o", "no.png"))
    assert (status, err) == (1, "error: as many images wait as may wait\n")
    waiting[1].send_signal(signal.SIGINT)
    assert finished(waiting[1])[::2] == (130, "stopped by SIGINT\n")
    first.send_signal(signal.SIGINT)
    assert finished(first)[0] == 130
    assert finished(waiting[0])[0] == 0
    assert sorted(path.name for path in folder.glob("?.png")) == ["0.png", "a.png"]


# --- the socket -------------------------------------------------------------------------------------------------------


def test_the_socket_is_this_users_alone(server: Server) -> None:
    path = server.runtime / "srgan-kit" / "server.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [Job([], "/", version="0.0.1").to_bytes(), b"{}", b"[1]", b"\xff"])
def test_another_version_is_told(server: Server, content: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(server.runtime / "srgan-kit" / "server.sock"))
        with connection.makefile("rb") as reader, connection.makefile("wb") as writer:
            channel = Channel(reader, writer)
            channel.send(JOB, content)
            answer = channel.receive()
    assert answer is not None
    assert answer[0] == FAILED
    assert answer[1].decode().startswith(f"the server is srgan-kit {__version__}, this is ")


def test_no_server_is_one_line(folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.chdir(folder)
    expected = f"error: no server is running ({folder}/srgan-kit/server.sock): start one with `srgan-kit serve`\n"
    assert command("upscale", "a.png", "--server") == (2, "", expected)
    (folder / "srgan-kit").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:  # by a server that was killed
        left.bind(str(folder / "srgan-kit" / "server.sock"))
    assert command("upscale", "a.png", "--server") == (2, "", expected)
    Listener().close()  # which takes its place


def test_a_second_server_is_an_error(server: Server, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(server.runtime))
    with pytest.raises(UserError, match="a server is running there already"):
        Listener()
    status, _, err = command("serve", "--port", server.port)
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith(f"error: --host 127.0.0.1 --port {server.port}: ")


def test_a_name_that_cannot_be_a_hosts_is_an_error(command: Command) -> None:
    status, _, err = command("serve", "--host", "a..b")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("error: --host a..b --port ")


def test_a_folder_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "srgan-kit").mkdir(mode=0o755)
    with pytest.raises(UserError, match="belongs to others too"):
        Listener()


def accepted(listener: Listener) -> socket.socket:
    connection = listener.accept()
    assert connection is not None
    return connection


def test_without_unix_sockets_a_token_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(address, "HAS_UNIX_SOCKETS", False)
    listener = Listener()
    file = tmp_path / "srgan-kit" / "server.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    known = json.loads(file.read_text())
    with connect() as mine, accepted(listener) as theirs:
        mine.sendall(b"hello")
        assert theirs.recv(5) == b"hello"
    with socket.create_connection(("127.0.0.1", known["port"])) as stranger:
        stranger.sendall(known["token"][:-1].encode() + b"x")
        assert listener.accept() is None
        assert stranger.recv(1) == b""
    listener.close()
    assert not file.exists()
    with pytest.raises(UserError, match="no server is running"):
        connect()
