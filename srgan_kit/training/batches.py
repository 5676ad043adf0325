"""The real images of each step of a run."""

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from srgan_kit.contracts import Batch
from srgan_kit.data.crops import StepSampler
from srgan_kit.data.device_crops import DeviceCrops
from srgan_kit.errors import UserError
from srgan_kit.images.depth import vips_used
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.results import leave
from srgan_kit.training.run import Run

MOST_WORKERS = 8
"""Where the recipe leaves their number to the machine."""


class Stopped(UserError):
    """Something that the run needs was taken away while it trained; what it has learned is saved."""

    exit_status = 1


def step_batches(run: Run) -> Iterator[list[list[Batch]]]:
    """For each step that the run has not done yet: a batch for each of the critic's steps, the generator's last.

    Each is the parts of it that this process has.

    Raises:
        Stopped: an image or a worker is gone; the run is saved.
    """
    if run.step == run.steps:
        return
    items = iter(_items(run))
    while True:
        try:
            some = next(items)
        except StopIteration:
            return
        except (UserError, OSError, RuntimeError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            reason = lines[-1].rpartition("UserError: ")[2]  # the last line of a worker's traceback says it
            raise Stopped(f"{reason}{leave(run)}") from None
        parts = run.recipe.data.accumulate
        yield [[_batch(run, part) for part in _split(each, parts)] for each in _split(some, run.batches)]


def _split(items: Any, parts: int) -> list[Any]:
    """Collated samples in so many equal parts."""
    if parts == 1:
        return [items]
    size = len(items[0]) // parts
    return [tuple(each[start : start + size] for each in items) for start in range(0, size * parts, size)]


def _batch(run: Run, items: Any) -> Batch:
    """The batch of some collated samples, of which the last `labels.batch` are the labelled ones."""
    labelled = run.recipe.labels.batch
    if not labelled:
        return run.task.batch(items)
    batch = run.task.batch(tuple(each[:-labelled] for each in items))
    batch.labelled = run.task.batch(tuple(each[-labelled:] for each in items))
    return batch


def _items(run: Run) -> Iterable[Any]:
    """The collated samples of each step, those of all its batches and their parts together."""
    recipe, accelerator, examples = run.recipe, run.accelerator, run.task.examples
    first, parts = accelerator.process_index * recipe.data.accumulate, recipe.data.accumulate
    counts = recipe.data.batch, recipe.labels.batch
    own = range(first, first + parts)
    sampler = StepSampler(run.step, recipe.steps, counts, run.batches, own, recipe.data.parts)
    whole = getattr(examples, "batch", None)  # examples in memory are gathered faster than samples are collated
    if whole is not None and (isinstance(examples, DeviceCrops) or not recipe.data.workers):
        return map(whole, sampler)
    workers = _workers(recipe, accelerator.device)
    context = None
    if workers and multiprocessing.get_start_method() == "fork" and vips_used():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["srgan_kit.data.crops"])
    return DataLoader(
        examples,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=accelerator.device.type == "cuda",
        multiprocessing_context=context,
    )


def _workers(recipe: Recipe, device: torch.device) -> int:
    """Processes that make batches: as many as the recipe says, or as the machine has to spare."""
    if recipe.data.workers is not None:
        return recipe.data.workers
    spare = max(0, (os.cpu_count() or 1) - 1)
    if device.type == "cpu":  # whose threads all learn, but while a batch is degraded by one of them
        return min(spare, 1 if recipe.data.random_degradation else 0)
    return min(spare, MOST_WORKERS)
