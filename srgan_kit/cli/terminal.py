"""What the commands say on a terminal or in a pipe: every text on one line, whatever names of files hold."""

import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

CHANGE_DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Signs that turn the direction of writing: a name could look like another."""


def one_line(text: str) -> str:
    r"""The text with line breaks, escapes and bytes that are no UTF-8 spelled out, as in a Python string.

    >>> print(one_line("a\n\x1b[31mb\udcff ü"))
    a\n\x1b[31mb\xff ü
    """
    return "".join(map(_spelled, text))


def _spelled(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # how Python reads a byte of a name that is not UTF-8
        return f"\\x{ord(sign) - 0xDC00:02x}"
    if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in CHANGE_DIRECTION:
        return sign.encode("unicode_escape").decode()
    return sign


def say(text: str, *, error: bool = False) -> None:
    """Print a line: to stdout, or errors and notes to stderr."""
    print(one_line(text), file=sys.stderr if error else sys.stdout, flush=True)


def say_last(text: str) -> None:
    """Print a line to stderr if that is possible at all."""
    with suppress(OSError, ValueError):
        say(text, error=True)


def prepare_streams() -> None:
    """Signs that a terminal's encoding lacks are spelled out on it; a stream that was closed goes nowhere."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened would take its place
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]


def drop_output() -> None:
    """What is still to be printed goes nowhere: Python would try again at its end, and say that it failed."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), number)


def own_stderr() -> TextIO:
    """A stream to stderr that says what it is given while C libraries are muted; nowhere if there is no stderr."""
    sys.stderr.flush()
    try:
        return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace")
    except OSError:
        return open(os.devnull, "w", encoding="utf-8")


@contextmanager
def libraries_muted() -> Iterator[list[str]]:
    """What C libraries print on stderr themselves is kept from it; its lines are in the list once the block ends.

    Of the whole process: only where no other thread has anything to say.
    """
    lines: list[str] = []
    try:
        own = os.dup(2)
    except OSError:  # there is no stderr
        yield lines
        return
    with tempfile.TemporaryFile() as said:
        sys.stderr.flush()
        os.dup2(said.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(own, 2)
            os.close(own)
            said.seek(0)
            lines += said.read(100_000).decode(errors="replace").splitlines()
