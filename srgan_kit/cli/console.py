"""What the commands show: lines, tables, progress bars. Every text on one line, whatever names of files hold.

rich is imported where something is drawn: this module is needed before signals are heard.
"""

import os
import sys
import tempfile
import threading
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from srgan_kit.generators.model import Model

MUTING = threading.Lock()
"""Held while libraries are muted."""
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


def short_name(path: Path, longest: int) -> str:
    """A file's path on one line, with the middle of a long one left out: its beginning and its ending tell it apart."""
    name = one_line(os.fspath(path))
    if len(name) <= longest:
        return name
    behind = (longest - 1) * 2 // 3
    return f"{name[: longest - 1 - behind]}…{name[len(name) - behind :]}"


def say(text: str, *, error: bool = False) -> None:
    """Print a line: to stdout, or errors and notes to stderr."""
    print(one_line(text), file=sys.stderr if error else sys.stdout, flush=True)


def say_last(text: str) -> None:
    """Print a line to stderr if that is possible at all."""
    with suppress(OSError, ValueError):
        say(text, error=True)


# --- tables and progress --------------------------------------------------------------------------------------------


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    last: Sequence[str] | None = None,
    *,
    error: bool = False,
) -> None:
    """Print a table on standard output, or on stderr: drawn on a terminal, aligned plain text in a pipe.

    Columns of numbers are to the right, others to the left; the `last` row is set apart.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = [[one_line(cell) for cell in row] for row in rows]  # names of files among them
    right = [all(cell == "-" or cell[:1].isdigit() for cell in column) for column in zip(*rows, strict=True)]
    console = Console(stderr=error)
    if not console.is_terminal:
        _print_plain([headings, *rows, *([last] if last else [])], right, sys.stderr if error else sys.stdout)
        return
    table = Table(show_footer=last is not None)
    footers = last or [""] * len(headings)
    for heading, footer, to_the_right in zip(headings, footers, right, strict=True):
        table.add_column(heading, footer, justify="right" if to_the_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def terminal_width(*, error: bool = False) -> int | None:
    """Columns of the terminal that stdout, or stderr, is; None where it is none."""
    from rich.console import Console

    console = Console(stderr=error)
    return console.width if console.is_terminal else None


def _print_plain(rows: Sequence[Sequence[str]], right: Sequence[bool], stream: TextIO) -> None:
    from rich.cells import cell_len  # a Chinese sign is as wide as two letters

    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        columns = zip(row, widths, right, strict=True)
        room = ((cell, " " * (width - cell_len(cell)), to_the_right) for cell, width, to_the_right in columns)
        cells = (space + cell if to_the_right else cell + space for cell, space, to_the_right in room)
        print("  ".join(cells).rstrip(), file=stream)


def progress_bar(console: "Console", *, auto_refresh: bool = True) -> "Progress":
    """Bars that vanish at their end, where the console is a terminal; nothing in a pipe.

    Without `auto_refresh` they are drawn only when they are updated, by no thread of their own.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    name = TextColumn("{task.description}", markup=False)
    return Progress(
        *(name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        auto_refresh=auto_refresh,
    )


@contextmanager
def drawing(model: "Model", images: int) -> Iterator[None]:
    """Progress of an autoregressive model, which draws value after value: a bar on a terminal, a line in a pipe.

    Nothing for models that make an image at once.
    """
    from rich.console import Console

    from srgan_kit.generators.sampling import each_value_drawn, values_to_draw

    values = values_to_draw(model, images)
    if not values:
        yield
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        say(f"note: {images} images are drawn value after value, which takes a while", error=True)
    with progress_bar(console) as bar:
        task = bar.add_task(f"{images} images", total=values)
        with each_value_drawn(model, lambda count: bar.advance(task, count)):
            yield


# --- streams, and what other libraries say on them ------------------------------------------------------------------


@contextmanager
def without_pillow_warnings() -> Iterator[None]:
    """Pillow's warnings about odd files stay unsaid; once around a command's work, because it is not thread-safe."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


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

    Of the whole process: only where no other thread has anything to say, unless it holds `MUTING` meanwhile.
    """
    with MUTING:
        yield from _muted()


def _muted() -> Iterator[list[str]]:
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
