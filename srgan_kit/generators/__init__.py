"""Networks that make images. `build_generator` is the one place where a generator is chosen by name."""

from torch import nn

from srgan_kit.config import ResidualSRConfig, RRDBNetConfig, SRResNetConfig
from srgan_kit.generators.residual import ResidualSR
from srgan_kit.generators.rrdb import RRDBNet
from srgan_kit.generators.srresnet import SRResNet

GENERATORS = {"residual": ResidualSR, "srresnet": SRResNet, "rrdb": RRDBNet}

__all__ = ["GENERATORS", "RRDBNet", "ResidualSR", "SRResNet", "build_generator"]


def build_generator(config: ResidualSRConfig | SRResNetConfig | RRDBNetConfig) -> nn.Module:
    """A new generator with random weights."""
    return GENERATORS[config.name](**config.model_dump(exclude={"name"}))
