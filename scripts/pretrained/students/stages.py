"""The pretrained super-resolvers as stages: who is taught what, from whose weights, in which share of the time."""

from dataclasses import dataclass, replace

from srgan_kit.generators.super_resolution.residual import ResidualSRConfig

CONVOLUTIONS = 3
"""In each group of every student."""
BATCH = 32
"""Crops for which the pools' shares are given; a stage's batch is a multiple."""
FLAT = 1
"""How many of these are crops of a single colour; the pools have the other 31."""
PREPARATION = {"fidelity": 5.0, "perceptual": 3.0, "photo": 25.0}
"""Seconds set aside for what comes before each later stage of a kind: the teachers' answers."""
SHORTEST = 4.0
"""Seconds that every stage gets."""


@dataclass(frozen=True)
class Terms:
    """Weights of what a perceptual stage minimises."""

    pixel: float
    lpips: float
    features: float
    phase_bias: float
    phase: float
    """Weight of `phase_evenness` for photographs, of `phase_balance` for clean images."""
    consistency: float
    originals: float = 0.0
    """Part of the images that networks compare with the originals, for photographs; the others with the answers."""
    adversarial: float = 0.0
    """Weight of a critic that tells the student's images from the originals; 0 for none."""


@dataclass(frozen=True)
class Stage:
    """A student."""

    name: str
    kind: str
    """"fidelity", "perceptual" or "photo"."""
    weight: float
    """Its share of the time is this over the sum of all."""
    rate: float
    """The largest learning rate."""
    scale: int = 4
    channels: int = 64
    groups: int = 5
    start: str | None = None
    """The model whose weights it starts from; of another scale all but the tail."""
    terms: Terms | None = None
    """For what is not fidelity."""
    patch: int = 48
    batch: int = BATCH
    default: bool = True
    """Whether it is trained where no stage is named."""


TEXTURE = Terms(pixel=0.5, lpips=4.0, features=0.1, phase_bias=10.0, phase=0.1, consistency=1.0)
ANSWERS = Terms(pixel=1.0, lpips=1.0, features=0.25, phase_bias=10.0, phase=0.3, consistency=0.0, originals=0.6)
CRISP = replace(ANSWERS, adversarial=2.0)  # a mean over patches of bounded scores has small gradients
STAGES = (
    Stage("x4-fidelity", "fidelity", 120, 1e-3, batch=64),
    Stage("x4-fidelity-fast", "fidelity", 65, 1.5e-3, channels=32, groups=8, batch=96),
    Stage("x2-fidelity", "fidelity", 40, 5e-4, scale=2, start="x4-fidelity", patch=64),
    Stage("x3-fidelity", "fidelity", 30, 5e-4, scale=3, start="x4-fidelity"),
    Stage("x4-perceptual", "perceptual", 35, 4e-4, start="x4-fidelity", terms=TEXTURE, default=False),
    Stage("x4-photo", "photo", 160, 5e-4, start="x4-fidelity", terms=ANSWERS),
    Stage("x2-photo", "photo", 50, 5e-4, scale=2, start="x2-fidelity", terms=ANSWERS, patch=64),
    Stage("x4-photo-large", "photo", 90, 5e-4, groups=11, terms=ANSWERS, default=False),
    Stage(
        "x4-photo-fast",
        "photo",
        60,
        1e-3,
        channels=32,
        groups=8,
        terms=ANSWERS,
        start="x4-fidelity-fast",
        default=False,
    ),
    Stage("x4-photo-crisp", "photo", 160, 2e-4, terms=CRISP, start="x4-photo", default=False),
    Stage("x2-photo-crisp", "photo", 50, 2e-4, scale=2, start="x2-photo", terms=CRISP, patch=64, default=False),
)
"""In the order in which they are trained."""


def config_of(stage: Stage) -> ResidualSRConfig:
    """Its network's settings."""
    return ResidualSRConfig(
        name="residual",
        scale=stage.scale,  # pyright: ignore[reportArgumentType]
        channels=stage.channels,
        groups=stage.groups,
        convolutions=CONVOLUTIONS,
    )
