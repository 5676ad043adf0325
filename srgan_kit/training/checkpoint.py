"""Everything a run needs to go on as if it had never stopped, in one file that appears whole or not at all."""

from pathlib import Path
from typing import Any

import torch

from srgan_kit.config import Recipe
from srgan_kit.errors import UserError
from srgan_kit.files import appearing

NAME = "checkpoint.pt"

FREE_TO_CHANGE = {"description", "device", "log_every", "checkpoint_every", "validation"}
"""Keys of a recipe that do not change what is computed, so a resumed run may have them different."""

FREE_DATA_KEYS = {"folder", "lr_folder", "cache_megabytes", "workers"}
"""The same inside `data`; the folders may have moved."""


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write the state (tensors and plain values only) to the run's folder."""
    with appearing(run / NAME) as temporary:
        torch.save(state, temporary)


def load_checkpoint(run: Path, recipe: Recipe) -> dict[str, Any]:
    """The state of the run in that folder, without executing code from it.

    Raises:
        UserError: there is none, it cannot be read, or it belongs to a different recipe.
    """
    path = run / NAME
    if not path.is_file():
        raise UserError(f"{run}: nothing to resume, there is no {NAME} in it")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = Recipe.model_validate_json(state["recipe"])
    except Exception as error:
        raise UserError(f"{path}: not a checkpoint of this version ({type(error).__name__})") from None
    _check_same(saved, recipe)
    return state


def _check_same(saved: Recipe, recipe: Recipe) -> None:
    before, now = _what_matters(saved), _what_matters(recipe)
    for key, value in before.items():
        if value != now[key]:
            raise UserError(f"--resume: the run was started with {key} = {value}, but the recipe now says {now[key]}")


def _what_matters(recipe: Recipe) -> dict[str, object]:
    values = recipe.model_dump(mode="json", exclude=FREE_TO_CHANGE)
    values["data"] = {key: value for key, value in values["data"].items() if key not in FREE_DATA_KEYS}
    return values
