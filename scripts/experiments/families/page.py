"""docs/results/families.json, the tables of the pages in `PAGES`, and the images."""

import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from scripts.experiments.families.plans import FAMILIES, OTHERS, jobs
from scripts.lib import paths
from scripts.lib.generative_measures import IMPORTANCE, Measured
from scripts.lib.pages import fill

RESULTS = paths.RESULTS / "families.json"
PAGES = {
    "families": paths.STUDIES / "families.md",
    "vae": paths.SYSTEMS / "vae.md",
    "pixelrnn": paths.SYSTEMS / "pixelrnn.md",
}
COLUMNS: dict[str, tuple[str, int, float]] = {
    "nats": ("-log p, nats", 1, 1),
    "iwae": (f"IWAE-{IMPORTANCE}, nats", 1, 1),
    "divergence/jensen-shannon": ("Jensen-Shannon, nats", 3, 1),
    "frechet": ("Fréchet distance", 2, 1),
    "sharpness": ("sharpness", 2, 1),
    "diversity": ("diversity", 3, 1),
    "sure": ("recognised", 2, 1),
    "classes": ("classes", 1, 1),
    "entropy": ("entropy, nats", 3, 1),
    "nearest": ("nearest", 2, 1),
    "sampling": ("ms per image", 2, 1000),
    "training": ("training, s", 0, 1),
}
"""Title, digits and factor of each column."""


def cell(rows: list[Measured], key: str) -> str:
    """Mean ± standard deviation over the seeds."""
    _, digits, factor = COLUMNS[key]
    values = [factor * float(row[key]) for row in rows if key in row and math.isfinite(float(row[key]))]
    if not values:
        return "none"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def table(found: dict[str, list[Measured]], real: Measured, steps: list[dict[str, Any]]) -> str:
    """The generated part of docs/studies/families.md."""
    quality = ["frechet", "sharpness", "diversity", "sure", "classes", "entropy", "nearest"]
    lines = ["| family | parameters that draw | others | steps of 64 | seeds | failed |", "|---|--:|--:|--:|--:|---|"]
    for name, rows in found.items():
        first = rows[0]
        failed = "; ".join(f"seed {int(float(row['seed']))}: {row['failure']}" for row in rows if row["failure"])
        others = float(first.get("encoder", 0)) + float(first.get("critic", 0))
        counts = (f"{int(number):,}" for number in (float(first.get("parameters", 0)), others))
        cells = [FAMILIES[name].title, *counts, f"{int(float(first['steps']))}", f"{len(rows)}", failed or "none"]
        lines.append(f"| {' | '.join(cells)} |")
    costs = ["nats", "iwae", "divergence/jensen-shannon", "sampling", "training"]
    lines += ["", f"| family | {' | '.join(COLUMNS[key][0] for key in costs)} |", "|---|" + "--:|" * len(costs)]
    for name, rows in found.items():
        cells = [cell(rows, key) for key in costs]
        if FAMILIES[name].likelihood == "bound":
            cells[0] = f"≤ {cells[0]}"
            cells[1] = f"≤ {cells[1]}"
        lines.append(f"| {FAMILIES[name].title} | {' | '.join(cells)} |")
    lines += ["", f"| samples | {' | '.join(COLUMNS[key][0] for key in quality)} |", "|---|" + "--:|" * len(quality)]
    for name, rows in found.items():
        lines.append(f"| {FAMILIES[name].title} | {' | '.join(cell(rows, key) for key in quality)} |")
        drawn = [{key.removeprefix("drawn_"): row[key] for key in row if key.startswith("drawn_")} for row in rows]
        if any(drawn):
            title = f"{FAMILIES[name].title}, pixels drawn"
            lines.append(f"| {title} | {' | '.join(cell(drawn, key) for key in quality)} |")
    lines.append(f"| training images | {' | '.join(cell([real], key) for key in quality)} |")
    lines += ["", "| network | parameters that draw | core s for a training step of 64 |", "|---|--:|--:|"]
    lines += [f"| {each['title']} | {each['parameters']:,} | {each['seconds']:.3f} |" for each in steps]
    return "\n".join(lines)


def picture(folder: Path, names: list[str]) -> Image.Image:
    """A strip of samples of each family's first seed, and of real images, under its name."""
    titles = {name: f"{FAMILIES[name].title}, seed 0" for name in names} | {"real": "real images, binary"}
    strips = {
        title: Image.open(folder / name if name == "real.png" else folder / name / "samples.png")
        for name, title in [(f"{name}-0", titles[name]) for name in names] + [("real.png", titles["real"])]
    }
    width, height = next(iter(strips.values())).size
    sheet = Image.new("L", (width, (height + 18) * len(strips)), 255)
    draw = ImageDraw.Draw(sheet)
    for number, (title, strip) in enumerate(strips.items()):
        draw.text((4, number * (height + 18) + 3), title, fill=0)
        sheet.paste(strip.convert("L"), (0, number * (height + 18) + 18))
    return sheet


def others(found: list[dict[str, Any]], page: str) -> str:
    """The generated part of a system's page."""
    lines = ["| task | command | core s | measured |", "|---|---|--:|---|"]
    for each in found:
        other = OTHERS[each["name"]]
        if other.page == page:
            settings = " ".join(
                f'--set "{setting}"' if " " in setting else f"--set {setting}" for setting in other.settings
            )
            data = "binary.npz" if other.data == "digits" else "DIR"
            values = "; ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in each["measured"].items())
            command = f"srgan-kit train {other.recipe} --data {data} {settings}"
            lines.append(f"| {other.title} | `{command}` | {each['seconds']:.0f} | {values} |")
    return "\n".join(lines)


def collect(folder: Path) -> dict[str, Any]:
    """What the run folders hold."""

    def read(names: Iterable[str]) -> list[Any]:
        files = (folder / name / "measured.json" for name in names)
        return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]

    real = json.loads((folder / "real.json").read_text(encoding="utf-8"))
    steps = json.loads(file.read_text(encoding="utf-8")) if (file := folder / "steps.json").exists() else []
    return {
        "steps": steps,
        "runs": read(f"{name}-{seed}" for name, seed in jobs()),
        "real": real,
        "others": read(OTHERS),
    }


def render(folder: Path) -> None:
    """docs/results/families.json, the tables between the marks in the pages, the images."""
    if (folder / "real.json").exists():
        RESULTS.write_text(json.dumps(collect(folder), indent=1) + "\n", encoding="utf-8")
        present = [name for name in FAMILIES if (folder / f"{name}-0" / "samples.png").exists()]
        picture(folder, present).save(paths.IMAGES / "families.png", optimize=True)
        for name in OTHERS:
            for sheet in sorted((folder / name / "sheets").glob("*.png"))[-1:]:
                Image.open(sheet).save(paths.IMAGES / f"{name}.png", optimize=True)
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    for page, text in tables(document).items():
        fill(PAGES[page], {"table": text})


def tables(document: dict[str, Any]) -> dict[str, str]:
    """The generated part of each page."""
    found = {name: [row for row in document["runs"] if row["family"] == name] for name in FAMILIES}
    present = {name: rows for name, rows in found.items() if rows}
    families = table(present, document["real"], document["steps"])
    return {"families": families, **{page: others(document["others"], page) for page in ("vae", "pixelrnn")}}
