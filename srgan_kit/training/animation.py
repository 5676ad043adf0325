"""A run's sample sheets, joined into one animation of its progress."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from srgan_kit.images.grid import save_animation

SHEETS = "sheets"
"""Folder, in the run's, of an image for each validation."""
NAME = "progress.gif"
FRAMES = 60
"""Largest number of frames."""
SIDE = 800
"""Pixels that a frame is made small to: the sheets have the details."""


def animate_sheets(run: Path) -> Path | None:
    """Join the run folder's `sheets/*.png`, those as large as the last one, into its `progress.gif`.

    Of more than 60, evenly chosen ones are taken, the first and the last among them. None, and no file, if there are
    fewer than two.

    Raises:
        UserError: the file cannot be written.
    """
    paths = sheets_of(run)
    sizes = {path: size for path in paths if (size := _size(path)) is not None}
    alike = [path for path, size in sizes.items() if size == list(sizes.values())[-1]]
    if len(alike) < 2:
        return None
    chosen = evenly(alike, FRAMES)
    save_animation([_frame(path) for path in chosen], run / NAME)
    return run / NAME


def sheets_of(run: Path) -> list[Path]:
    """The files of a run's sheets in the order of their steps."""
    paths = (run / SHEETS).glob("*.png")
    return sorted((path for path in paths if path.stem.isdecimal()), key=lambda path: int(path.stem))


def evenly(paths: Sequence[Path], most: int) -> list[Path]:
    """Of more than so many, evenly chosen ones, the first and the last among them."""
    if len(paths) <= most:
        return [*paths]
    return [paths[round(number * (len(paths) - 1) / (most - 1))] for number in range(most)]


def _frame(path: Path) -> Image.Image:
    frame = Image.open(path).convert("RGB")
    frame.thumbnail((SIDE, SIDE))
    return frame


def _size(path: Path) -> tuple[int, int] | None:
    """(width, height) of an image that can be read to its end, else None."""
    try:
        with Image.open(path) as sheet:
            sheet.load()
            return sheet.size
    except (OSError, SyntaxError):
        return None
