"""The runs of the comparison: families with their seeds, and a few of other tasks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One row of the table."""

    title: str
    recipe: str
    steps: int
    seeds: int
    settings: tuple[str, ...] = ()
    likelihood: str = "none"
    """What its number in nats is: "bound", "exact" or "none"."""


DECODER = ("latent.noise=20", "generator={name='dcgan', channels=30}")
"""The same network makes an image of a latent vector for the VAE and for the GAN."""
FAMILIES = {
    "vae": Family("VAE", "vae", 1000, 5, (*DECODER, "encoder={channels=32}"), "bound"),
    "gan": Family(
        "GAN (DCGAN)",
        "dcgan",
        1000,
        5,
        (*DECODER, "critic.channels=32", "data={size=28, channels=1, batch=64, augment='none'}"),
    ),
    "pixelcnn": Family("PixelCNN", "pixelcnn", 300, 5, ("generator.channels=32", "generator.layers=5"), "exact"),
    "row-lstm": Family("Row LSTM", "row-lstm", 300, 1, ("generator.channels=32", "generator.layers=2"), "exact"),
}


@dataclass(frozen=True)
class Other:
    """A short run under another task, for the system's page: what its last validation measures."""

    page: str
    title: str
    recipe: str
    data: str
    """"digits" or "photos"."""
    settings: tuple[str, ...]


SMALL = ("generator.channels=16", "generator.layers=3", "data.batch=64", "steps=200")
PHOTOS = ("task=super-resolution", "data.augment=flips", "validation.holdout=32", "steps=200")
RESIDUAL = (
    "latent.noise=16",
    "generator={name='residual', channels=32, groups=3}",
    "encoder={layout='convolutional', channels=32}",
)
OTHERS = {
    "vae-reconstruction": Other("vae", "reconstruction", "vae", "digits", ("task=reconstruction", "steps=1500")),
    "vae-x4": Other(
        "vae",
        "super-resolution x4",
        "vae",
        "photos",
        (*PHOTOS, *RESIDUAL, "variant.likelihood=gaussian", "variant.std=0.03", "data.patch=16", "data.batch=16"),
    ),
    "pixelcnn-small": Other("pixelrnn", "unconditional", "pixelcnn", "digits", SMALL),
    "pixelcnn-reconstruction": Other(
        "pixelrnn",
        "reconstruction",
        "pixelcnn",
        "digits",
        (*SMALL, "task=reconstruction", "latent.noise=16", "encoder.channels=16"),
    ),
    "pixelcnn-x4": Other(
        "pixelrnn",
        "super-resolution x4, 4x4 to 16x16",
        "pixelcnn",
        "photos",
        (*PHOTOS, "generator.levels=32", "generator.layers=3", "data.patch=4", "data.batch=32"),
    ),
}
QUIET = ("log_every=100", "checkpoint_every=100000", "validation.every=100000", "device=cpu")


def jobs() -> list[tuple[str, int]]:
    """All runs: the first seed of every family first, then the quick families."""
    every = [(name, seed) for name, family in FAMILIES.items() for seed in range(family.seeds)]
    return sorted(every, key=lambda job: job[1] > 0)
