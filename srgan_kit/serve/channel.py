"""Frames over a socket or two pipes: between the client and the server, and between the server and its workers.

A frame is its kind, one byte, the length of its content, four bytes, and the content.
"""

import json
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

from srgan_kit import __version__

JOB, INPUT, SIGNAL = b"J", b"I", b"S"
"""To a worker: what is to be done; what standard input says, nothing at its end; the number of a signal."""
OUT, ERR, WANT, PROGRESS, DONE, FAILED, READY, BEGUN = b"O", b"E", b"W", b"P", b"D", b"F", b"R", b"B"
"""From a worker: for standard output; for standard error; a wish for standard input; tiles done and in all; an exit
status; why nothing was done; what a worker that has started says of itself; that signals are for the job from now
on."""
LONGEST = 2**24
"""Bytes of a frame's content: arguments and an environment are less, and streams are cut."""
PIECE = 2**16
"""Bytes of a stream in a frame."""
HEADER = struct.Struct(">cI")


class Channel:
    """Two files that frames are read from and written to, the latter by any thread."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader, self._writer, self._lock = reader, writer, threading.Lock()

    def send(self, kind: bytes, content: bytes = b"") -> None:
        """Send a frame, at once.

        Raises:
            OSError: nobody is there any more.
        """
        with self._lock:
            self._writer.write(HEADER.pack(kind, len(content)) + content)
            self._writer.flush()

    def receive(self) -> tuple[bytes, bytes] | None:
        """The next frame, or None where there will be no more."""
        try:
            header = self._reader.read(HEADER.size)
            if len(header) < HEADER.size:
                return None
            kind, length = HEADER.unpack(header)
            content = self._reader.read(length) if length <= LONGEST else b""
        except (OSError, ValueError):  # reset, or closed by another thread
            return None
        return (kind, content) if len(content) == length else None


@dataclass(frozen=True)
class Job:
    """A command line of `upscale`, and where it stands."""

    arguments: list[str]
    """Those after `upscale`."""
    folder: str
    """The current folder."""
    umask: int = 0o077
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    terminals: tuple[bool, bool, bool] = (False, False, False)
    """Whether standard input, output and error are terminals."""
    encoding: str = "utf-8"
    """Of what is printed."""
    version: str = __version__
    """Of the program that sends it."""

    def to_bytes(self) -> bytes:
        """As a frame's content. Bytes of names that are no UTF-8 are kept."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Job":
        """What `to_bytes` made.

        Raises:
            ValueError: something else.
        """
        try:
            values = json.loads(content)
            return cls(**(values | {"terminals": tuple(values["terminals"])}))
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from None
