"""The model files that a run leaves: the averaged model, and the best one."""

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open

from srgan_kit.errors import UserError
from srgan_kit.models.generative import save_run
from srgan_kit.training.checkpoint import has_checkpoint
from srgan_kit.training.run import Run

MODEL = "model.safetensors"
"""The averaged weights of the last validation or of the end."""
BEST = "best.safetensors"
"""The averaged weights of the validation with the highest measure."""
MEASURES = ("psnr_y", "psnr")
"""The measures that are better the higher they are: super-resolution's, reconstruction's. Of unconditional images
none says which are best."""
FOR_NOW = "stopped_before_a_validation"
"""In the metadata of a best model that is one only because there was no regular validation yet."""
DIGITS = 4
"""Decimal places of a measure in a model file's metadata."""


def export(run: Run, measured: Mapping[str, float], name: str = MODEL, more: Mapping[str, str] | None = None) -> Path:
    """Write the averaged weights as a model file, with what was measured of them."""
    recipe, path = run.recipe, run.folder / name
    metadata = {"recipe": recipe.without_paths().model_dump_json(), "steps": str(run.step), "of_steps": str(run.steps)}
    metadata |= {f"validation_{measure}": f"{value:.{DIGITS}f}" for measure, value in measured.items()}
    task, metadata = run.task, metadata | run.origin | dict(more or {})
    save_run(run.average.network, recipe, task.condition, task.classes, path, metadata)
    return path


def keep_best(run: Run, measured: Mapping[str, float], regular: bool) -> None:
    """Write the model of this validation, if it is the best so far (main process only).

    That of a stop counts only until the next regular one, so that the best does not depend on when a run was stopped.
    """
    name = next((name for name in MEASURES if name in measured), None)
    if name is None or not run.accelerator.is_main_process:
        return
    before = _validated(run.folder / BEST, name, run.step)
    if before is None or (regular and round(measured[name], DIGITS) > before):
        export(run, measured, BEST, {} if regular else {FOR_NOW: "yes"})


def _validated(path: Path, measure: str, step: int) -> float | None:
    """What was measured of that model; None if there is none that counts, or a run that went back has not come so far
    again."""
    metadata = metadata_of(path)
    measured, steps = metadata.get(f"validation_{measure}"), metadata.get("steps", "")
    if measured is None or FOR_NOW in metadata or not steps.isdecimal() or int(steps) > step:
        return None
    return float(measured)


def leave(run: Run) -> str:
    """Save what can be saved of a run that ends by an error: in words, how to go on, if that was possible.

    In the middle of a step there is no state to go on from, yet the averaged model is whole. It is kept beside an
    earlier checkpoint alone: without one the run has to start again, for which its folder must be free.
    """
    if run.step == run.start or not run.accelerator.is_main_process or not (run.whole or has_checkpoint(run.folder)):
        return ""
    with suppress(UserError):
        if metadata_of(run.folder / MODEL).get("steps") != str(run.step):
            export(run, {})
    if run.whole:
        with suppress(UserError):  # the disk may be full
            run.save()
            return f"; the run is saved at step {run.step}, --resume {shlex.quote(str(run.folder))} goes on"
    return ""


def is_finished(folder: Path) -> bool:
    """Whether the run in that folder has come to its end: runs leave a model wherever they stop."""
    metadata = metadata_of(folder / MODEL)
    # files from before, which were written at the end alone, do not say of how many
    return bool(metadata) and int(metadata.get("steps", 0)) >= int(metadata.get("of_steps", 0))


def metadata_of(path: Path) -> dict[str, str]:
    """What a model file says of itself; nothing where there is none that can be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError):
        return {}
