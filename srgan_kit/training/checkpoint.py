"""Everything a run needs to go on as if it had never stopped, in one file that appears whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch

from srgan_kit.config import Recipe
from srgan_kit.errors import UserError
from srgan_kit.files import appearing

NAME = "checkpoint.pt"

FREE_TO_CHANGE: dict[str, set[str] | bool] = {
    "description": True,
    "device": True,
    "log_every": True,
    "checkpoint_every": True,
    "data": {"folder", "lr_folder", "cache_megabytes", "workers", "pipeline"},
    "validation": {"folder", "lr_folder", "every", "images", "largest_side"},
    "perceptual": {"weights"},
    "lpips": {"weights"},
    "initialise_from": True,
    "initialise_parts": True,
    "compile": True,
}
"""Keys that a resumed run may have different: they change nothing that is computed. Folders may have moved; which
training images there are is compared by the fingerprint."""


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write the state (tensors and plain values only) to the run's folder.

    Raises:
        UserError: it cannot be written, such as on a full disk; the checkpoint before it is kept.
    """
    try:
        with appearing(run / NAME) as temporary, temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it replaces the old one, in case the power fails
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise UserError(f"{run / NAME}: cannot be written ({error})") from None


def load_checkpoint(run: Path, recipe: Recipe, fingerprint: str) -> dict[str, Any]:
    """The state of the run in that folder, without executing code from it.

    Raises:
        UserError: there is none, it cannot be read, or it belongs to a different recipe or different images.
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
    if state["fingerprint"] != fingerprint:
        raise UserError(f"--resume: the training images are not those that the run in {run} was started with")
    return state


def _check_same(saved: Recipe, recipe: Recipe) -> None:
    before, now = (each.model_dump(mode="json", exclude=FREE_TO_CHANGE) for each in (saved, recipe))
    for key, value in before.items():
        if value != now[key]:
            key, value, other = _first_difference(key, value, now[key])
            raise UserError(f"--resume: the run was started with {key} = {value}, but the recipe now says {other}")


def _first_difference(key: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The dotted key of the first value that differs between two tables with the same keys, and the two values."""
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        inner = next(name for name in before if before[name] != now[name])
        return _first_difference(f"{key}.{inner}", before[inner], now[inner])
    return key, before, now
