"""Tables on standard output: drawn by rich on a terminal, aligned plain text in a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], last: Sequence[str] | None = None) -> None:
    """Print rows under headings; the first column to the left, the others to the right; `last` is set apart."""
    console = Console()
    if not console.is_terminal:
        _print_plain([headings, *rows, *([last] if last else [])])
        return
    table = Table(show_footer=last is not None)
    footers = last or [""] * len(headings)
    for number, (heading, footer) in enumerate(zip(headings, footers, strict=True)):
        table.add_column(heading, footer, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        print("  ".join(cells).rstrip())
