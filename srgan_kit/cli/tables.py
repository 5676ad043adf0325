"""Tables on standard output: drawn by rich on a terminal, aligned plain text in a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from srgan_kit.cli.terminal import one_line


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], last: Sequence[str] | None = None) -> None:
    """Print rows under headings; columns of numbers to the right, others to the left; `last` is set apart."""
    rows = [[one_line(cell) for cell in row] for row in rows]  # names of files among them
    right = [all(cell == "-" or cell[:1].isdigit() for cell in column) for column in zip(*rows, strict=True)]
    console = Console()
    if not console.is_terminal:
        _print_plain([headings, *rows, *([last] if last else [])], right)
        return
    table = Table(show_footer=last is not None)
    footers = last or [""] * len(headings)
    for heading, footer, to_the_right in zip(headings, footers, right, strict=True):
        table.add_column(heading, footer, justify="right" if to_the_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _print_plain(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        columns = zip(row, widths, right, strict=True)
        cells = (cell.rjust(width) if to_the_right else cell.ljust(width) for cell, width, to_the_right in columns)
        print("  ".join(cells).rstrip())
