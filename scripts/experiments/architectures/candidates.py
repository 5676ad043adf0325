"""What the architecture search compares, as data: networks by name, and what the plain one is trained on."""

from dataclasses import dataclass
from typing import Literal

from scripts.experiments.architectures.networks import AttentionConfig, DepthwiseConfig, LargeKernelConfig
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.generators.super_resolution.settings import SRSettings

SETTINGS = (
    "weights.pixel=1.0",
    "data.patch=32",
    "data.batch=8",
    "optimizer.learning_rate=1e-3",
    "ema=0.99",
    "device=cpu",
    "validation.holdout=0",
    "log_every=50",
    "checkpoint_every=200",
)
"""Settings that every run has, on top of the recipe fidelity-x4. The split into training and validation images is the
search's own; the average is short, because the runs are."""


PLAIN = "residual 64, 4x3"
ARCHITECTURES: dict[str, SRSettings] = {
    "residual 64, 2x3": ResidualSRConfig(channels=64, groups=2, convolutions=3),
    PLAIN: ResidualSRConfig(channels=64, groups=4, convolutions=3),
    "residual 64, 6x3": ResidualSRConfig(channels=64, groups=6, convolutions=3),
    "residual 64, 8x3": ResidualSRConfig(channels=64, groups=8, convolutions=3),
    "residual 64, 6x2": ResidualSRConfig(channels=64, groups=6, convolutions=2),
    "residual 64, 9x2": ResidualSRConfig(channels=64, groups=9, convolutions=2),
    "residual 48, 6x3": ResidualSRConfig(channels=48, groups=6, convolutions=3),
    "residual 32, 4x3": ResidualSRConfig(channels=32, groups=4, convolutions=3),
    "residual 32, 8x3": ResidualSRConfig(channels=32, groups=8, convolutions=3),
    "like SRVGG compact, 64x16": ResidualSRConfig(channels=64, groups=1, convolutions=16, image_skip="nearest"),
    "reparameterised 64, 4x3": ReparameterisedConfig(channels=64, groups=4, convolutions=3),
    "reparameterised 64, 6x3": ReparameterisedConfig(channels=64, groups=6, convolutions=3),
    "large kernel 64, 3 of 13": LargeKernelConfig(channels=64, blocks=3, kernel=13, partial=16),
    "large kernel 48, 4 of 13": LargeKernelConfig(channels=48, blocks=4, kernel=13, partial=16),
    "depthwise 64, 10 of 5": DepthwiseConfig(channels=64, blocks=10, kernel=5, expansion=2),
    "depthwise 64, 10 of 9": DepthwiseConfig(channels=64, blocks=10, kernel=9, expansion=2),
    "attention 64, 4": AttentionConfig(channels=64, blocks=4),
    "attention 48, 6": AttentionConfig(channels=48, blocks=6),
}
"""Name -> the generator's settings. 6x3 is 6 groups of 3 convolutions; 3 of 13, three blocks of kernel 13."""


@dataclass(frozen=True)
class Study:
    """One run of the plain network on other data."""

    settings: tuple[str, ...] = ()
    """On top of `SETTINGS`."""
    sources: Literal["both", "bsds", "cc0"] = "both"
    """Which training images; validation is on both always."""


REDUCED = "data.reductions=[1.0, 0.8, 0.6]"
SHUFFLED = "data.shuffle_channels=true"
DATA: dict[str, Study] = {
    "seed 1": Study(("seed=1",)),
    "seed 2": Study(("seed=2",)),
    "no flips, no rotations": Study(("data.augment=none",)),
    "reductions 1, .8, .6": Study((REDUCED,)),
    "channels shuffled": Study((SHUFFLED,)),
    "reductions and channels": Study((REDUCED, SHUFFLED)),
    "multi-scale: reductions 1 to .4": Study(("data.reductions=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]",)),
    "crops of 16, 32 a step": Study(("data.patch=16", "data.batch=32")),
    "crops of 64, 2 a step": Study(("data.patch=64", "data.batch=2")),
    "BSDS alone": Study(sources="bsds"),
    "CC0 alone": Study(sources="cc0"),
}
"""Name -> what the plain network is trained on instead. The two seeds say how large a difference means nothing."""
