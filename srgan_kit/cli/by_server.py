"""`srgan-kit upscale --server`: the command line is done by the user's server; PyTorch is not imported here."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import BinaryIO

from srgan_kit.cli.stopping import SIGNALS
from srgan_kit.errors import UserError
from srgan_kit.serve.address import connect
from srgan_kit.serve.channel import DONE, ERR, FAILED, INPUT, JOB, OUT, PIECE, SIGNAL, WANT, Channel, Job


class ServerFailed(UserError):
    """The server did not do the job."""

    exit_status = 1


def upscale_by_server(arguments: Sequence[str]) -> int:
    """Have the server do what stands after `upscale`, with this process's streams; its exit status.

    Raises:
        UserError: no server is running, or it is of another version, busy, or gone in the middle.
    """
    with connect() as connection, connection.makefile("rb") as reader, connection.makefile("wb") as writer:
        server = Channel(reader, writer)
        try:
            server.send(JOB, _job(arguments).to_bytes())
        except OSError:  # it has no room for more clients
            raise ServerFailed("the server has closed the connection") from None
        with _signals_sent_to(server):
            return _follow(server)


def asks_server(arguments: Sequence[str]) -> bool:
    """Whether a command line is for the server: known before anything that takes time is imported."""
    return arguments[:1] == ["upscale"] and len(_without_server(arguments)) < len(arguments)


def _without_server(arguments: Sequence[str]) -> list[str]:
    """The arguments without the option `--server`; a file of that name after -- stays."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [each for place, each in enumerate(arguments) if each != "--server" or place > end]


def _job(arguments: Sequence[str]) -> Job:
    size = shutil.get_terminal_size()
    environment = {"COLUMNS": str(size.columns), "LINES": str(size.lines), **os.environ}
    umask = os.umask(0)
    os.umask(umask)
    return Job(
        _without_server(arguments),
        os.getcwd(),
        umask,
        environment,
        (sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty()),
        sys.stdout.encoding,
    )


def _follow(server: Channel) -> int:
    """Print what the server says until the job is done."""
    while (frame := server.receive()) is not None:
        kind, content = frame
        if kind == OUT:
            _write(sys.stdout.buffer, content)
        elif kind == ERR:
            _write(sys.stderr.buffer, content)
        elif kind == WANT:
            threading.Thread(target=_send_input, args=(server,), daemon=True).start()
        elif kind == DONE:
            return int(content)
        elif kind == FAILED:
            raise ServerFailed(content.decode())
    raise ServerFailed("the server has ended in the middle of the work")


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)
    stream.flush()


def _send_input(server: Channel) -> None:
    """All of standard input, and then nothing, which is its end."""
    with suppress(OSError):  # nobody wants it any more
        while piece := os.read(sys.stdin.fileno(), PIECE):  # not by its buffer, whose lock would outlive this process
            server.send(INPUT, piece)
        server.send(INPUT)


@contextmanager
def _signals_sent_to(server: Channel) -> Iterator[None]:
    """The first signal stops the job, which says so itself; a second one ends this process without waiting for it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def send(number: int, frame: FrameType | None) -> None:
        restore()
        with suppress(OSError):
            server.send(SIGNAL, str(number).encode())

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, send)
    try:
        yield
    finally:
        restore()
