"""What the commands show while an autoregressive model draws, value after value."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srgan_kit.generators.model import Model


@contextmanager
def drawing(model: "Model", images: int) -> Iterator[None]:
    """A progress bar on a terminal, a line in a pipe; nothing for models that make an image at once."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from srgan_kit.generators.sampling import each_value_drawn, values_to_draw

    values = values_to_draw(model, images)
    if not values:
        yield
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"note: {images} images are drawn value after value, which takes a while", file=sys.stderr, flush=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{images} images", total=values)
        with each_value_drawn(model, lambda count: bar.advance(task, count)):
            yield
