"""The real images of each step of a run."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader

from srgan_kit.contracts import Batch
from srgan_kit.data.crops import StepSampler
from srgan_kit.errors import UserError
from srgan_kit.training.results import leave
from srgan_kit.training.run import Run


class Stopped(UserError):
    """Something that the run needs was taken away while it trained; what it has learned is saved."""

    exit_status = 1


def step_batches(run: Run) -> Iterator[list[Batch]]:
    """For each step that the run has not done yet: a batch for each of the critic's steps, the generator's last.

    Raises:
        Stopped: an image or a worker is gone; the run is saved.
    """
    if run.step == run.steps:
        return
    size = run.recipe.data.batch
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
        if run.batches == 1:
            yield [run.task.batch(some)]
        else:
            starts = range(0, size * run.batches, size)
            yield [run.task.batch(tuple(each[start : start + size] for each in some)) for start in starts]


def _items(run: Run) -> Iterable[Any]:
    """The collated samples of each step, those of all its batches together."""
    recipe, accelerator, examples = run.recipe, run.accelerator, run.task.examples
    count = recipe.data.batch * run.batches
    sampler = StepSampler(run.step, recipe.steps, count, accelerator.process_index, accelerator.num_processes)
    if (whole := getattr(examples, "batch", None)) is not None:
        return map(whole, sampler)
    return DataLoader(
        examples,
        batch_sampler=sampler,
        num_workers=recipe.data.workers,
        pin_memory=accelerator.device.type == "cuda",
    )
