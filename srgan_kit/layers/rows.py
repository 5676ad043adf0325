"""Some examples of a batch, through lists and records of tensors."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor


def rows(output: Any, some: slice) -> Any:
    """The same lists and records with these examples of every tensor in them.

    >>> import torch
    >>> rows([torch.arange(4), None], slice(1, 3))
    [tensor([1, 2]), None]
    """
    if isinstance(output, Tensor):
        return output[some]
    if isinstance(output, list):
        return [rows(each, some) for each in output]
    if is_dataclass(output) and not isinstance(output, type):
        return replace(output, **{field.name: rows(getattr(output, field.name), some) for field in fields(output)})
    return output
