"""A run's sample sheets, joined into one animation of its progress."""

from pathlib import Path

from PIL import Image

from srgan_kit.images.grid import save_animation

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
    paths = sorted((run / "sheets").glob("*.png"), key=lambda path: (len(path.stem), path.stem))
    sizes = {path: size for path in paths if (size := _size(path)) is not None}
    alike = [path for path, size in sizes.items() if size == list(sizes.values())[-1]]
    if len(alike) < 2:
        return None
    frames = min(FRAMES, len(alike))
    chosen = [alike[round(number * (len(alike) - 1) / (frames - 1))] for number in range(frames)]
    save_animation([_frame(path) for path in chosen], run / NAME)
    return run / NAME


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
