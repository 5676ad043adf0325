"""A batch in parts, in several processes or one after the other: random numbers are drawn as for the whole batch.

So what a batch becomes does not depend on how many parts it has: each part draws what the whole would, and keeps its
own rows. Statistics of the whole batch are in `_distributed`.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from ._settings import whole


@dataclass(frozen=True)
class _Part:
    number: int = 0
    of: int = 1


@dataclass(frozen=True)
class _Layout:
    """Rows of a network's input: some that all parts share, then blocks of which each part has its own rows."""

    shared: int
    blocks: tuple[int, ...]


_WHOLE = _Part()
_PART: ContextVar[_Part] = ContextVar("batch_part", default=_WHOLE)
_LAYOUT: ContextVar[_Layout | None] = ContextVar("batch_layout", default=None)


@contextmanager
def batch_part(number: int, of: int) -> Generator[None, None, None]:
    """Within it the batch is part `number` of `of` equal ones, in order; the losses draw as for the whole batch.

    All parts must begin with the same state of torch's generator. It is this thread's alone. What activation
    checkpointing computes again after the block is drawn otherwise: keep the backward pass within it.

    Args:
        number: 0 ... of - 1.
        of: how many parts the whole batch has, at least 1.

    Raises:
        ValueError: there is no such part.

    >>> torch.manual_seed(0); whole = drawn_for_batch(torch.zeros(4), torch.randn_like)
    <torch._C.Generator object at ...>
    >>> with batch_part(1, of=2):
    ...     torch.manual_seed(0); half = drawn_for_batch(torch.zeros(2), torch.randn_like)
    <torch._C.Generator object at ...>
    >>> torch.equal(half, whole[2:])
    True
    """
    if whole("number", number, 0) >= whole("of", of):
        raise ValueError(f"expected a part in 0 ... {of - 1}, got {number}")
    token = _PART.set(_Part(number, of))
    try:
        yield
    finally:
        _PART.reset(token)


@contextmanager
def batch_layout(blocks: Sequence[int], shared: int = 0) -> Generator[None, None, None]:
    """Within it a network's input is `shared` rows that all parts have, then blocks of so many rows of this part.

    Such as real and generated images in one forward: the whole batch's real ones come first there too. Inside another
    layout the shared rows come before all of its own.
    """
    outer = _LAYOUT.get()
    layout = _Layout(shared, tuple(blocks)) if outer is None else _Layout(shared + outer.shared, outer.blocks)
    token = _LAYOUT.set(layout)
    try:
        yield
    finally:
        _LAYOUT.reset(token)


def parts_of_batch() -> int:
    """How many parts the whole batch has: 1 outside `batch_part`."""
    return _PART.get().of


def drawn_for_batch(like: Tensor, draw: Callable[[Tensor], Tensor], dim: int = 0) -> Tensor:
    """This part's rows of what `draw` makes of the whole batch.

    (..., N, ...) -> the rows of dimension `dim` that `draw` made for them: of the tensor itself where there is one
    part, else of one as large as the whole batch and laid out like it, whose values mean nothing.

    Raises:
        ValueError: the tensor has other rows than the layout that it stands in.
    """
    part, layout = _PART.get(), _LAYOUT.get()
    if part.of == 1:
        return draw(like)
    shared, blocks = (layout.shared, layout.blocks) if layout is not None else (0, (like.shape[dim],))
    if shared + sum(blocks) != like.shape[dim]:
        raise ValueError(f"expected {shared} + {' + '.join(map(str, blocks))} rows, got {like.shape[dim]}")
    first, *rest = _blocks(like.detach(), [shared, *blocks], dim)
    whole = [block for block in rest for _ in range(part.of)]
    whole = [first, *whole] if shared else whole  # an empty tensor would change the memory format
    drawn = draw(torch.cat(whole, dim=dim))
    head, *pieces = _blocks(drawn, [shared, *(length for length in blocks for _ in range(part.of))], dim)
    return torch.cat([head, *pieces[part.number :: part.of]], dim=dim)


def _blocks(tensor: Tensor, lengths: Sequence[int], dim: int) -> list[Tensor]:
    """The tensor in blocks of these lengths."""
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    return [tensor.narrow(dim, start, length) for start, length in zip(starts, lengths, strict=True)]
