"""What stands before the application, by raw bytes over a socket: who may ask, how much may come and how slowly."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from srgan_kit.serve import guard
from srgan_kit.serve.guard import Guard, PatientProtocol

MOST = 1000


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def _wait(request: Request) -> PlainTextResponse:
    await asyncio.sleep(1.5)
    return PlainTextResponse("waited")


async def _deaf(request: Request) -> PlainTextResponse:
    return PlainTextResponse("deaf")


async def _long(request: Request) -> StreamingResponse:
    return StreamingResponse(b"x" * 65536 for _ in range(500))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server with short patience."""
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in (
            ("HEADER_SECONDS", 0.6),
            ("PAUSE_SECONDS", 0.6),
            ("LINGER_SECONDS", 1),
            ("SLOWEST", 1000),
        ):
            patch.setattr(guard, name, seconds)
        routes = [Route("/", _echo, methods=["GET", "POST"]), Route("/wait", _wait), Route("/long", _long)]
        routes.append(Route("/deaf", _deaf, methods=["POST"]))
        app = Guard(
            Starlette(routes=routes), ["name.example"], MOST, lambda path, _: path in [route.path for route in routes]
        )
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=PatientProtocol, ws="none", log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def ask(port: int, *pieces: str, pause: float = 0.0, path: str = "/", host: str = "localhost") -> tuple[int, str, str]:
    """Status, head and body for a request whose head is made from the first piece; the others follow as they are."""
    head, *rest = pieces
    lines = [f"{'POST' if rest else 'GET'} {path} HTTP/1.1", *([f"Host: {host}"] if host else []), *head.splitlines()]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(("\r\n".join([*lines, "Connection: close", "", ""])).encode())
        try:
            for piece in rest:
                time.sleep(pause)
                connection.sendall(piece.encode())
        except OSError:
            pass  # refused already
        return parsed(received(connection))


def received(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def parsed(answer: bytes) -> tuple[int, str, str]:
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:80", "127.0.0.1:7", "[::1]:7", "192.168.1.7", "Name.Example:1"]
)
def test_addresses_and_known_names_are_answered(port: int, host: str) -> None:
    status, head, body = ask(port, "", host=host)
    assert (status, body) == (200, "0 bytes")
    assert "default-src 'self'" in head
    assert "x-content-type-options: nosniff" in head


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a b", "[::1"])
def test_other_names_are_not_answered(port: int, host: str) -> None:
    status, _, body = ask(port, "", host=host)
    assert status in (400, 421)
    assert "bytes" not in body


def test_a_request_without_a_host_or_with_two_is_refused(port: int) -> None:
    assert ask(port, "", host="")[0] in (400, 421)
    assert ask(port, "Host: 127.0.0.1")[0] in (400, 421)


def test_pages_of_other_sites_are_refused(port: int) -> None:
    assert ask(port, f"Origin: http://localhost:{port}", host=f"localhost:{port}")[0] == 200
    for origin in (f"http://localhost:{port + 1}", "http://evil.example", "null", f"http://127.0.0.1:{port}"):
        status, _, body = ask(port, f"Origin: {origin}", host=f"localhost:{port}")
        assert (status, json.loads(body)) == (403, {"error": "requests from other sites' pages are refused"})


def test_unknown_paths_are_nothing(port: int) -> None:
    for path in ("/other", "/../etc/passwd", "//", "/%2e%2e/etc/passwd"):
        assert ask(port, "", path=path)[0] == 404


def test_large_bodies_are_refused_as_soon_as_that_is_known(port: int) -> None:
    assert ask(port, f"Content-Length: {MOST}", "x" * MOST)[2] == f"{MOST} bytes"
    for length in (str(MOST + 1), str(10**30), "9" * 5000):
        status, _, body = ask(port, f"Content-Length: {length}", "x")
        assert status in (400, 413)
        assert "bytes" not in body or "larger than" in body
    chunk = f"{500:x}\r\n{'x' * 500}\r\n"
    status, _, body = ask(port, "Transfer-Encoding: chunked", *[chunk] * 3)
    assert (status, json.loads(body)) == (413, {"error": f"the request is larger than {MOST} bytes"})
    assert ask(port, "Transfer-Encoding: chunked", chunk, chunk, "0\r\n\r\n")[2] == "1000 bytes"


def test_a_client_that_goes_on_sending_sees_why_it_is_refused(port: int) -> None:
    for path, length, why in (
        ("/", 50_000_000, "larger than"),
        ("/other", 50_000_000, "nothing here"),
        ("/deaf", MOST, "deaf"),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            connection.sendall(head.encode())
            answer = connection.recv(65536)  # begins before the body is there
            for _ in range(50):
                connection.sendall(bytes(length // 50))
            answer += received(connection)
        assert why in answer.decode()


def test_a_refused_client_that_stops_sending_is_not_waited_for(port: int) -> None:
    start = time.monotonic()
    assert ask(port, "Content-Length: 5000", "x")[0] == 413
    assert time.monotonic() - start < 5


def test_a_head_that_does_not_come_ends_the_connection(port: int) -> None:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            for sign in "GET / HTTP/1.1\r\nHost: local":  # one byte after the other
                connection.sendall(sign.encode())
                time.sleep(0.06)
        except OSError:
            pass
        assert received(connection) == b""
    assert time.monotonic() - start < 3
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:  # and so does that of a second one
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while b"0 bytes" not in answer:
            answer += connection.recv(65536)
        try:
            for sign in "GET / HTTP/1.1\r\nHost: local":
                connection.sendall(sign.encode())
                time.sleep(0.06)
        except OSError:
            pass
        assert received(connection) == b""


def test_a_slow_body_is_refused(port: int) -> None:
    status, _, body = ask(port, "Content-Length: 900", "x", pause=1)
    assert (status, json.loads(body)) == (408, {"error": "nothing came for 0.6 seconds"})
    status, _, body = ask(port, "Content-Length: 900", *"x" * 30, pause=0.05)
    assert (status, json.loads(body)) == (408, {"error": "it came more slowly than 1000 bytes a second"})


def test_a_slow_answer_is_waited_for(port: int) -> None:
    assert ask(port, "", path="/wait")[2] == "waited"  # longer than any patience with what comes in


def test_who_does_not_read_the_answer_is_left(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1.5)
        assert len(received(connection)) < 500 * 65536
