"""What the processes of one run must agree on; a single process keeps its own numbers."""

from collections.abc import Mapping

import torch
from accelerate import Accelerator


def mean_over_processes(values: Mapping[str, float], accelerator: Accelerator) -> dict[str, float]:
    """Each number's mean over the processes, in every process."""
    if accelerator.num_processes == 1 or not values:
        return dict(values)
    names = sorted(values)
    mean = accelerator.reduce(torch.tensor([values[name] for name in names], device=accelerator.device), "mean")
    assert isinstance(mean, torch.Tensor)
    return dict(zip(names, mean.tolist(), strict=True))


def lost_a_process(error: RuntimeError, accelerator: Accelerator) -> bool:
    """Whether an error means that another process of the run has ended, or cannot be reached."""
    if accelerator.num_processes == 1:
        return False
    if isinstance(error, torch.distributed.DistError):
        return True
    said = str(error)  # gloo raises no error of its own kind
    return "gloo" in said or any(text in said for text in ("Connection closed by peer", "Connection reset by peer"))


def number_of_main_process(number: int, accelerator: Accelerator) -> int:
    """The main process's number, in every process."""
    if accelerator.num_processes == 1:
        return number
    own = torch.tensor(number if accelerator.is_main_process else 0, device=accelerator.device)
    everywhere = accelerator.reduce(own, "sum")
    assert isinstance(everywhere, torch.Tensor)
    return int(everywhere)


def true_in_any_process(here: bool, accelerator: Accelerator) -> bool:
    """Whether it holds in any process: all must leave the loop at the same step."""
    if accelerator.num_processes == 1:
        return here
    flag = torch.tensor(int(here), device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum"))
