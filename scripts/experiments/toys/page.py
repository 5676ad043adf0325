"""The tables and the image of docs/studies/toys.md, from the lines of docs/results/toys.jsonl."""

import base64
import math
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scripts.lib import paths
from scripts.lib.pages import fill
from scripts.lib.toys.distributions import TOYS, Toy

PAGE, PICTURE = paths.STUDIES / "toys.md", paths.IMAGES / "toys.png"
MODES = {"ring": (8, 8), "grid": (25, 24)}
"""Modes there are, and modes that a system must cover."""
HIGH_QUALITY = 0.8
Row = dict[str, Any]

PANEL, GAP, TEXT, COLUMNS, SHARPER = 132, 8, 44, 3, 2
MARGIN = 0.92
"""Side of the box of `Toy.to_images` in a panel."""
INK, PALE = (28, 28, 30), (150, 150, 155)
COLOURS = {False: (196, 92, 40), True: (26, 95, 180)}


def render(results: list[Row], variants: list[str]) -> None:
    """Fill the page's tables, which lie between marks, and draw the image."""
    tables = {
        "target": target(results, variants),
        "ring": table(results, variants, "ring", coverage_cells("ring"), coverage_names()),
        "grid": table(results, variants, "grid", coverage_cells("grid"), coverage_names()),
        "gaussian": table(results, variants, "gaussian", gaussian_cells, ("mean", "std", "KL", "JSD")),
    }
    fill(PAGE, tables)
    draw(results, variants)


def chosen(results: list[Row], variant: str, toy: str, techniques: bool) -> list[Row]:
    """The seeds of one system."""
    wanted = (variant, toy, techniques)
    return [row for row in results if (row["variant"], row["toy"], row["techniques"]) == wanted]


def meets(rows: list[Row], toy: str) -> bool:
    """Whether the mean over the seeds covers enough modes with enough samples of high quality."""
    enough = average(rows, "modes") >= MODES[toy][1] and average(rows, "high_quality") >= HIGH_QUALITY
    return bool(rows) and enough


def target(results: list[Row], variants: list[str]) -> str:
    """How many systems reach the target, by name."""
    lines: list[str] = []
    for techniques in (False, True):
        reached = {
            toy: [name for name in variants if meets(chosen(results, name, toy, techniques), toy)] for toy in MODES
        }
        both = [name for name in reached["ring"] if name in reached["grid"]]
        counts = ", ".join(f"{toy} {len(names)}" for toy, names in reached.items())
        how = "With techniques" if techniques else "Plain"
        names = f": {'; '.join(both)}" if both else ""
        line = f"- {how}, of {len(variants)} systems: {counts}, both **{len(both)}**{names}."
        lines.append(textwrap.fill(line, 120, subsequent_indent="  ", break_on_hyphens=False))
    seeds = sorted({row["seed"] for row in results})
    seconds = sum(row["seconds"] for row in results)
    steps = ", ".join(f"{toy} {', '.join(map(str, sorted(values)))}" for toy, values in steps_of(results).items())
    lines.append(
        f"- {len(results)} runs of seeds {', '.join(map(str, seeds))}; steps: {steps}; "
        f"{seconds / 60:.0f} minutes of one core in all."
    )
    return "\n".join(lines)


def steps_of(results: list[Row]) -> dict[str, set[int]]:
    return {toy: {row["steps"] for row in results if row["toy"] == toy} for toy in TOYS if toy in toys_of(results)}


def toys_of(results: list[Row]) -> set[str]:
    return {row["toy"] for row in results}


Cells = Callable[[list[Row]], list[str]]


def table(results: list[Row], variants: list[str], toy: str, cells: Cells, names: tuple[str, ...]) -> str:
    """One row per system: plain, then with techniques."""
    columns = [*names, *names]
    heads = [*(f"plain: {name}" for name in names), *(f"techniques: {name}" for name in names)]
    lines = [f"| | {' | '.join(heads)} | seeds |", f"|---|{'---:|' * len(columns)}---:|"]
    for variant in variants:
        plain, added = (chosen(results, variant, toy, techniques) for techniques in (False, True))
        seeds = f"{len(plain)}" if len(plain) == len(added) else f"{len(plain)}, {len(added)}"
        lines.append(f"| {variant} | {' | '.join([*cells(plain), *cells(added)])} | {seeds} |")
    return "\n".join(lines)


def coverage_names() -> tuple[str, ...]:
    return ("modes", "high quality, %", "JSD", "own JSD")


def coverage_cells(toy: str) -> Cells:
    """Modes, share of high quality (bold where both reach the target), divergences."""

    def cells(rows: list[Row]) -> list[str]:
        good = "**" if meets(rows, toy) else ""
        share = spread(rows, "high_quality", 0, 100)
        own = spread(rows, "own_divergence", 3)
        return [spread(rows, "modes", 1), f"{good}{share}{good}", spread(rows, "divergence", 3), own]

    return cells


def gaussian_cells(rows: list[Row]) -> list[str]:
    return [spread(rows, "mean", 3), spread(rows, "std", 3), spread(rows, "kl", 4), spread(rows, "divergence", 4)]


def average(rows: list[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows])) if rows else math.nan


def spread(rows: list[Row], name: str, digits: int, factor: float = 1.0) -> str:
    """Mean ± standard deviation over the seeds that have the number."""
    values = [factor * row[name] for row in rows if name in row]
    if not values:
        return ""
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


# --- the image ----------------------------------------------------------------------------------------------------


def draw(results: list[Row], variants: list[str]) -> None:
    """A block for each system and one for the distribution itself: ring and grid, plain and with techniques."""
    width = 4 * PANEL + 3 * GAP
    height = TEXT + PANEL
    rows = -(-(len(variants) + 1) // COLUMNS)
    size = (COLUMNS * (width + 4 * GAP) + 4 * GAP, rows * (height + 3 * GAP) + 3 * GAP)
    sheet = Image.new("RGB", (size[0] * SHARPER, size[1] * SHARPER), "white")
    for number, variant in enumerate(["the distribution itself", *variants]):
        row, column = divmod(number, COLUMNS)
        place = (4 * GAP + column * (width + 4 * GAP), 3 * GAP + row * (height + 3 * GAP))
        block(sheet, results, variant, place)
    PICTURE.parent.mkdir(exist_ok=True)
    sheet.quantize(128).save(PICTURE, optimize=True)


def block(sheet: Image.Image, results: list[Row], variant: str, place: tuple[int, int]) -> None:
    """Four panels under the system's name."""
    left, top = place
    write(sheet, (left, top), variant, 15, INK)
    for number, (toy, techniques) in enumerate([("ring", False), ("ring", True), ("grid", False), ("grid", True)]):
        corner = (left + number * (PANEL + GAP), top + TEXT)
        law = TOYS[toy]()
        if variant == "the distribution itself":
            points, colour = law.sample(1000, seed=number), PALE
            caption = f"{toy}, sampled"
        else:
            drawn = [row for row in chosen(results, variant, toy, techniques) if "points" in row]
            colour = COLOURS[techniques]
            if not drawn:
                points, caption = np.zeros((0, 2)), "diverged"
            else:
                points = unpacked(drawn[0]["points"], law)
                share = round(100 * drawn[0]["high_quality"])
                how = "techniques" if techniques else "plain"
                caption = f"{how}: {drawn[0]['modes']}/{MODES[toy][0]}, {share} %"
        write(sheet, (corner[0], top + 24), caption, 12, colour if colour != PALE else INK)
        panel(sheet, corner, law, points, colour)


def panel(sheet: Image.Image, corner: tuple[int, int], law: Toy, points: np.ndarray, colour: tuple[int, ...]) -> None:
    """Points over circles of three std around the true centres; those outside the box are not drawn."""
    side = PANEL * SHARPER
    picture = Image.new("RGB", (side, side), (250, 250, 250))
    pen = ImageDraw.Draw(picture, "RGBA")
    pen.rectangle((0, 0, side - 1, side - 1), outline=(225, 225, 228))
    radius = max(3 * float(law.std[0]) / (2 * law.reach) * side * MARGIN, 2.5 * SHARPER)
    for x, y in pixels(law.centres, law, side):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(120, 120, 125, 255), width=SHARPER // 2)
    inside = (np.abs(points - law.middle) < law.reach * 0.9999).all(axis=1)
    for x, y in pixels(points[inside], law, side):
        pen.ellipse((x - 1.3, y - 1.3, x + 1.3, y + 1.3), fill=(*colour, 110))
    sheet.paste(picture, (corner[0] * SHARPER, corner[1] * SHARPER))


def pixels(points: np.ndarray, law: Toy, side: int) -> np.ndarray:
    """(N, 2) points -> columns and rows; up is up."""
    values = MARGIN * (points - law.middle) / (2 * law.reach)
    return np.stack([(0.5 + values[:, 0]) * side, (0.5 - values[:, 1]) * side], axis=1)


def write(sheet: Image.Image, place: tuple[int, int], text: str, size: int, colour: tuple[int, ...]) -> None:
    font = ImageFont.load_default(size * SHARPER)
    ImageDraw.Draw(sheet).text((place[0] * SHARPER, place[1] * SHARPER), text, fill=colour, font=font)


def packed(points: np.ndarray, law: Toy) -> str:
    """Points for the image, two bytes for each coordinate; those outside the box lie on its edge."""
    values = law.to_images(points).flatten(1).clamp(0, 1).numpy()
    return base64.b64encode((values * 65535).round().astype("<u2").tobytes()).decode()


def unpacked(text: str, law: Toy) -> np.ndarray:
    """(N, 2)."""
    values = np.frombuffer(base64.b64decode(text), "<u2").reshape(-1, 2) / 65535
    return (values - 0.5) * 2 * law.reach + law.middle
