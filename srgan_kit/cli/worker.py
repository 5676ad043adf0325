"""A worker of `srgan-kit serve`: runs `upscale` for others, one command line after the other, PyTorch loaded once.

Its standard input and output are the channel to the server. A command has the current folder, the umask, the
environment and the streams of who asks for it, and ends as it would have ended there.
"""

import io
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from srgan_kit.cli.stopping import SIGNALS
from srgan_kit.serve.channel import BEGUN, DONE, ERR, INPUT, JOB, OUT, PIECE, PROGRESS, READY, WANT, Channel, Job


def work() -> None:
    """Do jobs until the server closes the channel, or a signal has torn what came through it."""
    _hold_signals()  # before any thread is made
    channel = _take_streams()
    channel.send(READY, json.dumps({"devices": _warm_up()}).encode())
    with suppress(OSError):  # the server is gone
        while (frame := channel.receive()) is not None:
            if frame[0] != JOB:  # what a job did not read
                continue
            given = _Input(channel)
            status = _do(Job.from_bytes(frame[1]), channel, given)
            if given.is_torn:
                return  # the server starts another worker
            channel.send(DONE, str(status).encode())


def _hold_signals() -> None:
    """Signals wait until a job hears them: they are for jobs alone."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # forgets those that came too late for their job
            signal.signal(number, signal.SIG_DFL)


def _take_streams() -> Channel:
    """The channel; what is printed without being asked for goes to stderr, which is the server's."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    return Channel(reader, writer)


def _warm_up() -> list[str]:
    """Load all that takes time, and upscale a few pixels; the names of the GPUs."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as for a command of its own: see cli/main.py
    import numpy as np
    import torch

    import srgan_kit.cli.app
    import srgan_kit.images.encode
    import srgan_kit.images.read  # noqa: F401
    from srgan_kit.upscaling.upscaler import Upscaler

    Upscaler().upscale(np.zeros((16, 16, 3), np.uint8))
    count = torch.cuda.device_count()
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return names[:count] if names != [""] else [str(number) for number in range(count)]


def _do(job: Job, channel: Channel, given: "_Input") -> int:
    """Run a command line as its client would; its exit status."""
    from srgan_kit.cli import main
    from srgan_kit.cli.progress import told

    streams, environment, folder = (sys.stdin, sys.stdout, sys.stderr), dict(os.environ), os.getcwd()
    _hold_signals()  # once more: the last job's may have come after its end
    channel.send(BEGUN)
    token = told.set(lambda done, total: channel.send(PROGRESS, json.dumps([done, total]).encode()))
    umask = os.umask(job.umask)
    try:
        with _streams(job, channel, given):
            try:
                os.chdir(job.folder)
            except OSError as error:
                print(f"error: {job.folder}: {error.strerror}", file=sys.stderr)
                return 1
            _set_environment(job.environment)
            sys.argv = ["srgan-kit", "upscale", *job.arguments]
            try:
                main.run()
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        _hold_signals()
        told.reset(token)
        os.umask(umask)
        os.chdir(folder)
        _set_environment(environment)
        sys.stdin, sys.stdout, sys.stderr = streams
    return 0


def _set_environment(values: object) -> None:
    assert isinstance(values, dict)
    os.environ.clear()
    os.environ.update(values)
    tempfile.tempdir = None  # which is in it


@contextmanager
def _streams(job: Job, channel: Channel, given: "_Input") -> Iterator[None]:
    """Standard streams that are the client's."""
    given.is_terminal, outward, errors = job.terminals
    sys.stdin = io.TextIOWrapper(io.BufferedReader(given), job.encoding, "surrogateescape")
    out, err = (
        io.BufferedWriter(_Output(channel, kind, is_terminal)) for kind, is_terminal in ((OUT, outward), (ERR, errors))
    )
    sys.stdout = io.TextIOWrapper(out, job.encoding, "backslashreplace", line_buffering=outward)
    sys.stderr = io.TextIOWrapper(err, job.encoding, "backslashreplace", line_buffering=True)
    made = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream in made:
            stream.flush()


class _Output(io.RawIOBase):
    """A stream of the client's."""

    def __init__(self, channel: Channel, kind: bytes, is_terminal: bool) -> None:
        super().__init__()
        self._channel, self._kind, self._is_terminal = channel, kind, is_terminal

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, data: Any, /) -> int:
        piece = bytes(memoryview(data)[:PIECE])
        self._channel.send(self._kind, piece)
        return len(piece)


class _Input(io.RawIOBase):
    """The client's standard input, which is asked for when it is first read."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self._left, self._is_asked, self._is_at_end = b"", False, False
        self.is_terminal = False
        self.is_torn = False
        """Whether a signal came in the middle of a frame, whose rest would be taken for the next one."""

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.is_terminal

    def readinto(self, buffer: Any, /) -> int:
        if not self._is_asked:
            self._channel.send(WANT)
            self._is_asked = True
        while not self._left and not self._is_at_end:
            self.is_torn = True
            frame = self._channel.receive()
            self.is_torn = False
            self._left = frame[1] if frame is not None and frame[0] == INPUT else b""
            self._is_at_end = not self._left
        view = memoryview(buffer)
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


if __name__ == "__main__":
    work()
    sys.stderr.flush()
    os._exit(0)  # PyTorch would take its time to end
