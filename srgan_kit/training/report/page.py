"""The page itself: one HTML file that needs no network and no script, light or dark as the reader's screen is."""

import re
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path

from srgan_kit import __version__
from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.recipes.catalogue import readable_time
from srgan_kit.recipes.explain import changed_settings, recipe_as_toml
from srgan_kit.training.report.charts import draw, number
from srgan_kit.training.report.log import Points, Seen
from srgan_kit.training.report.panels import AS_REAL, MEASURES, Section, sections
from srgan_kit.training.report.recorded_run import RecordedRun, Sheet
from srgan_kit.training.telemetry import BICUBIC, VALIDATION

NAME = "report.html"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load: nothing but what is in the page."""
ERROR, LIKELIHOODS = "classes/error", ("held_out/nll", "held_out/kl", "held_out/iwae")
"""Figures beside the task's own: of classifiers, and of systems without a critic."""
RECENT = 5
"""Records that a last value is the mean of, because a single batch's says little."""
SWITCH = re.compile(r"\b[a-z_0-9]+(?:\.[a-z_0-9]+)+(?:=(?:'[^']*'|[\w.-]*\w))?")
"""A setting, with or without a value, in a warning's text."""


def write_report(folder: Path, to: Path | None = None) -> Path:
    """Write a run's page into its folder, or to another file; where it is.

    Raises:
        UserError: it is no run's folder, or the file cannot be written.
    """
    path = folder / NAME if to is None else to
    text = page(RecordedRun(folder))
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def page(run: RecordedRun) -> str:
    """The HTML of a run."""
    title = escape(run.name)
    sheets = run.sheets()
    body = [
        f"<header><h1>{title}</h1><p>{_state(run)}</p>{_headline(run)}</header>",
        _warnings(run),
        _sheets(sheets),
        *map(_charts, sections(run.log)),
        _terms(run),
        _recipe(run),
        f"<footer>Written by srgan-kit {__version__}. Pointing at a chart shows its values.</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}: training run</title><style>{_style()}{_tabs(sheets)}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _charts(section: Section) -> str:
    charts = "".join(map(draw, section.charts))
    return f"<section><h2>{escape(section.heading)}</h2><div class=charts>{charts}</div></section>"


# --- what came of it --------------------------------------------------------------------------------------------------


def _state(run: RecordedRun) -> str:
    """How far it is, and how long that took."""
    done, steps = f"{run.step:,}", f"{run.steps:,}"
    took = run.log.seconds()
    time = f", {readable_time(took)} of training" if took else ""
    if run.steps and run.step >= run.steps:
        return f"Finished: {done} steps{time}."
    of = f" of {steps}" if run.steps else ""
    return f"Not finished: {done}{of} steps{time}. <code>srgan-kit train --resume RUN_DIR</code> goes on."


def _headline(run: RecordedRun) -> str:
    """The last figures of the run, each with what it is compared with."""
    cards: list[str] = []
    for name, title in _figures(run):
        measure, points = name.removeprefix(VALIDATION), run.log.points(name)
        beside = {"start": run.log.start(measure), "bicubic": run.log.bicubic(measure)}
        beside |= {"real images": 1.0} if measure in AS_REAL else {}
        known = [f"{of} {number(value)}" for of, value in beside.items() if value is not None]
        if measure in ("psnr_y", "psnr") and run.best_step is not None:
            known.append(f"best {number(_at(points, run.best_step))} at step {run.best_step:,}")
        value = number(points[-1][1], percent=measure == ERROR)
        cards.append(f"<div><dt>{escape(title)}</dt><dd>{value}</dd><dd>{', '.join(known)}</dd></div>")
    return f"<dl>{''.join(cards)}</dl>" if cards else ""


def _figures(run: RecordedRun) -> Iterator[tuple[str, str]]:
    """The names in the log of what says how good the run is, and their titles."""
    names = [name for name in run.log.names() if run.log.points(name)]
    for name in names:
        measure = name.removeprefix(VALIDATION)
        if name.startswith(VALIDATION) and not measure.startswith(BICUBIC):
            yield name, MEASURES.get(measure, (measure, ""))[0]
        elif name == ERROR:
            yield name, "Classification error"
        elif name in LIKELIHOODS and "score_real" not in names:
            yield name, f"Held-out {name.partition('/')[2]}, nats an image"


def _at(points: Points, step: int) -> float:
    """The value of a step, or of the one before it."""
    return next((value for at, value in reversed(points) if at <= step), points[0][1])


def _warnings(run: RecordedRun) -> str:
    found = run.log.warnings()
    if not found:
        return "<section><h2>Warnings</h2><p class=good>None: no check of the log found anything wrong.</p></section>"
    return f"<section><h2>Warnings</h2>{''.join(map(_warning, found))}</section>"


def _warning(seen: Seen) -> str:
    observed, _, remedy = seen.text.partition(" Try ")
    steps = ", ".join(f"{step:,}" for step in seen.steps)
    state = "still so at the end" if seen.lasting else "passed"
    kind = "bad" if seen.lasting else "passed"
    switches = SWITCH.sub(lambda match: f"<code>{match[0]}</code>", escape(remedy, quote=False))
    return (
        f"<article class={kind}><h3>{escape(_capital(seen.heading))} <small>step {steps}; {state}</small></h3>"
        f"<p>{escape(_capital(observed))}</p>{f'<p><b>Try</b> {switches}</p>' if remedy else ''}</article>"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- images -----------------------------------------------------------------------------------------------------------


def _sheets(sheets: list[Sheet]) -> str:
    """The sheets in one place, so that the eye sees what changes: a step is chosen above them."""
    if not sheets:
        return ""
    last = len(sheets) - 1
    radios = "".join(
        f"<input type=radio name=sheet id=s{place}{' checked' if place == last else ''}>"
        f"<label for=s{place}>{sheet.step:,}</label>"
        for place, sheet in enumerate(sheets)
    )
    views = "".join(
        f'<img class=v{place} src="{sheet.source}" width={sheet.size[0]} height={sheet.size[1]} '
        f'alt="Images at step {sheet.step}">'
        for place, sheet in enumerate(sheets)
    )
    return f"<section><h2>Images by step</h2><div class=sheets>{radios}<div class=views>{views}</div></div></section>"


def _tabs(sheets: list[Sheet]) -> str:
    """The rules by which the chosen step's sheet alone is shown."""
    rules = (f"#s{place}:checked~.views .v{place}" for place in range(len(sheets)))
    return f"{','.join(rules)}{{display:block}}" if sheets else ""


# --- tables -----------------------------------------------------------------------------------------------------------


def _terms(run: RecordedRun) -> str:
    """Every term of both players with its weight, its course and its share of the gradient."""
    weights = run.weights()
    rows = [_row(run, name, weights[name]) for name in run.log.names() if name in weights]
    if not rows:
        return ""
    heads = ("term", "weight", "first", "last", "weight × last", "share of the gradient")
    head = "".join(f"<th>{each}</th>" for each in heads)
    return (
        f"<section><h2>Terms</h2><div class=wide><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        f"</table></div><p>Last: the mean of the last {RECENT} records.</p></section>"
    )


def _row(run: RecordedRun, name: str, weight: object) -> str:
    points, share = run.log.points(name), run.log.points(f"share/{name}")
    held = run.log.points(f"weight_{name}")
    last = _recent(points)
    now = held[-1][1] if held else weight
    weighted = number(now * last) if isinstance(now, int | float) and last is not None else ""
    shown = (
        f"{weight}, now {number(held[-1][1])}"
        if held
        else number(weight)
        if isinstance(weight, int | float)
        else weight
    )
    cells = [
        escape(str(shown)),
        number(points[0][1]) if points else "",
        "" if last is None else number(last),
        weighted,
        "" if (mean := _recent(share)) is None else f'<meter value="{mean:.3f}"></meter> {number(mean, percent=True)}',
    ]
    return f"<tr><th>{escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _recent(points: Points) -> float | None:
    values = [value for _, value in points[-RECENT:]]
    return sum(values) / len(values) if values else None


def _recipe(run: RecordedRun) -> str:
    if not run.values:
        return ""
    changed = "\n".join(f"{key} = {value}" for key, value in changed_settings(run.values))
    return (
        "<section><h2>Recipe</h2><p>What it sets; everything else is the default.</p>"
        f"<pre>{escape(changed)}</pre><details><summary>All values</summary>"
        f"<pre>{escape(recipe_as_toml(run.values))}</pre></details></section>"
    )


@cache
def _style() -> str:
    return "".join(_css_lines())


def _css_lines() -> Iterator[str]:
    file = resources.files("srgan_kit") / "training" / "report" / "style.css"
    for line in file.read_text(encoding="utf-8").splitlines():
        yield line.strip()
