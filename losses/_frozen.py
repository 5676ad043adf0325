"""Networks that a loss looks through: frozen, and no part of what is saved with a user's model."""

from contextlib import suppress
from typing import Any

import torch
from torch import nn


def freeze(module: nn.Module) -> None:
    """No gradients for its weights, and evaluation mode: before each look, because a user's `model.requires_grad_()` or
    `model.train()` reaches the networks in it too. Compiled code does not do it, nor do torch.func's transforms.
    """
    if torch.compiler.is_compiling():
        return
    for parameter in module.parameters():
        if parameter.requires_grad and parameter.is_leaf:
            with suppress(RuntimeError):  # a tensor that is being transformed
                parameter.requires_grad_(False)
    if any(part.training for part in module.modules()):
        module.train(False)


def keep_weights_out(module: nn.Module) -> None:
    """Leaves the weights of a module's children out of its state dict; one with them or without them loads.

    They come from where the module was made, and would add half a gigabyte to every checkpoint of a model that has a
    VGG for a loss. A child's own state dict is as it was. A module made inside compiled code is not saved.
    """
    if torch.compiler.is_compiling():
        return
    module.register_state_dict_post_hook(_leave_out)  # pyright: ignore[reportUnknownMemberType]
    module.register_load_state_dict_pre_hook(_fill_in)  # pyright: ignore[reportUnknownMemberType]


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
    inner = tuple(f"{prefix}{name}." for name, _ in module.named_children())
    for key in [key for key in state if key.startswith(inner)]:
        del state[key]


def _fill_in(module: nn.Module, state: dict[str, Any], prefix: str, *others: object) -> None:
    for name, child in module.named_children():
        for key, value in child.state_dict(prefix=f"{prefix}{name}.").items():
            state.setdefault(key, value)
