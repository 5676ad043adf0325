"""The runs: images from a network's features, trained by each combination of three losses."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.lib import paths
from scripts.lib.experiment import Experiment, Values
from scripts.lib.few_images import images_of
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe

FLOWERS = "flowers64.npz"
TERMS = ("perceptual", "adversarial", "image")
"""The losses: of features, of the critic, of pixels."""
ALL, NO_CRITIC, NO_FEATURES, NO_IMAGE = "111", "101", "011", "110"
FEATURES_ALONE, CRITIC_ALONE, IMAGE_ALONE = "100", "010", "001"
CELLS = {
    ALL: "all three",
    NO_CRITIC: "features + image",
    NO_FEATURES: "adversarial + image",
    NO_IMAGE: "features + adversarial",
    IMAGE_ALONE: "image alone",
    FEATURES_ALONE: "features alone",
    CRITIC_ALONE: "adversarial alone",
}
"""Which of the three are on. That none is leaves nothing to learn from."""

STEADY = ("perceptual.translation=8", "critic_weights.r1=1", "techniques.r1_every=4")
"""Without the shifts images take on the comparator's pattern; without R1 the critic soon tells all images apart."""


@dataclass(frozen=True)
class Comparator:
    """The network whose features are inverted and compared, and how."""

    name: str
    file: str
    """Its weights, in the data folder's weights/."""
    layer: str
    size: int
    """Of the images."""
    steps: int
    cells: tuple[str, ...]
    """In the order in which they are trained."""
    scale: float
    """What makes its features about 1."""
    weights: tuple[float, float, float]
    """Of the three losses, where they are on."""
    judge: str
    """The comparator that judges what comes out, which has no part in it."""

    def recipe(self, exp: Experiment, cell: str) -> Recipe:
        """What a combination is trained by."""
        return load_recipe("deepsim", self.settings(exp, cell), images_of(exp, FLOWERS))

    def settings(self, exp: Experiment, cell: str) -> list[str]:
        """The network and its layer, the sizes of the players, the weights of the losses."""
        pairs = zip(TERMS, cell, self.weights, strict=True)
        file = json.dumps(str(exp.data / "weights" / self.file))
        width = 4 if exp.smoke else 16
        return [
            f"perceptual.network={self.name}",
            f"perceptual.weights={file}",
            f"perceptual.layers={{{self.layer}=1.0}}",
            f"reconstruction.layer={self.layer}",
            f"reconstruction.scale={self.scale}",
            f"data.size={self.size}",
            f"data.batch={2 if exp.smoke else 16}",
            f"generator.channels={width}",
            f"critic.channels={width}",
            f"steps={2 if exp.smoke else self.steps}",
            f"validation.every={2 if exp.smoke else 250}",
            *STEADY,
            *(["validation.holdout=8"] if exp.smoke else []),
            *(f"weights.{term}={weight if on == '1' else 0.0}" for term, on, weight in pairs),
        ]

    def run(self, exp: Experiment, cell: str, measure: Callable[[Path], Values]) -> Values | None:
        """What is measured of a run, None where there was no time for it."""
        images, settings = images_of(exp, FLOWERS), self.settings(exp, cell)
        return exp.measured(self.folder(cell), "deepsim", images, settings, measure)

    def folder(self, cell: str) -> str:
        """Of a run, in the experiment's."""
        return f"{self.name}-{cell}"


SQUEEZENET = Comparator(
    "squeezenet", paths.NETWORKS["lpips"], "fire9", 64, 2500, tuple(CELLS), 0.1, (3e-6, 0.03, 2e-3), "vgg16"
)
VGG16 = Comparator(
    "vgg16",
    "vgg16_oxford_conv5_3_fp16.pth",
    "pool4",
    48,
    1500,
    (ALL, NO_CRITIC, NO_FEATURES, NO_IMAGE, IMAGE_ALONE),
    0.005,
    (7e-9, 0.03, 2e-3),
    "squeezenet",
)
COMPARATORS = {each.name: each for each in (SQUEEZENET, VGG16)}

SR = (
    "variant=deepsim",
    "critic={name='dcgan', channels=16, conditional=true}",
    "weights.adversarial=0.005",
    "weights.image=1e-4",
    "data.patch=24",
    "data.batch=8",
    "ema=0.98",
    "optimizer.warmup=20",
    "optimizer.final_learning_rate=1e-4",
)
SUPER_RESOLVERS = {
    "sum": ("a critic that adds what it sees in both", ()),
    "fit": ("a critic that learns the fit", ("critic.condition_hidden=128", "critic_weights.mismatch=1")),
}
"""Super-resolvers whose critic sees the low-resolution image, and what the recipe says besides."""


def super_resolver(exp: Experiment, name: str, measure: Callable[[Recipe, Path], Values]) -> Values | None:
    """What is measured of one of `SUPER_RESOLVERS`, trained from x4-fidelity; None where there was no time for it."""
    vgg = json.dumps(str(exp.data / "weights" / paths.NETWORKS["perceptual"]))
    settings = [*SR, *SUPER_RESOLVERS[name][1], f"perceptual.weights={vgg}", f"steps={1 if exp.smoke else 300}"]
    settings += ["data.batch=2"] if exp.smoke else []
    images = exp.data / ("sr_test/Set5/HR" if exp.smoke else "sr_train")
    recipe = load_recipe("perceptual-x4", settings, images)
    return exp.measured(f"sr-{name}", "perceptual-x4", images, settings, partial(measure, recipe))
