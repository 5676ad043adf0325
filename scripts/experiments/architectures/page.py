"""The tables of docs/studies/architectures.md, from the lines of docs/results/architectures.jsonl."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.experiments.architectures.candidates import ARCHITECTURES, DATA, PLAIN
from scripts.lib import paths
from scripts.lib.pages import fill

PAGE = paths.STUDIES / "architectures.md"
NOT_YET = "Not run yet."
PRECISIONS = ("fp32", "bf16")
Row = dict[str, Any]


def render(rows: Sequence[Row], page: Path = PAGE) -> None:
    """Fill the page's tables, which lie between marks."""
    networks = [f"{title}\n\n{network_table(runs, rows)}" for title, runs in by_budget(rows, list(ARCHITECTURES))]
    studies = [f"{title}\n\n{data_table(runs)}" for title, runs in by_budget(rows, [PLAIN, *DATA])]
    if networks:
        networks.append(baselines(rows))
    fill(page, {"architectures": "\n\n".join(networks) or NOT_YET, "data": "\n\n".join(studies) or NOT_YET})


def by_budget(rows: Sequence[Row], names: Sequence[str]) -> Iterator[tuple[str, dict[str, Row]]]:
    """For each budget a title, and the runs of these names."""
    found = [row for row in rows if row["kind"] == "run" and row["name"] in names]
    for budget in sorted({row["budget"] for row in found}):
        runs = {row["name"]: row for row in found if row["budget"] == budget}
        how = sorted({f"{row['precision']} on {row['threads']} CPU thread(s)" for row in runs.values()})
        title = f"{budget:g} minutes of steps in {', '.join(how)}:"
        yield title, {name: runs[name] for name in names if name in runs}


def network_table(runs: Mapping[str, Row], rows: Sequence[Row]) -> str:
    """What each network reaches, and what it costs."""
    times = {precision: inference(rows, precision) for precision in PRECISIONS}
    fronts = {
        precision: front({name: (found[name]["against"], mean_psnr(runs[name])) for name in runs if name in found})
        for precision, found in times.items()
    }
    bicubic = next((mean_psnr(row) for row in rows if row["kind"] == "bicubic"), math.nan)
    lines = [
        "| network | parameters | steps | crops | BSDS | CC0 | mean | fp32, ms/MP | of compact | dB per s/MP "
        "| bf16, ms/MP | of compact | dB per s/MP | front |",
        "|---|" + "---:|" * 12 + "---|",
    ]
    for name, row in runs.items():
        timed = [times[precision].get(name) for precision in PRECISIONS]
        parameters = next((f"{each['parameters']:,}" for each in timed if each), "–")
        cells = [name, parameters, f"{row['steps']:,}", f"{row['crops']:,}", *_psnr_cells(row)]
        for each in timed:
            if each is None:
                cells += ["–"] * 3
                continue
            gain = (mean_psnr(row) - bicubic) / each["milliseconds"] * 1000
            cells += [f"{each['milliseconds']:,.0f}", f"{each['against']:.2f}", f"{gain:.2f}"]
        lines.append(f"| {' | '.join(cells)} | {', '.join(p for p in PRECISIONS if name in fronts[p])} |")
    return "\n".join(lines)


def data_table(runs: Mapping[str, Row]) -> str:
    """What each study of data reaches."""
    lines = ["| training | steps | crops | BSDS | CC0 | mean |", "|---|" + "---:|" * 5]
    for name, row in runs.items():
        cells = [name, f"{row['steps']:,}", f"{row['crops']:,}", *_psnr_cells(row)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def inference(rows: Sequence[Row], precision: str) -> dict[str, Row]:
    """By name: milliseconds per megapixel, and `against`, that over the compact checkpoint's in the same run."""
    return {
        row["name"]: row | {"against": row["milliseconds"] / row["compact"]}
        for row in rows
        if row["kind"] == "inference" and row["precision"] == precision
    }


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Names of those (time, PSNR) that no other beats in one and equals or beats in the other."""

    def beaten(point: tuple[float, float]) -> bool:
        return any(o != point and o[0] <= point[0] and o[1] >= point[1] for o in points.values())

    return {name for name, point in points.items() if not beaten(point)}


def mean_psnr(row: Row) -> float:
    """Over the sources, each with the same weight, dB."""
    return statistics.fmean(row["psnr"].values())


def _psnr_cells(row: Row) -> list[str]:
    return [f"{row['psnr']['bsds']:.3f}", f"{row['psnr']['cc0']:.3f}", f"{mean_psnr(row):.3f}"]


def baselines(rows: Sequence[Row]) -> str:
    """Bicubic's PSNR, and the compact checkpoint's times."""
    said = [f"Bicubic: {' / '.join(_psnr_cells(row))} dB." for row in rows if row["kind"] == "bicubic"]
    for precision in PRECISIONS:
        compact = [row["compact"] for row in inference(rows, precision).values()]
        if compact:
            said.append(f"Compact checkpoint in {precision}: {statistics.median(compact):,.0f} ms/MP.")
        else:
            said.append(f"{precision} was not timed: this CPU does not multiply it.")
    return " ".join(said)
