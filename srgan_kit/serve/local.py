"""The local socket: command lines of `upscale --server`, done by the workers."""

import signal
import socket
import threading
from contextlib import suppress

from srgan_kit import __version__
from srgan_kit.errors import UserError
from srgan_kit.serve.address import Listener
from srgan_kit.serve.channel import DONE, ERR, FAILED, INPUT, JOB, SIGNAL, Channel, Job
from srgan_kit.serve.workers import HANGUP, Busy, Cancelled, Place, WorkerDied, Workers

MOST_CLIENTS = 64
"""Connections at a time; more are closed at once."""


def answer_clients(listener: Listener, workers: Workers) -> None:
    """Answer clients of a socket, each in a thread, until the listener is closed; returns at once."""
    room = threading.BoundedSemaphore(MOST_CLIENTS)

    def answer(connection: socket.socket) -> None:
        with (
            suppress(OSError),  # the client has left
            connection,
            connection.makefile("rb") as reader,
            connection.makefile("wb") as writer,
        ):
            try:
                _serve(Channel(reader, writer), workers)
            finally:
                room.release()
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # ends the thread that listens to it

    def listen() -> None:
        with suppress(OSError):  # closed
            while True:
                connection = listener.accept()
                if connection is None:
                    continue
                if room.acquire(blocking=False):
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()
                else:
                    connection.close()

    threading.Thread(target=listen, daemon=True).start()


def _serve(client: Channel, workers: Workers) -> None:
    """Do a client's job, and say how it ended."""
    try:
        job = _job(client)
        if job is None:
            return
        with workers.place() as place:
            threading.Thread(target=_listen_to, args=(client, place), daemon=True).start()
            status = place.run(job, client.send)
            client.send(DONE, str(status).encode())
    except Cancelled as error:
        client.send(ERR, f"stopped by {signal.Signals(error.number).name}\n".encode())
        client.send(DONE, str(128 + error.number).encode())
    except (Busy, UserError, WorkerDied) as error:
        client.send(FAILED, str(error).encode())


def _job(client: Channel) -> Job | None:
    """What the client wants; None where it left.

    Raises:
        UserError: it is of another version, or speaks another language.
    """
    frame = client.receive()
    if frame is None:
        return None
    try:
        job = Job.from_bytes(frame[1])
    except ValueError:
        job = None
    if frame[0] != JOB or job is None or job.version != __version__:
        theirs = "another version" if job is None else job.version
        raise UserError(f"the server is srgan-kit {__version__}, this is {theirs}: start the server again")
    return job


def _listen_to(client: Channel, place: Place) -> None:
    """Pass on what a client says while its job waits and runs; when it is gone, so is the job."""
    while (frame := client.receive()) is not None:
        kind, content = frame
        if kind == INPUT:
            place.feed(content)
        elif kind == SIGNAL and content.isdigit():
            place.stop(int(content))
    place.stop(HANGUP)
