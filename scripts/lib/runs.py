"""Finished runs: loaded with their weights, and how long they took."""

import json
from pathlib import Path

from accelerate import Accelerator
from accelerate.state import AcceleratorState

from srgan_kit.contracts import Batch
from srgan_kit.generators.model import Model
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import Task, build_task
from srgan_kit.training.run import Run
from srgan_kit.training.telemetry import LOG


def training_hours(run: Path) -> float:
    """Time the run's steps took, from its log, without validation and pauses."""
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    logged = [line for line in lines if "steps_per_second" in line]
    steps = [after["step"] - before for before, after in zip([0, *(x["step"] for x in logged)], logged, strict=False)]
    return sum(count / line["steps_per_second"] for count, line in zip(steps, logged, strict=True)) / 3600


def restored(recipe: Recipe, folder: Path, task: Task | None = None) -> Run:
    """The run as it was after its last step, in fp32 on the CPU, its networks in evaluation mode without gradients.

    `task` is the one that it was trained with, where that is not the recipe's.
    """
    AcceleratorState._reset_state()  # the process may have trained in another precision
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    run = Run(recipe, folder, accelerator, task or build_task(recipe, accelerator.device, folder))
    run.restore()
    exported(run).eval().requires_grad_(False)
    if run.critic is not None:
        run.critic.network.eval().requires_grad_(False)
    return run


def exported(run: Run) -> Model:
    """The averaged generator."""
    assert isinstance(run.average.network, Model)
    return run.average.network


def held_out(run: Run, count: int = 10_000) -> Batch:
    """Images that the run was not trained on; at most so many."""
    batch = run.task.held_out(count)
    assert batch is not None
    return batch
