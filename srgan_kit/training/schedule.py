"""The learning rate as a function of the step alone, so that a resumed run needs no scheduler state."""

import math

from srgan_kit.recipes.sections import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Linear warm-up to the peak over `warmup` steps, then half a cosine down to the final rate at the last step.

    A final rate above the peak counts as the peak: the rate never rises after the warm-up.
    `step` counts from 0.
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / (config.warmup + 1)
    part = (step - config.warmup) / max(1, steps - 1 - config.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, part))) / 2
    final = min(config.final_learning_rate, config.learning_rate)
    return final + (config.learning_rate - final) * cosine
