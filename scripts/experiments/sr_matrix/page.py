"""The tables and the image of the super-resolution matrix, from its JSON file and the models in runs/sr_matrix."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from scripts.experiments.sr_matrix.measures import SCALE, b100, planes
from scripts.lib import paths
from scripts.lib.pages import fill
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

PAGE, PICTURE = paths.STUDIES / "sr_matrix.md", paths.IMAGES / "sr_matrix.png"
CROP = (8, 10, 50, 32, 36)
"""Which image of B100 by name, and top, left, height and width of the part shown, in low-resolution pixels."""
ENLARGED = 2
COLUMNS = 5
LABEL = 16


def render(rows: dict[str, Any], models: dict[str, Path], data: Path) -> None:
    """Fill the page's tables, which lie between marks, and draw the image."""
    fill(PAGE, {"models": models_table(rows), "settings": settings_table(rows), "shown": shown(rows)})
    draw({name: path for name, path in models.items() if name in rows and path.exists()}, data)


def models_table(rows: dict[str, Any]) -> str:
    """What every model scores."""
    lines = [
        "| | Set5 PSNR, dB | LR consistency, dB | LPIPS-like | against x4-fidelity | phase imbalance "
        "| critic's AUC | by running averages |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    start = rows["x4-fidelity"]["lpips"]
    for name, found in rows.items():
        change = f"{100 * (found['lpips'] / start - 1):+.1f} %" if "lpips" in found else ""
        critic = found.get("shown", {})
        cells = [_number(found.get("set5_psnr_y"), 2), _number(found["lr_psnr"], 1), _number(found.get("lpips"), 4)]
        cells += [change, _number(found["lattice"], 3)]
        cells += [_number(critic.get("auc"), 2), _number(critic.get("auc_running"), 2)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def settings_table(rows: dict[str, Any]) -> str:
    """What each run adds to the recipe, and who moved the generator."""
    lines = ["| run | share of the generator's gradient, per cent | settings |", "|---|---|---|"]
    for name, found in rows.items():
        if "settings" not in found:
            continue
        shares = ", ".join(f"{term} {100 * share:.0f}" for term, share in found["shares"].items())
        settings = " ".join(f"`{setting}`" for setting in found["settings"]) or "none"
        lines.append(f"| {name} | {shares} | {settings} |")
    return "\n".join(lines)


def shown(rows: dict[str, Any]) -> str:
    """What each system means here, in numbers."""
    lines = ["| run | measured on 400 patches of B100 | |", "|---|---|---:|"]
    for name, found in rows.items():
        for what, value in found.get("shown", {}).items():
            if what not in ("auc", "auc_running"):
                lines.append(f"| {name} | {what} | {value:.4g} |")
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def draw(models: dict[str, Path], data: Path) -> None:
    """One part of one image under every model, each pixel twice as large."""
    which, top, left, height, width = CROP
    high, low = list(b100(data, which + 1))[which]
    array = low.permute(1, 2, 0).contiguous().numpy()
    views: dict[str, Tensor] = {
        "input": low.repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2),
        "bicubic": planes(bicubic_upscaler(SCALE)(array)),
    }
    for name, model in {"x4-fidelity": "x4-fidelity", **{name: str(path) for name, path in models.items()}}.items():
        views[name] = planes(Upscaler(load_model(model), device="cpu", precision="fp32").upscale(array))
    views["original"] = high
    rows, columns = slice(top * SCALE, (top + height) * SCALE), slice(left * SCALE, (left + width) * SCALE)
    cells = {name: view[:, rows, columns] for name, view in views.items()}
    tall, wide = height * SCALE * ENLARGED, width * SCALE * ENLARGED
    lines = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (wide + 4), lines * (tall + LABEL + 4)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, cell) in enumerate(cells.items()):
        x, y = (number % COLUMNS) * (wide + 4), (number // COLUMNS) * (tall + LABEL + 4)
        pen.text((x + 2, y + 2), name, fill="black")
        picture = Image.fromarray(cell.permute(1, 2, 0).to(torch.uint8).contiguous().numpy())
        sheet.paste(picture.resize((wide, tall), Image.Resampling.NEAREST), (x, y + LABEL))
    PICTURE.parent.mkdir(exist_ok=True)
    sheet.save(PICTURE, optimize=True)
