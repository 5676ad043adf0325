"""What every request passes: who may ask, how much may come and how slowly."""

import asyncio
import ipaddress
import json
import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""Within which a request's head has to come."""
PAUSE_SECONDS = 20.0
"""A pause in a request's body, or of the one who reads the answer."""
LINGER_SECONDS, LINGER_PAUSE = 5.0, 1.0
"""For which what still comes of a request is taken and dropped once it is answered; a pause that ends it."""
SLOWEST = 50_000
"""Bytes a second of a body, on the whole."""
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
]
"""Of every answer: nothing is loaded from elsewhere, and no other site shows it in a frame."""


class PatientProtocol(H11Protocol):
    """HTTP that closes connections on which no request's head comes in time, or whose answer is not read.

    uvicorn has no such limits.
    """

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._timer, self._unread):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(PAUSE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _watch(self) -> None:
        """The clock runs while a head is waited for."""
        cycle: Any = self.cycle
        is_waiting = cycle is None or cycle.response_complete
        if is_waiting and self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)
        elif not is_waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Guard:
    """Answers what may not pass; everything else goes to the application.

    Args:
        app: the application.
        names: of hosts that the server answers for, besides addresses and localhost.
        most_bytes: of a request's body.
        is_known: whether there may be anything at a path with such a query.
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str], most_bytes: int, is_known: Callable[[str, str], bool]
    ) -> None:
        self._app, self._names, self._most, self._is_known = app, {*names, "localhost"}, most_bytes, is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here")
        passing = _Passing(receive, send, self._most)
        refusal = self._refusal(scope)
        if refusal is not None:
            await passing.refuse(*refusal)
            return
        try:
            await self._app(scope, passing.receive, passing.send)
        except Exception:
            if passing.refusal is None:
                raise
        if passing.refusal is not None:
            await passing.refuse(*passing.refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason for a request that may not pass, by its head."""
        headers = _by_name(scope["headers"])
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or not self._is_ours(f"//{hosts[0]}"):
            return 421, "this server answers to addresses and to localhost alone; serve --allow-host NAME adds a name"
        if origins and (len(origins) != 1 or urlsplit(origins[0]).netloc.lower() != hosts[0].lower()):
            return 403, "requests from other sites' pages are refused"
        if not self._is_known(scope["path"], unquote(scope["query_string"].decode("latin-1"))):
            return 404, "there is nothing here"
        length = headers.get("content-length", ["0"])[0]
        if not length.isdigit() or int(length) > self._most:
            return 413, f"the request is larger than {self._most} bytes"
        return None

    def _is_ours(self, url: str) -> bool:
        name = ""
        with suppress(ValueError):
            name = urlsplit(url).hostname or ""
            ipaddress.ip_address(name)  # which no name server can point elsewhere
            return True
        return name in self._names


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


class _Stopped(Exception):
    """Ends the application's reading; it is answered by the guard."""


class _Passing:
    """A request on its way through: its body is counted and timed, its answer gets the headers."""

    def __init__(self, receive: Receive, send: Send, most_bytes: int) -> None:
        self._receive, self._send, self._most = receive, send, most_bytes
        self._count, self._begin, self._is_whole, self._has_begun = 0, time.monotonic(), False, False
        self.refusal: tuple[int, str] | None = None

    async def receive(self) -> Message:
        if self._is_whole:  # only that the client leaves can come now
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), PAUSE_SECONDS)
        except TimeoutError:
            raise self._stopped(408, f"nothing came for {PAUSE_SECONDS:g} seconds") from None
        self._count += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._count > self._most:
            raise self._stopped(413, f"the request is larger than {self._most} bytes")
        if not self._is_whole and time.monotonic() - self._begin > PAUSE_SECONDS + self._count / SLOWEST:
            raise self._stopped(408, f"it came more slowly than {SLOWEST} bytes a second")
        return message

    def _stopped(self, status: int, reason: str) -> _Stopped:
        self.refusal = status, reason
        return _Stopped(reason)

    async def send(self, message: Message) -> None:
        if self.refusal is not None:
            return  # what the application says of its end
        if message["type"] == "http.response.start":
            self._has_begun = True
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        elif not self._is_whole and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drop()
            message = {"type": message["type"], "body": b""}
        await self._send(message)

    async def _drop(self) -> None:
        """Take what still comes of a request that is answered before all of it is there.

        Were the connection closed at once, a client that is still sending would find it broken and not see the answer
        (RFC 9112, 9.6).
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await asyncio.wait_for(self._receive(), LINGER_PAUSE)).get("more_body", False):
                    pass

    async def refuse(self, status: int, reason: str) -> None:
        """Answer with an error, unless an answer has begun; what is left of the request is dropped."""
        self.refusal = None
        if self._has_begun:
            return
        body = json.dumps({"error": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def is_worth_telling(record: logging.LogRecord) -> bool:
    """Not that the connections of open pages are cut when the server ends."""
    is_cut = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not is_cut and "graceful shutdown" not in record.getMessage()
