"""Everything a run needs to go on as if it had never stopped: its last two checkpoints, checked before use."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe_again
from srgan_kit.recipes.schema import Recipe

NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
"""The checkpoint before the newest one."""

FREE_TO_CHANGE: dict[str, Any] = {
    "description": True,
    "paper": True,
    "device": True,
    "steps": True,
    "log_every": True,
    "checkpoint_every": True,
    "data": {
        **dict.fromkeys(("folder", "lr_folder", "cache_megabytes", "workers", "pipeline"), True),
        "sources": {"__all__": {"folder", "lr_folder"}},
    },
    "validation": {"folder", "lr_folder", "every", "images", "largest_side", "lpips_weights"},
    "perceptual": {"weights"},
    "lpips": {"weights"},
    "dists": {"weights", "vgg"},
    "distillation": {"teachers"},
    "generator": {"file"},
    "optimizer": {"learning_rate", "final_learning_rate"},
    "critic_optimizer": {"learning_rate", "final_learning_rate"},
    "initialise_from": True,
    "initialise_parts": True,
    "compile": True,
}
"""Keys that a resumed run may have different: how long and how fast it learns from here on, and those that change
nothing that is computed. Files may have moved; which training images there are is compared by the fingerprint."""


def has_checkpoint(run: Path) -> bool:
    """Whether there is something to resume in the run's folder."""
    return any((run / name).is_file() for name in (NAME, PREVIOUS))


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write the state (tensors and plain values only) to the run's folder; the checkpoint before it is kept beside it.

    Raises:
        UserError: it cannot be written, such as on a full disk; the checkpoints before it are kept.
    """
    newest, written = run / NAME, None
    try:
        with atomic_write(newest) as temporary:
            with temporary.open("wb") as file:
                written = _Written(file)
                torch.save(state, written)  # pyright: ignore[reportArgumentType]
                file.flush()
                os.fsync(file.fileno())  # on the disk before it replaces the old one, in case the power fails
            if newest.is_file() and _damage(newest) is None:  # a damaged one does not push a sound one out
                newest.replace(run / PREVIOUS)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError of its own
        reason = _reason((written and written.error) or error, run)
        raise UserError(f"{newest}: cannot be written ({reason}); {_kept(run)}") from None


class _Written:
    """A file that remembers why it could not be written to."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def restore_newest(run: Path, restore: Callable[[dict[str, Any]], None]) -> list[str]:
    """Hand the newest sound checkpoint to `restore`, without executing code from it; warnings about those that are not.

    Raises:
        UserError: there is none, none is sound, or `restore` raises one: it belongs to another recipe or other images.
    """
    if not has_checkpoint(run):
        model = run / "model.safetensors"
        ways = f"; --set initialise_from={model} starts another run from its model" if model.is_file() else ""
        raise UserError(f"{run}: nothing to resume, there is no {NAME} in it{ways}")
    damaged: list[str] = []
    for path in (run / NAME, run / PREVIOUS):
        if not path.is_file():
            continue
        try:
            state = _read(path)
            restore(state)
        except UserError:
            raise
        except Exception as error:  # whatever a damaged file makes torch, pydantic or the networks stumble over
            damaged.append(f"{path}: damaged, or not a checkpoint of this version ({_line(error)})")
            continue
        return [f"{each}; going back to {path.name}, step {state['step']}" for each in damaged]
    raise UserError(f"{'; '.join(damaged)}; there is no other checkpoint to go back to, -o begins another run")


def saved_recipe(run: Path, overrides: list[str] | None = None, data: Path | None = None) -> Recipe:
    """The recipe of the run in that folder, with `key=value` overrides and another folder of images.

    Raises:
        UserError: there is no sound checkpoint, or as in `load_recipe`.
    """
    recipes: list[dict[str, Any]] = []
    restore_newest(run, lambda state: recipes.append(recipe_values(state)))
    return load_recipe_again(recipes[-1], str(run), overrides, data)


def recipe_values(state: dict[str, Any]) -> dict[str, Any]:
    """The recipe in a checkpoint. Before there was `validation.holdout_part`, as much was held out as was asked for."""
    values = json.loads(state["recipe"])
    values["validation"].setdefault("holdout_part", 1.0)
    Recipe.model_validate(values)
    return values


def held_out_as_before(run: Path, recipe: Recipe) -> Recipe:
    """The recipe with the `validation.holdout_part` of the run's checkpoint, if that is older than the key."""
    before: list[bool] = []
    restore_newest(run, lambda state: before.append("holdout_part" not in json.loads(state["recipe"])["validation"]))
    if not before[-1]:
        return recipe
    return recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"holdout_part": 1.0})})


def check_belongs(state: dict[str, Any], run: Path, recipe: Recipe, fingerprint: str) -> Recipe:
    """The recipe that the checkpoint was saved with.

    Raises:
        UserError: it differs in what may not change, there are other training images, or more steps are done.
    """
    saved = Recipe.model_validate(recipe_values(state))
    try:
        check_same(saved, recipe)
    except UserError as error:
        raise UserError(f"--resume: {error}") from None
    if state["fingerprint"] != fingerprint:
        raise UserError(f"--resume: the training images are not those that the run in {run} was started with")
    if recipe.steps < state["step"]:
        raise UserError(f"--resume: steps = {recipe.steps}, but the run in {run} has done {state['step']} already")
    return saved


def _read(path: Path) -> dict[str, Any]:
    damage = _damage(path)
    if damage is not None:
        raise ValueError(damage)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not isinstance(state.get("step"), int):
        raise ValueError("no state of a run")
    return state


def _damage(path: Path) -> str | None:
    """What is wrong with the archive; None if every part of it has its checksum, which torch does not look at."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # BadZipFile, EOFError, NotImplementedError, zlib.error, ...
        return _line(error)
    return None if broken is None else f"{broken}: wrong checksum"


def check_same(saved: Recipe, recipe: Recipe) -> None:
    """Raise a UserError where two recipes differ in more than FREE_TO_CHANGE."""
    before, now = (each.model_dump(mode="json", exclude=FREE_TO_CHANGE) for each in (saved, recipe))
    for key, value in before.items():
        if value != now[key]:
            key, value, other = _first_difference(key, value, now[key])
            raise UserError(f"the run was started with {key} = {value}, but the recipe now says {other}")


def _first_difference(key: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The dotted key of the first value that differs between two tables with the same keys, and the two values."""
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        inner = next(name for name in before if before[name] != now[name])
        return _first_difference(f"{key}.{inner}", before[inner], now[inner])
    return key, before, now


def _line(error: Exception) -> str:
    """What an error says, in a line; torch's explanations of how to read a file unsafely are left out."""
    if "weights_only" in str(error):
        return "it holds more than tensors and plain values"
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {reason}"[:160] if reason else type(error).__name__


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    full = shutil.disk_usage(folder).free < 1_000_000
    return "no space left on the disk" if full else str(error).partition("\n")[0]


def _kept(run: Path) -> str:
    return "the checkpoint before it is kept" if has_checkpoint(run) else "there is none before it"
