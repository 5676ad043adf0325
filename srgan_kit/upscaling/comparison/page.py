"""The page itself: one HTML file that needs no network, light or dark as the reader's screen is."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path

from srgan_kit import __version__
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.mark import read_mark
from srgan_kit.images.read import pixels_limited, read_image
from srgan_kit.upscaling.comparison.views import LARGEST_VIEW, OVERVIEW_SIDE, PARTS, View, Views, views

ROOM = 24_000_000
"""Pixels of results that a page has room for: they are shared out to its images."""
MOST_IMAGES = 64
LARGEST_RESULT = 2**28
"""Pixels of a result that is decoded for the page; of a larger one only the facts are told."""


@dataclass(frozen=True)
class Pair:
    """An input and its result, both in files."""

    source: Path
    result: Path
    size: tuple[int, int]
    """(width, height) of the result."""
    model: str
    """Which made it."""
    reason: str = ""
    """Why that model."""
    seconds: float | None = None
    notes: Sequence[str] = ()


def write_comparison(path: Path, pairs: Sequence[Pair], replace: bool = True) -> None:
    """Write the page of these pairs, whole or not at all.

    Raises:
        UserError: a file cannot be read or written, or is there already and `replace` is false.
    """
    text = page(pairs)
    try:
        with atomic_write(path, replace) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # of names that are not UTF-8
    except FileExistsError:
        raise UserError(f"{path}: exists already; --overwrite replaces it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None


def page(pairs: Sequence[Pair]) -> str:
    """The HTML of these pairs.

    Raises:
        UserError: a file cannot be read.
    """
    shown = pairs[:MOST_IMAGES]
    room = ROOM // max(1, len(shown))
    names = ", ".join(_name(pair) for pair in shown[:3]) + (" ..." if len(shown) > 3 else "")
    title = escape(names)
    sections = "".join(_section(pair, number, room) for number, pair in enumerate(shown))
    more = len(pairs) - len(shown)
    left_out = f"<p>{more} more images are not shown: a page has at most {MOST_IMAGES}.</p>" if more else ""
    index = _index(shown) if len(shown) > 1 else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{_file('style.css')}</style></head>"
        f"<body><main><header><h1>Before and after</h1>{_help()}</header>{index}{sections}{left_out}"
        f"<footer>{_footer()}</footer></main><script>{_file('script.js')}</script></body></html>\n"
    )


def _section(pair: Pair, number: int, room: int) -> str:
    """An image: its name, what is compared, the facts."""
    name = escape(_name(pair))
    try:
        before, after = _read(pair)
    except UserError as error:
        facts = [("Result", _dimensions(pair.size)), *_making(pair), ("Not shown", str(error))]
        return f'<section id="i{number}"><h2>{name}</h2>{_table(facts)}</section>'
    made = views(before, after, room)
    facts = [
        ("Input", _described(pair.source, before)),
        ("Result", _described(pair.result, after)),
        *_making(pair),
        ("Shown", _shown(made, after.size)),
        *(("Note", note) for note in pair.notes),
    ]
    choice = _choice(made, after.size, number) if made.overview else ""
    stages = "".join(_stage(view, pair, place) for place, view in enumerate(made.parts))
    return f'<section id="i{number}"><h2>{name}</h2>{choice}{stages}{_table(facts)}</section>'


def _read(pair: Pair) -> tuple[LoadedImage, LoadedImage]:
    if pair.size[0] * pair.size[1] > LARGEST_RESULT:
        raise UserError(f"more than {LARGEST_RESULT / 1e6:.0f} megapixels")
    with pixels_limited():
        return read_image(pair.source), read_image(pair.result)


def _stage(view: View, pair: Pair, place: int) -> str:
    """Two images on top of each other, the slider between them, and the buttons for both."""
    name, (width, height) = escape(pair.source.name), view.size
    buttons = "".join(
        f'<button type="button" data-do="{do}" aria-label="{label}" title="{label}">{sign}</button>'
        for do, label, sign in (
            ("out", "Zoom out", "−"),
            ("in", "Zoom in", "+"),
            ("fit", "Fit", "Fit"),
            ("pixels", "One pixel of the result is one of the screen", "1:1"),
        )
    )
    return (
        f'<div class="stage" data-part="{place}" data-width="{width}" data-height="{height}"'
        f' style="--ratio:{width}/{height}"{" hidden" if place else ""}>'
        f'<div class="window"><div class="layer after"><img src="{view.after}" alt="{name}: result" draggable="false">'
        f'</div><div class="layer before"><img src="{view.before}" alt="{name}: input, enlarged by bicubic"'
        ' draggable="false"></div><span class="tag left">input, bicubic</span>'
        f'<span class="tag right">{escape(pair.model)}</span>'
        f'<div class="handle" role="slider" tabindex="0" aria-label="{name}: how much is the input"'
        ' aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100" aria-valuenow="50"'
        ' aria-valuetext="50 % input"></div></div>'
        f'<div class="tools">{buttons}<output></output></div></div>'
    )


def _choice(made: Views, size: tuple[int, int], number: int) -> str:
    """The reduced input, with a button where each part lies."""
    width, height = size
    buttons: list[str] = []
    for place, view in enumerate(made.parts):
        left, top, right, bottom = view.box
        where = f"left:{left / width:.2%};top:{top / height:.2%}"
        where += f";width:{(right - left) / width:.2%};height:{(bottom - top) / height:.2%}"
        pressed = "false" if place else "true"
        buttons.append(
            f'<button type="button" data-part="{place}" aria-pressed="{pressed}" aria-label="Part {place + 1}"'
            f' style="{where}">{place + 1}</button>'
        )
    side = f"aspect-ratio:{width}/{height};max-width:{min(OVERVIEW_SIDE, OVERVIEW_SIDE * width // height)}px"
    image = f'<img src="{made.overview}" alt="The whole input, reduced">'
    return f'<div class="parts" role="group" aria-label="Parts of image {number + 1}" style="{side}">{image}' + (
        f"{''.join(buttons)}</div>"
    )


def _name(pair: Pair) -> str:
    return f"{pair.source.name} → {pair.result.name}"


# --- words ------------------------------------------------------------------------------------------------------------


def _help() -> str:
    return (
        "<p>Drag the line, or focus it and use the arrow keys. Zoom with the buttons, two fingers, Ctrl and the wheel,"
        " a double click, or + and −; drag a zoomed image to move it, or use Shift and the arrow keys.</p>"
    )


def _footer() -> str:
    return (
        f"Written by srgan-kit {__version__}. A result of up to {LARGEST_VIEW / 1e6:g} megapixels is shown whole, of a"
        f" larger one {PARTS} parts; on a page of many images each has less room. The images here are copies: the"
        " metadata are in the files."
    )


def _making(pair: Pair) -> Iterator[tuple[str, str]]:
    yield "Model", f"{pair.model}: {pair.reason}" if pair.reason else pair.model
    if mark := read_mark(pair.result):
        yield "Mark", mark
    if pair.seconds is not None:
        yield "Time", f"{pair.seconds:.1f} s"


def _described(path: Path, image: LoadedImage) -> str:
    """A file in a line: name, format, size, and what it holds beside its pixels."""
    said = image.metadata
    blocks = {"EXIF": said.exif, "XMP": said.xmp, "IPTC": said.photoshop, "text": said.texts, "profile": image.icc}
    held = ", ".join(name for name, block in blocks.items() if block)
    parts = [path.name, image.format, _dimensions(image.size), _bytes(path.stat().st_size)]
    return ", ".join(part for part in parts if part) + (f"; {held}" if held else "")


def _shown(made: Views, size: tuple[int, int]) -> str:
    form = "without loss (PNG)" if all("image/png" in view.after[:20] for view in made.parts) else "as JPEG, quality 95"
    if not made.overview:
        return f"whole, {form}"
    covered = sum(view.size[0] * view.size[1] for view in made.parts) / (size[0] * size[1])
    return f"{len(made.parts)} parts with the most detail, {covered:.0%} of the result, {form}"


def _dimensions(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _table(facts: Sequence[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts) + "</dl>"


def _index(pairs: Sequence[Pair]) -> str:
    links = (f'<li><a href="#i{number}">{escape(_name(pair))}</a></li>' for number, pair in enumerate(pairs))
    return f"<nav aria-label=Images><ul>{''.join(links)}</ul></nav>"


def _policy() -> str:
    """What a browser may load and run: the images and the script that are in the page."""
    digest = base64.b64encode(hashlib.sha256(_file("script.js").encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


@cache
def _file(name: str) -> str:
    return (resources.files("srgan_kit") / "upscaling" / "comparison" / name).read_text(encoding="utf-8")
