"""Randomness inside a step, a function of the run's seed, the step and the process: a resumed run needs no state."""

import torch
from accelerate import Accelerator


def seed_step(seed: int, step: int, accelerator: Accelerator) -> None:
    """Seed torch for one step of one process."""
    on_cpu = accelerator.device.type == "cpu"  # where torch.manual_seed would spend its time on other devices
    set_seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
    set_seed((seed * 1_000_003 + step) * 1_009 + accelerator.process_index)
