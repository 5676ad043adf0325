"""Files that declare more than they can hold are refused before anything of that size is made."""

import math
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from srgan_kit.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

ALWAYS_FINE = 2**26
"""Bytes that any file may grow to."""
LARGEST_RATIO = 100
"""How much more than its own size any other may."""
SPARE_ELEMENTS, SPARE_PARTS = 10**7, 1000
"""What a network may have beside the weights in its file: buffers, and layers without weights."""


def check_declared(path: Path, declared: int) -> None:
    """Raise a UserError if a file says that it holds far more bytes than it can."""
    size = path.stat().st_size
    if declared > max(ALWAYS_FINE, LARGEST_RATIO * size):
        raise UserError(f"{path}: refused, it may be a bomb: a file of {size:,} bytes that would become {declared:,}")


def check_zip(path: Path, room: int | None = None) -> None:
    """`check_declared` of what an archive unpacks to, and whether there is room for it.

    Args:
        path: the archive's.
        room: bytes that are free where it is unpacked to; None for the memory.

    Raises:
        UserError: too much.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(path) as file:
        size = sum(member.file_size for member in file.infolist())
    check_declared(path, size)
    room = psutil.virtual_memory().available if room is None else room
    if size > room:
        raise UserError(f"{path}: unpacks to {size / 2**30:.3g} GiB, {room / 2**30:.3g} GiB are free")


def check_tensors(path: Path, content: Any) -> None:
    """`check_declared` of all tensors in dictionaries and lists: one stored number may be repeated a billion times."""
    check_declared(path, sum(tensor.numel() * tensor.element_size() for tensor in _tensors(content)))


def check_layer_numbers(names: Collection[object]) -> None:
    """Raise a UserError if a weight's name numbers a layer that the other weights leave no room for."""
    most = 10 * len(names) + 100
    for name in names:
        numbers = [part for part in str(name).split(".") if part.isdecimal()]
        if any(len(part) > 9 or int(part) > most for part in numbers):
            raise UserError(f"{str(name)[:80]!r} numbers a layer beyond all of its {len(names)} weights")


@contextmanager
def building_at_most(weights: "Iterable[Tensor]") -> Iterator[None]:
    """Inside, networks that are much larger than these weights fail to be built, as soon as that is seen.

    Raises:
        UserError: more layers, or more numbers in one or in all of them, than the weights are for.
    """
    import torch
    from torch.nn.modules import module
    from torch.overrides import TorchFunctionMode

    sizes = [weight.numel() for weight in weights]
    most_elements, most_parts = 4 * sum(sizes) + SPARE_ELEMENTS, 10 * len(sizes) + SPARE_PARTS
    made = {"parts": 0, "elements": 0}
    factories = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}

    def count(elements: int) -> None:
        made["parts"] += 1
        made["elements"] += elements
        if made["parts"] > most_parts or made["elements"] > most_elements:
            raise UserError(f"its settings are those of a network much larger than its {len(sizes)} weights")

    class Sizes(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func in factories and _elements(args, kwargs) > most_elements:
                raise UserError(f"its settings are those of a layer much larger than its {len(sizes)} weights")
            return func(*args, **kwargs)

    hooks = [
        module.register_module_parameter_registration_hook(lambda _, __, weight: count(weight.numel())),
        module.register_module_module_registration_hook(lambda *_: count(0)),
    ]
    try:
        with Sizes():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _elements(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """How many numbers a factory such as torch.empty is to make."""
    size = kwargs.get("size", args[0] if args else ())
    numbers = size if isinstance(size, list | tuple) else args
    return math.prod(number for number in numbers if isinstance(number, int))


def _tensors(content: Any) -> "Iterator[Tensor]":
    """All tensors in nested dictionaries and lists."""
    from torch import Tensor

    waiting, seen = [content], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, Mapping | list | tuple) and id(item) not in seen:  # which may hold themselves
            seen.add(id(item))
            waiting += item.values() if isinstance(item, Mapping) else item
