"""A classifier of MNIST digits, trained once, and what it says of generated ones: the measures of every MNIST system.

"Sharpness" and "diversity" of a run's log reward noise: speckled strokes have more of both than real digits. These do
not, because the classifier is unsure of noise, and its features of noise are not those of digits.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.lib import paths
from srgan_kit.atomic import atomic_write
from srgan_kit.data.npz import LabelledArray, read_arrays
from srgan_kit.metrics.class_scores import inception_score, modified_inception_score
from srgan_kit.metrics.frechet import frechet_distance_of
from srgan_kit.metrics.samples import class_usage

MNIST = "gan/mnist.npz"
"""In the data folder."""
RUNS = Path("runs/experiments")
"""Where its weights are kept."""
PART = 500
"""Images that are shown to it at once."""


@dataclass(frozen=True)
class Effort:
    """How much it learns, and is asked."""

    images: int = 60_000
    epochs: int = 6
    compared: int = 10_000
    """Test images that generated ones are compared with."""


FULL, QUICK = Effort(), Effort(images=6000, epochs=2, compared=1000)
"""99.4 % of the test images right after three minutes of a core; and for a script that only shows that it works."""


class MnistClassifier(nn.Module):
    """Three convolutions and a hidden layer, (N, 1, 28, 28) in [0, 1] -> logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(1, 16),
            *_convolution(16, 32),
            *_convolution(32, 64),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 9, 64),
            nn.ReLU(),
        )
        """(N, 1, 28, 28) -> (N, 64): where distributions are compared."""
        self.classes = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classes(self.features(image))


def _convolution(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]


def mnist_measures(images: Tensor, effort: Effort = FULL) -> dict[str, float]:
    """What generated digits are like: (N, 1, 28, 28) in [0, 1], best 10,000 of them, on any device.

    `i_prime`: EBGAN's score, E KL(p(y) || p(y|x)), more is better; `inception`: the usual one, of at most 10;
    `frechet`: distance from the test images in 64 features, 0 for the same law; `entropy`: of the classes, at most
    ln 10; `sure`: the share of images of one class with a probability of 0.9 or more.
    """
    features, logits = _seen(images, effort)
    return {
        "i_prime": modified_inception_score(logits),
        "inception": inception_score(logits),
        "frechet": frechet_distance_of(features, _test_features(effort)),
        "entropy": class_usage(logits).entropy,
        "sure": (logits.softmax(1).amax(1) >= 0.9).double().mean().item(),
    }


def real_measures(effort: Effort = FULL) -> dict[str, float]:
    """The same of as many training images in the place of generated ones, and its accuracy on the tests."""
    file = read_arrays(paths.data_folder("images") / MNIST)
    assert file.test is not None
    images, _ = _tensors(file.train)
    tests, labels = (each[: effort.compared] for each in _tensors(file.test))
    right = (_seen(tests, effort)[1].argmax(1) == labels).double().mean().item()
    return mnist_measures(images[:: len(images) // effort.compared], effort) | {"accuracy": right}


@cache
def mnist_classifier(effort: Effort = FULL) -> MnistClassifier:
    """Trained once, by Adam with a rate that falls to nothing; then read from runs/."""
    path = RUNS / f"mnist-classifier-{effort.images}x{effort.epochs}.pt"
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        network = MnistClassifier()
        if path.exists():
            network.load_state_dict(torch.load(path, weights_only=True))
        else:
            _train(network, effort)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                torch.save(network.state_dict(), temporary)
    return network.eval().requires_grad_(False)


def _train(network: MnistClassifier, effort: Effort, batch: int = 100, rate: float = 3e-3) -> None:
    images, labels = _tensors(read_arrays(paths.data_folder("images") / MNIST).train)
    rows = torch.randperm(len(labels))[: effort.images]
    steps, done = effort.epochs * math.ceil(len(rows) / batch), 0
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(effort.epochs):
        for some in rows[torch.randperm(len(rows))].split(batch):
            adam.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * done / steps)) / 2
            adam.zero_grad()
            F.cross_entropy(network(images[some]), labels[some]).backward()
            adam.step()
            done += 1


@torch.no_grad()
def _seen(images: Tensor, effort: Effort) -> tuple[Tensor, Tensor]:
    """Features (N, 64) and logits (N, 10), on the CPU."""
    network = mnist_classifier(effort).to(images.device)
    features = torch.cat([network.features(part) for part in images.float().clamp(0, 1).split(PART)])
    return features.cpu(), network.classes(features).cpu()


@cache
def _test_features(effort: Effort) -> Tensor:
    test = read_arrays(paths.data_folder("images") / MNIST).test
    assert test is not None
    return _seen(_tensors(test)[0][: effort.compared], effort)[0]


def _tensors(part: LabelledArray) -> tuple[Tensor, Tensor]:
    """(N, 1, 28, 28) in [0, 1], and labels (N,)."""
    return torch.from_numpy(part.images).permute(0, 3, 1, 2) / 255, torch.from_numpy(part.labels)
