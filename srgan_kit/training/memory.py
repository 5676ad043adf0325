"""Whether a run fits into memory, found out before anything large is built: a message instead of a killed process."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from srgan_kit.errors import UserError
from srgan_kit.models.build import build_critic, build_model
from srgan_kit.recipes.schema import Recipe

TRAINED, AVERAGED = 16, 4
"""Bytes of a parameter in training (itself, its gradient, Adam's two moments), and of its moving average."""
IMAGES = 3
"""Copies of a batch's images at least: real, generated, and the gradient of those."""
KEPT = 0.5
"""At least this fraction of the layers' outputs stays in memory for the gradient."""
WORKERS = 64, 8
"""At most so many processes that prepare crops, or so many for each core, whichever is more."""
WIDE = 256
"""Critics with no larger setting are not looked at: they fit, and to measure spectral norm takes seconds."""
CGROUP = Path("/sys/fs/cgroup")
STATUS = Path("/proc/self/status")


def available_memory(device: torch.device) -> int:
    """Bytes that a process may still take there."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    try:  # a container's own limit
        limit, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return free if limit == "max" else min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):
        return free


def peak_memory(device: torch.device) -> int:
    """Most bytes that this process has taken so far; on a GPU, that its tensors have."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    status = STATUS.read_text() if STATUS.is_file() else ""
    peak = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    if peak:  # Linux, whose `getrusage` counts the parent process in
        return 1024 * int(peak[1])
    now = psutil.Process().memory_info()
    return getattr(now, "peak_wset", now.rss)


def check_data(recipe: Recipe, device: torch.device) -> None:
    """Raise a UserError for more workers than the machine has use for, or a batch whose images alone do not fit."""
    largest = max(WORKERS[0], WORKERS[1] * (os.cpu_count() or 1))
    if (recipe.data.workers or 0) > largest:
        raise UserError(f"recipe: data.workers: expected at most {largest} on this machine, got {recipe.data.workers}")
    channels, side = recipe.image_shape
    steps = recipe.critic_steps if recipe.critic else 1
    batches = steps + (recipe.critic is not None and recipe.generator_batch == "own")
    loaded = (recipe.data.batch + recipe.labels.batch) * recipe.data.accumulate * batches
    needed = 4 * loaded * channels * side**2 * IMAGES
    size = "data.patch" if recipe.task == "super-resolution" else "data.size"
    what, remedy = f"a batch of {recipe.data.batch} images of {side}x{side}", f"a smaller data.batch or {size}"
    if steps > 1:
        what, remedy = f"{what}, for each of {steps} critic_steps,", f"{remedy}, or fewer critic_steps"
    _check(needed, device, what, remedy)


def check_networks(recipe: Recipe, condition: tuple[int, int] | None, device: torch.device) -> None:
    """Raise a UserError for networks whose parameters do not fit in training; nothing is built for it.

    Raises:
        ValueError: networks that cannot be built at all.
    """
    try:
        with torch.device("meta"), _Undrawn():
            model = build_model(recipe, condition)
            critic = build_critic(recipe, condition) if recipe.critic and _is_wide(recipe.critic.model_dump()) else None
    except (RuntimeError, TypeError, OverflowError) as error:  # what torch says of sizes beyond all bounds
        raise UserError(f"recipe: the networks cannot be built: {str(error).partition(chr(10))[0]}") from None
    generator, other = (sum(p.numel() for p in each.parameters()) if each else 0 for each in (model, critic))
    needed = generator * (TRAINED + AVERAGED) + other * TRAINED
    what = f"training networks of {generator + other:,} parameters"
    parts = ["generator", *(["encoder"] if model.encoder else []), *(["critic"] if critic else [])]
    latent = " or a smaller latent" if recipe.latent.size else ""
    _check(needed, device, what, f"smaller channels of the {' or '.join(parts)}{latent}")


class _Undrawn(TorchFunctionMode):
    """No random weights are drawn while it lasts, which for tensors without memory takes seconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


class Activations:
    """The size of the outputs of some networks' layers while they are watched, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def watching(self, networks: Sequence[nn.Module]) -> Iterator[None]:
        """Count while it lasts."""
        layers = [layer for network in networks for layer in network.modules() if not list(layer.children())]
        hooks = [layer.register_forward_hook(self._count) for layer in layers if not getattr(layer, "inplace", False)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _count(self, layer: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            self.bytes += output.numel() * output.element_size()


def check_step(activations: Activations, images: int, recipe: Recipe, device: torch.device) -> None:
    """Raise a UserError if a step on whole batches does not fit, as a dry run with a few images tells."""
    needed = int(KEPT * activations.bytes * recipe.data.batch / images)
    what = f"a step on {recipe.data.batch} images of {recipe.image_shape[1]}x{recipe.image_shape[1]}"
    _check(needed, device, what, "a smaller data.batch")


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory could not be allocated."""
    named = any(words in str(error).lower() for words in ("allocate memory", "out of memory", "not enough memory"))
    return named or isinstance(error, MemoryError | torch.OutOfMemoryError)


def _is_wide(settings: dict[str, object]) -> bool:
    values = [each for value in settings.values() for each in (value if isinstance(value, tuple) else (value,))]
    return any(isinstance(value, int) and value > WIDE for value in values)


def _check(needed: int, device: torch.device, what: str, remedy: str) -> None:
    there = available_memory(device)
    if needed > there:
        estimate = f"{what} would take about {_readable(needed)}, {_readable(there)} are free"
        raise UserError(f"recipe: too large for the memory of {device.type}: {estimate}; try {remedy}")


def _readable(size: int) -> str:
    return f"{size / 2**30:,.3g} GiB" if size < 1e15 else f"{size / 2**30:.1e} GiB"
