"""What a run leaves behind: the averaged model, and the best one."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from srgan_kit.models.generative import save_run
from srgan_kit.training.run import Run

MODEL = "model.safetensors"
"""The averaged weights of the last validation or of the end."""
BEST = "best.safetensors"
"""Those of the validation with the highest measure."""
MEASURES = ("psnr_y", "psnr")
"""The measures that are better the higher they are: super-resolution's, reconstruction's. Of unconditional images
none says which are best."""
DIGITS = 4
"""Of a measure in a file."""


def export(run: Run, measured: Mapping[str, float], name: str = MODEL) -> Path:
    """Write the averaged weights as a model file, with what was measured of them."""
    recipe, path = run.recipe, run.folder / name
    metadata = {"recipe": recipe.without_paths().model_dump_json(), "steps": str(run.step), "of_steps": str(run.steps)}
    metadata |= {f"validation_{measure}": f"{value:.{DIGITS}f}" for measure, value in measured.items()}
    save_run(run.average.network, recipe, run.task, path, metadata)
    return path


def keep_best(run: Run, measured: Mapping[str, float]) -> None:
    """Write the model of this validation, if it is the best so far (main process only)."""
    name = next((name for name in MEASURES if name in measured), None)
    if name is None or not run.accelerator.is_main_process:
        return
    before = _validated(run.folder / BEST, name, run.step)
    if before is None or round(measured[name], DIGITS) > before:
        export(run, measured, BEST)


def _validated(path: Path, measure: str, step: int) -> float | None:
    """What was measured of that model; None if there is none, or a run that went back has not come so far again."""
    metadata = _metadata(path)
    if not metadata or int(metadata["steps"]) > step or f"validation_{measure}" not in metadata:
        return None
    return float(metadata[f"validation_{measure}"])


def is_finished(folder: Path) -> bool:
    """Whether the run in that folder has come to its end: runs leave a model wherever they stop."""
    metadata = _metadata(folder / MODEL)
    # files from before, which were written at the end alone, do not say of how many
    return bool(metadata) and int(metadata.get("steps", 0)) >= int(metadata.get("of_steps", 0))


def _metadata(path: Path) -> dict[str, str]:
    """What a model file says of itself; nothing where there is none that can be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError):
        return {}
