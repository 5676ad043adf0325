"""What a run would take, found out by a few of its steps in a folder that is removed again."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.batches import step_batches
from srgan_kit.training.limit import steps_that_fit
from srgan_kit.training.memory import available_memory, peak_memory
from srgan_kit.training.run import Run
from srgan_kit.training.start import check_new, open_run, remarks, start_accelerator
from srgan_kit.training.telemetry import NullTelemetry
from srgan_kit.training.validation import validate

STEPS = 3
"""The first is slower and not counted."""


@dataclass(frozen=True)
class Estimate:
    """What a run would be and take."""

    generator: int
    """Parameters."""
    critic: int | None
    """Parameters; None where there is none."""
    data: str
    """How many images there are, in words."""
    device: str
    """And the precision, such as "cpu bf16"."""
    steps: int
    """Of the whole run, or of what fits into its time."""
    seconds_per_step: float
    seconds_per_validation: float
    memory: int
    """Most bytes that the process, or on an accelerator its tensors, took so far."""
    memory_left: int
    """Bytes that are still free there."""
    values: dict[str, float]
    """What the steps logged."""
    remarks: list[str]
    """Skipped files and warnings."""
    validations: int
    """With the one of the start, and of the end."""

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.steps * self.seconds_per_step + self.validations * self.seconds_per_validation


def estimate(
    recipe: Recipe, folder: Path, minutes: float | None = None, clock: Callable[[], float] = time.perf_counter
) -> Estimate:
    """Take the first steps of a run and a validation, elsewhere than in its folder, and leave nothing of them.

    Args:
        recipe: what would be trained.
        folder: the run's folder, where nothing is written.
        minutes: the time that its steps would be fitted to; None for as many as the recipe says.
        clock: gives seconds.

    Raises:
        UserError: whatever would stop the run before its first step.
    """
    check_new(folder)
    task = build_task(recipe, start_accelerator(recipe).device, folder)
    with tempfile.TemporaryDirectory() as place, open_run(recipe, Path(place) / "run", False, task) as (run, warnings):
        values: dict[str, float] = {}
        starts: list[float] = []
        for batches in step_batches(run):
            starts.append(clock())
            first = run.step == 0  # which alone looks at each term's gradient
            values |= run.train_step(batches[-1], detailed=first, earlier=batches[:-1])
            if run.step == min(STEPS, run.steps):
                break
        counted = starts[1:] or starts
        per_step = (clock() - counted[0]) / len(counted)
        begin = clock()
        validate(run, NullTelemetry(), regular=False)
        per_validation = clock() - begin
        return _estimate(run, values, per_step, per_validation, minutes, remarks(run, warnings))


def _estimate(
    run: Run, values: dict[str, float], per_step: float, per_validation: float, minutes: float | None, said: list[str]
) -> Estimate:
    recipe, accelerator = run.recipe, run.accelerator
    every = recipe.validation.every
    steps = recipe.steps
    if minutes is not None:
        steps = min(steps, steps_that_fit(60 * minutes - per_validation, per_step, per_validation, every))
    return Estimate(
        generator=_parameters(run.generator.network),
        critic=_parameters(run.critic.network) if run.critic else None,
        data=run.task.describe(),
        device=f"{accelerator.device.type} {accelerator.mixed_precision.replace('no', 'fp32')}",
        steps=steps,
        seconds_per_step=per_step,
        seconds_per_validation=per_validation,
        memory=peak_memory(accelerator.device),
        memory_left=available_memory(accelerator.device),
        values=values,
        remarks=said,
        validations=1 + -(-steps // every),
    )


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
