"""A step's batch in parts: what the generator makes of each, with random numbers as if there were no parts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from accelerate import Accelerator
from torch import Tensor

from srgan_kit.contracts import Batch, Sample
from srgan_kit.losses import batch_part
from srgan_kit.training.randomness import go_back_to, random_state

Content = dict[str, Tensor]


class Samples:
    """The samples of one whole batch, for the critic and then for the generator.

    A batch that this process has in one part goes through the generator once. Of several parts none is kept: each is
    made again where it is needed, of the same random numbers.

    Args:
        parts: those of this process, one after the other.
        accelerator: the run's.
        autocast: a context in the run's precision.
        sample: what the generator makes of a part.
        content: the content terms of a part and its sample; None where only the critic learns from the batch.
    """

    def __init__(
        self,
        parts: Sequence[Batch],
        accelerator: Accelerator,
        autocast: Callable[[], AbstractContextManager[None]],
        sample: Callable[[Batch], Sample],
        content: Callable[[Batch, Sample], Content] | None,
    ) -> None:
        self.parts, self._accelerator, self._autocast = parts, accelerator, autocast
        self._sample, self._content = sample, content
        self._start = random_state(accelerator.device) if len(parts) > 1 else None
        with torch.set_grad_enabled(self._start is None and content is not None), self._part(0):
            self._first = self._made(parts[0])  # of several parts for what is drawn meanwhile, and to see it is finite

    @property
    def first_content(self) -> Content:
        """The content terms of the first part."""
        return self._first[1]

    def judged(self) -> Iterator[tuple[Batch, Sample]]:
        """Each part with its sample, without gradients to the generator unless there is one part."""
        for batch, sample, _ in self._each(learns=False):
            yield batch, sample

    def learned(self) -> Iterator[tuple[Batch, Sample, Content]]:
        """Each part with its sample and content terms, through which gradients reach the generator."""
        return self._each(learns=True)

    def _each(self, learns: bool) -> Iterator[tuple[Batch, Sample, Content]]:
        if self._start is None:
            with self._part(0):
                yield self.parts[0], *self._first
            return
        device = self._accelerator.device
        after = random_state(device)
        for number, batch in enumerate(self.parts):
            with self._part(number):
                go_back_to(self._start, device)
                with torch.set_grad_enabled(learns):
                    made = self._made(batch)
                go_back_to(after, device)
                yield batch, *made

    def _made(self, batch: Batch) -> tuple[Sample, Content]:
        with self._autocast():
            sample = self._sample(batch)
            return sample, {} if self._content is None else self._content(batch, sample)

    def _part(self, number: int) -> AbstractContextManager[None]:
        return part_of_process(number, len(self.parts), self._accelerator)


def part_of_process(number: int, of: int, accelerator: Accelerator) -> AbstractContextManager[None]:
    """`losses.batch_part` for part `number` of the `of` that each process has."""
    return batch_part(accelerator.process_index * of + number, accelerator.num_processes * of)


def mean(values: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each number's mean over the parts."""
    return {name: sum(each[name] for each in values) / len(values) for name in values[0]}
