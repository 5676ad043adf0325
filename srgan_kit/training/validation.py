"""A validation of the averaged generator: its measures, a sheet of its images, and the file that a run leaves."""

from srgan_kit.generators.model import Model
from srgan_kit.losses import alone
from srgan_kit.training.animation import SHEETS
from srgan_kit.training.diagnostics import diagnose
from srgan_kit.training.results import export, keep_best
from srgan_kit.training.run import Run
from srgan_kit.training.telemetry import Telemetry


def measure_start(run: Run, telemetry: Telemetry) -> None:
    """Log the measures of what a run starts from; of images from noise there are none that say how good they are."""
    network = run.average.network
    assert isinstance(network, Model)
    if network.autoregressive or run.recipe.task == "unconditional":
        return
    with run.accelerator.autocast(), alone():
        measured = run.task.validate(network)
    if measured and run.accelerator.is_main_process:
        _draw(run, network, telemetry)
        telemetry.record(run.step, {f"validation/{name}": value for name, value in measured.items()})


def validate(run: Run, telemetry: Telemetry, regular: bool) -> dict[str, float]:
    """Measure, draw and export the averaged model; the task's measures by name.

    Args:
        run: the run, whose checkpoint is written first.
        telemetry: where the measures are logged.
        regular: whether a run that nobody stops has this validation too, so that it counts for the best model.
    """
    run.save()  # so that no exported model is of a later step than the newest checkpoint
    network = run.average.network
    assert isinstance(network, Model)
    with run.accelerator.autocast(), alone():
        measured, diagnosed = run.task.validate(network), diagnose(run, network)
    if run.accelerator.is_main_process:
        _draw(run, network, telemetry)
        values = {f"validation/{name}": value for name, value in measured.items()} | diagnosed
        if values:
            telemetry.record(run.step, values)
        export(run, measured)
    keep_best(run, measured, regular)
    return measured


def _draw(run: Run, network: Model, telemetry: Telemetry) -> None:
    """The sheet of this step, in the run's folder and on TensorBoard."""
    path = run.folder / SHEETS / f"{run.step:07d}.png"
    path.parent.mkdir(exist_ok=True)
    run.task.sheet(network, path)
    telemetry.sheet(run.step, path)
