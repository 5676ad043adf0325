"""Every system's figures beside its paper's: docs/results.md, and the same table on each system's page.

An experiment writes docs/results/NAME.json (`scripts.lib.experiment`). The page of its system has its table between the
marks `<!-- results NAME -->` and `<!-- end of results NAME -->`.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib import paths
from scripts.lib.pages import filled, wrapped

PAGE = paths.DOCS / "results.md"
PAGES = {
    "gan": "systems/gan.md",
    "dcgan": "systems/dcgan.md",
    "improved_gan": "systems/improved_gan.md",
    "catgan": "systems/catgan.md",
    "infogan": "systems/infogan.md",
    "ebgan": "systems/ebgan.md",
    "f_gan": "systems/f_gan.md",
    "vae": "systems/vae.md",
    "pixelrnn": "systems/pixelrnn.md",
    "vae_gan": "systems/vae_gan.md",
    "deepsim": "systems/deepsim.md",
    "srgan_loss": "systems/srgan.md",
    "families": "studies/families.md",
    "sr_matrix": "studies/sr_matrix.md",
}
"""Experiments in the order of the page, and where below docs/ each has its table."""
CAPTIONS = {
    "gan": "A row of samples of each objective: minimax, non-saturating, least squares, hinge, Wasserstein",
    "dcgan": "Samples, their nearest training images, interpolations",
    "improved_gan": "The 100 labelled images of a run, a digit in each row, and samples of its generator",
    "catgan": "A row for each of the 20 clusters: the test images that are surest in it, and the surest samples",
    "infogan": "Rows: one noise each, columns the ten classes; then three rows each for the two numbers",
    "ebgan": "Histograms of I' over the recipe's runs and the search's, and samples of the best run of each kind",
    "f_gan": "Samples of every divergence on MNIST, a row each: KL, reverse KL, Pearson, Neyman, squared "
    "Hellinger, Jeffrey, Jensen-Shannon",
    "vae": "Samples of each run, a row each",
    "pixelrnn": "Samples of each network, a row each",
    "vae_gan": "Flowers: originals, then the reconstructions of the three systems; below, three digits for each "
    "system, every row an original and what arithmetic makes of it for the classes 0 to 9",
    "deepsim": "Held-out images, then a row of inversions for each combination of losses: seven from SqueezeNet's "
    "features, below five from VGG16's",
    "srgan_loss": "Two parts of photographs under each row",
    "families": "Samples of the three families",
    "sr_matrix": "Two parts of photographs under every system",
}
"""What each experiment's image shows."""
HEAD = """# Results

Each system's figures beside those of its paper, measured on this machine or the one that is named, by a committed
script with the public recipes and the public trainer. This page is written by `python -m scripts.experiments.results`;
`python -m scripts.experiments.all --minutes M` runs what has no result yet, and goes on with what was stopped.

*Goal* is what was to be reached here: the paper's figure, or one that fits the time of a small machine. Status is one
of `reached`, `within 10 %` and `not reached`; a row without a goal is there to compare with. 10 % of dB and nats, which
are logarithms, are 10 % of an error's energy (0.41 dB) and of a probability (0.10 nats). ± is a standard deviation.
"""
NAMED = 30
"""Runs without a result that are named; of more the page says how many."""
Result = dict[str, Any]


def read(name: str, folder: Path = paths.RESULTS) -> Result | None:
    """An experiment's result; None where there is none with figures."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    return result if isinstance(result, dict) and "figures" in result else None


def results_page(results: Mapping[str, Result | None], docs: Path = paths.DOCS) -> str:
    """docs/results.md."""
    parts = [HEAD]
    for name, result in results.items():
        parts.append(f"## [{title(name, result, docs)}]({PAGES[name]})\n")
        if result is None:
            parts.append("Not run yet.\n")
            continue
        picture = f"images/{name}.png"
        link = f"Image: [{name}.png]({picture}).\n" if (docs / picture).exists() else ""
        parts.append(f"{wrapped(result['source'])}.\n\n{described(result)}\n{link}".rstrip() + "\n")
    return "\n".join(parts)


def title(name: str, result: Result | None, docs: Path = paths.DOCS) -> str:
    """The experiment's, or where it has not run its page's."""
    if result is not None:
        return result["title"]
    return (docs / PAGES[name]).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def described(result: Result) -> str:
    """Table, command, and what a reader must know to judge the figures; Markdown that ends with a line break."""
    settings = "; ".join(f"{key} {_said(value)}" for key, value in result["settings"].items())
    lines = [*result["notes"]]
    lines += [f"Settings: {settings}."] if settings else []
    lines.append(f"Training took {_duration(result['training_hours'])} in all, on {result['hardware']}.")
    missing = result.get("unfinished", [])
    named = ", ".join(missing) if len(missing) <= NAMED else f"{len(missing)} runs"
    lines += [f"Not finished: {named}."] if missing else []
    bullets = "\n".join(wrapped(f"- {line}") for line in lines)
    return f"{table(result['figures'])}\n\n```\n{result['command']}\n```\n\n{bullets}\n"


def table(figures: list[Mapping[str, Any]]) -> str:
    """One row for each figure."""
    lines = ["| measure | setting | paper | goal | here | status |", "|---|---|---:|---:|---:|---|"]
    for figure in figures:
        paper, ours = number(figure["paper"]), number(figure["ours"], figure["spread"])
        has_goal = figure["status"] is not None
        goal = number(figure["paper"] if figure["goal"] is None else figure["goal"]) if has_goal else ""
        cells = (figure["measure"], figure["setting"], paper, goal, ours, figure["status"] or "")
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def number(value: float | None, spread: float | None = None) -> str:
    """Four significant digits, and the spread with as many decimals: "85.12 ± 0.31", "1,940", "" for None."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    whole = float(value).is_integer() and (spread is None or float(spread).is_integer())
    size = max((abs(each) for each in (value, spread) if each), default=1.0)
    decimals = 0 if whole else min(max(3 - math.floor(math.log10(size)), 0), 5)
    return f"{value:,.{decimals}f}" + ("" if spread is None else f" ± {spread:,.{decimals}f}")


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(each)}" for key, each in value.items())
    return ", ".join(map(_said, value)) if isinstance(value, list) else str(value)


def _duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"


def system_pages(results: Mapping[str, Result | None], docs: Path = paths.DOCS) -> dict[Path, str]:
    """The texts of the systems' pages, each with its table and image, or with the command where there is no result.

    Raises:
        ValueError: a page has no marks for its table.
    """
    texts: dict[Path, str] = {}
    for name, result in results.items():
        page = docs / PAGES[name]
        before = texts.get(page) or page.read_text(encoding="utf-8")
        try:
            texts[page] = filled(before, {f"results {name}": _part(name, result, docs)})
        except ValueError as error:
            raise ValueError(f"{page}: {error}") from None
    return texts


def _part(name: str, result: Result | None, docs: Path) -> str:
    if result is None:
        return f"Not measured yet: `python -m scripts.experiments.{name}`."
    image = docs / "images" / f"{name}.png"
    shown = f"\n\n![{CAPTIONS[name]}](../images/{name}.png)" if image.exists() else ""
    return described(result).rstrip() + shown


def render() -> None:
    """Write docs/results.md and the tables of the systems' pages."""
    results = {name: read(name) for name in PAGES}
    for page, text in system_pages(results).items():
        page.write_text(text, encoding="utf-8")
    PAGE.write_text(results_page(results), encoding="utf-8")
