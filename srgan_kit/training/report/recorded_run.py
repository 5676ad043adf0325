"""What a run's folder says of it besides the log: its recipe, its steps, its sheets."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import ValidationError

from srgan_kit.errors import UserError
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.animation import evenly, sheets_of
from srgan_kit.training.report.log import RunLog
from srgan_kit.training.results import BEST, MODEL, metadata_of
from srgan_kit.training.run_folder import RECIPE
from srgan_kit.training.telemetry import LOG

MOST_SHEETS = 10
AS_IT_IS = 300_000
"""Bytes of an image file that is embedded as it is; larger ones become JPEG, without loss of colour resolution."""
QUALITY = 92


@dataclass(frozen=True)
class Sheet:
    """The images of a validation."""

    step: int
    size: tuple[int, int]
    """(width, height)."""
    source: str
    """What an HTML image's `src` is: the image itself."""


class RecordedRun:
    """A run's folder, finished or not.

    Raises:
        UserError: there is neither a log nor a recipe in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / RECIPE).is_file() and not (folder / LOG).is_file():
            raise UserError(f"{folder}: expected a run's folder, with a {RECIPE} and a {LOG} in it")
        self.log = RunLog.read(folder / LOG)
        self.values = _recipe_values(folder / RECIPE)
        """The recipe's, whatever version wrote it; empty without a file that can be read."""

    @cached_property
    def recipe(self) -> Recipe | None:
        """The recipe, if it is one of this version."""
        try:
            return Recipe.model_validate(self.values)
        except ValidationError:
            return None

    @property
    def name(self) -> str:
        """The recipe's name, or the folder's."""
        return str(self.values.get("name") or self.folder.resolve().name)

    @property
    def step(self) -> int:
        """Steps done, as far as the log or the model says."""
        return max(self.log.last_step, _number(self._model.get("steps")))

    @property
    def steps(self) -> int:
        """Steps of the whole run: as planned, or as the recipe says."""
        return _number(self._model.get("of_steps")) or _number(str(self.values.get("steps", 0)))

    @cached_property
    def best_step(self) -> int | None:
        """The step of the best model, where there is one."""
        steps = metadata_of(self.folder / BEST).get("steps")
        return None if steps is None else _number(steps)

    @cached_property
    def _model(self) -> Mapping[str, str]:
        return metadata_of(self.folder / MODEL)

    def weights(self) -> dict[str, object]:
        """Of every term by its name in the log: a number, or a share such as "share:0.15"."""
        if self.recipe is not None:
            own: Mapping[str, object] = {**self.recipe.generator_weights, **self.recipe.weights}
            critic: Mapping[str, object] = self.recipe.all_critic_weights
        else:
            tables = (self.values.get(table) for table in ("weights", "critic_weights"))
            own, critic = (table if isinstance(table, dict) else {} for table in tables)
        of_critic = {name if name.startswith("critic") else f"critic_{name}": value for name, value in critic.items()}
        return {**own, **of_critic}

    def sheets(self) -> list[Sheet]:
        """The sheets that can be read, of many the first, the last and some evenly between."""
        return [sheet for path in evenly(sheets_of(self.folder), MOST_SHEETS) if (sheet := _sheet(path)) is not None]


def _sheet(path: Path) -> Sheet | None:
    """None for a file that a crash has left unfinished."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            size, kind = image.size, "png"
            if len(content) > AS_IT_IS:
                smaller = io.BytesIO()
                image.convert("RGB").save(smaller, "JPEG", quality=QUALITY, subsampling=0)
                content, kind = smaller.getvalue(), "jpeg"
    except (OSError, SyntaxError, ValueError):
        return None
    return Sheet(int(path.stem), size, f"data:image/{kind};base64,{base64.b64encode(content).decode()}")


def _recipe_values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
