"""docs/results/systems.json, and the measured lines and images of the systems' pages."""

import json
import re
import shutil
import textwrap
from collections.abc import Iterable
from pathlib import Path

from scripts.lib import paths

RESULTS = paths.RESULTS / "systems.json"


def collect(name: str, folder: Path, order: Iterable[str]) -> None:
    """Take a finished run into docs/."""
    if not (folder / "measured.json").exists():
        return
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    ordered = {each: results[each] for each in order if each in results}
    RESULTS.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    picture = f"images/{name.replace('-', '_')}.png"
    if any(picture in page.read_text(encoding="utf-8") for page in paths.DOCS.rglob("*.md")):
        shutil.copy(folder / "picture.png", paths.IMAGES.parent / picture)


def render() -> None:
    """Fill `<!-- measured NAME: text with {keys} -->` ... `<!-- end -->` in the pages from results/systems.json."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for page in sorted(paths.DOCS.rglob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = rendered(before, results)
        if after != before:
            page.write_text(after, encoding="utf-8")


def rendered(text: str, results: dict[str, dict]) -> str:
    """The page with its measured lines written anew."""

    def line(match: re.Match[str]) -> str:
        name, template = match["name"], " ".join(match["template"].split())
        if name not in results:
            return match[0]
        result = results[name]
        values = {key: result[key] for key in ("steps", "minutes")} | result["measured"]
        values |= {f"{key}_parameters": f"{result[f'{key}_parameters']:,}" for key in ("generator", "critic")}
        text = textwrap.fill(template.format(**values), 118, break_long_words=False, break_on_hyphens=False)
        command = f"```\n{wrapped(result['command'])}\n```"
        return f"<!-- measured {name}: {match['template']} -->\n{text}\n\n{command}\n<!-- end -->"

    pattern = r"<!-- measured (?P<name>[\w-]+): (?P<template>.*?) -->\n.*?<!-- end -->"
    return re.sub(pattern, line, text, flags=re.DOTALL)


def wrapped(command: str, width: int = 108) -> str:
    """The command in lines of a shell."""
    lines = [""]
    for part in re.findall(r"--set \S+|\S+", command):
        if len(lines[-1]) + len(part) > width:
            lines.append("  ")
        lines[-1] += part + " "
    return " \\\n".join(line.rstrip() for line in lines)
