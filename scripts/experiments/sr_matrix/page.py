"""The table of the matrix with a line for each row, in its page, from its result file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib import paths
from scripts.lib.pages import fill

PAGE = paths.STUDIES / "sr_matrix.md"
COLUMNS = {
    "frechet": ("Fréchet", 3),
    "lpips": ("LPIPS-like", 4),
    "detail": ("high-frequency energy", 1),
    "set5_psnr_y": ("Set5, dB", 2),
    "lr_psnr": ("LR consistency, dB", 1),
    "imbalance": ("phase imbalance", 3),
    "pattern": ("pattern", 2),
}
"""What a column is called, and its decimal places."""


def table(record: Mapping[str, Any]) -> str:
    """A line for each model and run of a result file; a second seed stands below the first."""
    head = [*(name for name, _ in COLUMNS.values()), "critic's AUC"]
    lines = [f"| | {' | '.join(head)} |", f"|---|{'---:|' * len(head)}"]
    shown = [(name, found) for name, found in record["references"].items()]
    again = sorted(record["rows"].values(), key=lambda run: run["seed"])
    for name in dict.fromkeys(run["name"] for run in again):
        for run in again:
            if run["name"] == name:
                shown.append((f"{name}, second seed" if run["seed"] else name, run))
    for name, found in shown:
        cells = [f"{found[key]:.{places}f}" if key in found else "" for key, (_, places) in COLUMNS.items()]
        auc = found.get("shown", {}).get("auc")
        lines.append(f"| {name} | {' | '.join([*cells, '' if auc is None else f'{auc:.2f}'])} |")
    return "\n".join(lines)


def write(record: Mapping[str, Any], page: Path = PAGE) -> None:
    """Write the table into the page."""
    fill(page, {"rows": table(record)})
