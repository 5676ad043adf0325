"""Randomness inside a step, a function of the run's seed and the step: a resumed run needs no state.

Every process has the same, and draws as for the whole batch: see `losses.batch_part`.
"""

import torch
from accelerate import Accelerator


def seed_step(seed: int, step: int, accelerator: Accelerator) -> None:
    """Seed torch for one step."""
    on_cpu = accelerator.device.type == "cpu"  # where torch.manual_seed would spend its time on other devices
    set_seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
    set_seed((seed * 1_000_003 + step) * 1_009)


def random_state(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The state of torch's generators, of the CPU and of a device of its own."""
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def go_back_to(state: tuple[torch.Tensor, torch.Tensor | None], device: torch.device) -> None:
    """Draw from here on what was drawn after `state`."""
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
