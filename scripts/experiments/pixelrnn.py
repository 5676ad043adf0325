"""PixelCNN, Row LSTM and Diagonal BiLSTM on binary MNIST: table 4 of van den Oord et al. 2016.

    SRGAN_KIT_DATA=... python -m scripts.experiments.pixelrnn

The recipes `pixelcnn`, `row-lstm` and `diagonal-bilstm` as they are shipped. Images are binarised once by a seeded
draw; the paper's are another draw from the same grey values, so its figures are of another sample of the same
distribution.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scripts.lib.experiment import Figure, Values, open_experiment
from scripts.lib.likelihood import measured
from srgan_kit.data.image_dataset import load_test_images
from srgan_kit.images.grid import grid, save_image
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import MODEL

DATA = "gan/mnist.npz"
TINY = ("generator.channels=2", "generator.layers=1", "steps=2", "data.batch=2", "validation.every=2")
COLUMNS, ROWS = 20, 2
"""Of the samples of each network in the image."""


@dataclass(frozen=True)
class Network:
    """A recipe and what its paper found."""

    recipe: str
    title: str
    paper: float
    goal: float


NETWORKS = (
    Network("pixelcnn", "PixelCNN, 7 layers, h = 32", 81.30, 82.5),
    Network("row-lstm", "Row LSTM, 3 layers, h = 32", 80.54, 83.5),
    Network("diagonal-bilstm", "Diagonal BiLSTM, 1 layer, h = 32 (paper: 1 layer)", 80.75, 83.5),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is not trained, measure, write."""
    experiment = open_experiment(
        "pixelrnn",
        "Autoregressive networks, MNIST binarised once",
        "Van den Oord et al. 2016, arXiv:1601.06759, table 4",
        __doc__,
        argv,
    )
    images = 4 if experiment.smoke else None

    def measure(folder: Path) -> Values:
        found = measured(folder / MODEL, experiment.data / DATA, images)
        return {name: [found[name].value, found[name].error] for name in ("nll", "bits_per_dimension")}

    for network in NETWORKS:
        settings = TINY if experiment.smoke else ()
        found = experiment.measured(network.recipe, network.recipe, experiment.data / DATA, settings, measure)
        if found is None:
            continue
        (nats, error), (bits, bits_error) = found["nll"], found["bits_per_dimension"]
        experiment.figures += [
            Figure("nats", network.title, nats, error, network.paper, network.goal),
            Figure("bits per pixel", network.title, bits, bits_error),
        ]
        recipe = load_recipe(network.recipe, list(settings))
        experiment.settings[network.title] = f"{recipe.steps} steps of {recipe.data.batch} images"
    if not experiment.figures:
        sys.exit("no run is finished: the time was up (call again to go on), or it diverged")
    experiment.settings |= {"test images": images or 10_000, "seed": 0}
    experiment.notes = [
        "Spread is the standard error over the test images. Training and test images are binarised once by a seeded "
        "draw, each pixel white by its grey value; the paper's file is another draw.",
        "The paper's figure of the Row LSTM was not confirmed in a second source.",
        "The image shows draws of each network in this order, and test images in the last rows.",
    ]
    if folders := experiment.folders(network.recipe for network in NETWORKS):
        rows = [samples(folder / MODEL, 4 if experiment.smoke else COLUMNS * ROWS) for folder in folders]
        tests = load_test_images(experiment.data / DATA, 28, 1, "fixed")
        rows.append(tests[:: 10_000 // len(rows[0])][: len(rows[0])] / 255)
        experiment.images.mkdir(parents=True, exist_ok=True)
        save_image(grid(torch.cat(rows), COLUMNS, gap=1, smallest_side=1), experiment.images / "pixelrnn.png")
    print(experiment.write())


@torch.no_grad()
def samples(path: Path, count: int) -> Tensor:
    """Draws of a trained network, (count, 1, 28, 28)."""
    model = load_saved(path).model
    return model.generate(None, count=count, generator=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    main()
