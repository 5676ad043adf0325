"""Generated parts of pages: each lies between the marks `<!-- NAME -->` and `<!-- end of NAME -->`."""

import textwrap
from collections.abc import Mapping
from pathlib import Path


def filled(text: str, parts: Mapping[str, str]) -> str:
    """The text with these parts written anew.

    Raises:
        ValueError: a part has no marks in the text.
    """
    for name, part in parts.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        if not (start and end):
            raise ValueError(f"expected the marks <!-- {name} --> and <!-- end of {name} -->")
        text = f"{before}{start}{part}\n{end}{after}"
    return text


def fill(page: Path, parts: Mapping[str, str]) -> None:
    """Write these parts of a page anew."""
    page.write_text(filled(page.read_text(encoding="utf-8"), parts), encoding="utf-8")


def wrapped(text: str) -> str:
    """Prose with every line wrapped at 120 columns, and what a bullet says indented."""
    return "\n".join(
        textwrap.fill(line, 120, subsequent_indent="  " if line.startswith("- ") else "", break_on_hyphens=False)
        for line in text.splitlines()
    )
