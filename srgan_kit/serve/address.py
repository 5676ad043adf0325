"""Where a user's server is found: a Unix domain socket, or a port of 127.0.0.1 and a token where there are none."""

import json
import os
import secrets
import socket
import stat
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.user_folders import runtime_folder

SOCKET, PORT = "server.sock", "server.json"
"""The socket, or the file with the port and the token, in the user's runtime folder."""
HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX")
TOKEN = 32
"""Characters of a token."""
PATIENCE = 5.0
"""Seconds within which a token has to come."""


class Listener:
    """The server's end. Only this user reaches it: by the folder's permissions, or by the token.

    Raises:
        UserError: a server is there already, or the folder is not this user's alone.
    """

    def __init__(self) -> None:
        folder = _own_folder()
        self.path = folder / (SOCKET if HAS_UNIX_SOCKETS else PORT)
        if _is_answered():
            raise UserError(f"{self.path}: a server is running there already")
        self._token = secrets.token_hex(TOKEN // 2)
        try:
            self.path.unlink(missing_ok=True)  # of a server that was killed
            if HAS_UNIX_SOCKETS:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.bind(str(self.path))
                self.path.chmod(0o600)
            else:
                self.socket = socket.create_server(("127.0.0.1", 0))
                _write_private(self.path, {"port": self.socket.getsockname()[1], "token": self._token})
            self.socket.listen(64)
        except OSError as error:
            raise UserError(f"{self.path}: no socket can be made there: {error.strerror or error}") from None

    def accept(self) -> socket.socket | None:
        """The next client; None where it does not know the token.

        Raises:
            OSError: the listener was closed.
        """
        connection, _ = self.socket.accept()
        if HAS_UNIX_SOCKETS:
            return connection
        connection.settimeout(PATIENCE)
        with suppress(OSError):
            if compare_digest(connection.recv(TOKEN, socket.MSG_WAITALL), self._token.encode()):
                connection.settimeout(None)
                return connection
        connection.close()
        return None

    def close(self) -> None:
        """Nobody is let in any more, and the socket's file is gone."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # ends an accept() that waits
        self.socket.close()
        self.path.unlink(missing_ok=True)


def connect() -> socket.socket:
    """A connection to this user's server.

    Raises:
        UserError: there is none.
    """
    path = runtime_folder() / (SOCKET if HAS_UNIX_SOCKETS else PORT)
    try:
        if HAS_UNIX_SOCKETS:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(path))
            except OSError:
                connection.close()
                raise
            return connection
        found = json.loads(path.read_text(encoding="utf-8"))
        connection = socket.create_connection(("127.0.0.1", found["port"]))
        connection.sendall(found["token"].encode())
        return connection
    except (OSError, ValueError, KeyError):
        raise UserError(f"no server is running ({path}): start one with `srgan-kit serve`") from None


def _is_answered() -> bool:
    try:
        connect().close()
    except UserError:
        return False
    return True


def _own_folder() -> Path:
    """The user's runtime folder, made if it is not there."""
    folder = runtime_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}") from None
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077):
        raise UserError(f"{folder}: belongs to others too; expected a folder of this user alone (chmod 700)")
    return folder


def _write_private(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")
    path.chmod(0o600)
