"""What only a generative game needs to have measured, on held-out images."""

from srgan_kit.generators.model import Model
from srgan_kit.training.run import Run


def diagnose(run: Run, network: Model) -> dict[str, float]:
    return {}
