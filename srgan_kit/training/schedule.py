"""The learning rate as a function of the step alone, so that a resumed run needs no scheduler state."""

import math

from srgan_kit.recipes.sections import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Linear warm-up to the peak over `warmup` steps, then half a cosine down to the final rate at the last step.

    `step` counts from 0.
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / (config.warmup + 1)
    part = (step - config.warmup) / max(1, steps - 1 - config.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, part))) / 2
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * cosine
