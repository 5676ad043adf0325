"""The Markdown pages: every one is in the index, every link leads somewhere, and prose is wrapped at 120 columns."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "pretrained").rglob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
COLUMNS = 120


@cache
def prose(page: Path) -> list[str]:
    """The lines of a page without its fenced blocks."""
    lines: list[str] = []
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            lines.append(line)
    return lines


def links(page: Path) -> list[str]:
    """The targets of a page's links and images, without those in code."""
    text = re.sub(r"`[^`]*`", "code", "\n".join(prose(page)))
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """What `#...` may name: the headings in lower case, without punctuation, hyphens for spaces."""
    headings = [line.lstrip("#") for line in prose(page) if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def missing(page: Path) -> list[str]:
    """The links of a page to files, or to headings, that there are not."""
    found: list[str] = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_to_a_heading(name: str) -> None:
    assert missing(ROOT / name) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page: `code`, too\n\n[a](#a-page-code-too) [b](gone.md) [c](page.md#gone) `[d](no)`\n", encoding="utf-8"
    )
    assert missing(page) == ["gone.md", "page.md#gone"]


def test_the_index_has_every_page_once() -> None:
    index = DOCS / "README.md"
    entries = [re.match(r"- \[[^]]+\]\(([^)#]+)\): \S", line) for line in prose(index)]
    listed = [(DOCS / entry[1]).resolve() for entry in entries if entry]
    assert sorted(listed) == sorted(
        page for page in DOCS.rglob("*.md") if page.name not in ("README.md", "glossary.md")
    )


def test_the_fields_words_are_found_in_the_glossary() -> None:
    words = (DOCS / "glossary.md").read_text(encoding="utf-8").lower()
    for word in ("discriminator", "checkerboard", "atomic", "baseline", "lpips", "mode collapse", "distillation"):
        assert word in words


@pytest.mark.parametrize("name", NAMES)
def test_prose_is_wrapped(name: str) -> None:
    """Tables, images and code may be longer."""
    lines = [line for line in prose(ROOT / name) if not line.startswith(("|", "![", "    "))]
    assert [line for line in lines if len(line) > COLUMNS] == []
