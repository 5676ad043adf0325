"""What the architecture search compares, as data: networks by name, and what the plain one is trained on."""

from dataclasses import dataclass
from typing import Literal

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


def residual(channels: int, groups: int, convolutions: int) -> str:
    return f"name='residual', channels={channels}, groups={groups}, convolutions={convolutions}"


def branched(channels: int, groups: int, convolutions: int) -> str:
    return f"name='reparameterised', channels={channels}, groups={groups}, convolutions={convolutions}"


def large_kernel(channels: int, blocks: int, kernel: int, partial: int) -> str:
    return f"name='large-kernel', channels={channels}, blocks={blocks}, kernel={kernel}, partial={partial}"


def depthwise(channels: int, blocks: int, kernel: int, expansion: int) -> str:
    return f"name='depthwise', channels={channels}, blocks={blocks}, kernel={kernel}, expansion={expansion}"


def attention(channels: int, blocks: int) -> str:
    return f"name='attention', channels={channels}, blocks={blocks}"


PLAIN = "residual 64, 4x3"
ARCHITECTURES: dict[str, str] = {
    "residual 64, 2x3": residual(64, 2, 3),
    PLAIN: residual(64, 4, 3),
    "residual 64, 6x3": residual(64, 6, 3),
    "residual 64, 8x3": residual(64, 8, 3),
    "residual 64, 6x2": residual(64, 6, 2),
    "residual 64, 9x2": residual(64, 9, 2),
    "residual 48, 6x3": residual(48, 6, 3),
    "residual 32, 4x3": residual(32, 4, 3),
    "residual 32, 8x3": residual(32, 8, 3),
    "like SRVGG compact, 64x16": residual(64, 1, 16) + ", image_skip='nearest'",
    "reparameterised 64, 4x3": branched(64, 4, 3),
    "reparameterised 64, 6x3": branched(64, 6, 3),
    "large kernel 64, 3 of 13": large_kernel(64, 3, 13, 16),
    "large kernel 48, 4 of 13": large_kernel(48, 4, 13, 16),
    "depthwise 64, 10 of 5": depthwise(64, 10, 5, 2),
    "depthwise 64, 10 of 9": depthwise(64, 10, 9, 2),
    "attention 64, 4": attention(64, 4),
    "attention 48, 6": attention(48, 6),
}
"""Name -> the table [generator]. 6x3 is 6 groups of 3 convolutions; 3 of 13, three blocks of kernel 13."""


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
