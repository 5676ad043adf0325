"""MNIST as black and white images, and a classifier of its digits."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgan_kit.atomic import atomic_write


def binary_data(source: Path, folder: Path) -> Path:
    """The images at a threshold of one half, once, in an .npz that all runs read."""
    path = folder / "binary.npz"
    if not path.exists():
        with np.load(source) as file:
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
        for name in ("x_train", "x_test"):
            arrays[name] = np.where(arrays[name] >= 128, 255, 0).astype(np.uint8)
        with atomic_write(path) as temporary:
            np.savez(temporary, **arrays)
    return path


class Digits:
    """The data as the measures need them: (N, 1, 28, 28) of 0 and 1, in an order that is no order of classes."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in ("x_train", "y_train", "x_test", "y_test")}
        mixed = torch.Generator().manual_seed(0)
        order = torch.randperm(len(arrays["y_train"]), generator=mixed)
        self.train, self.train_label = arrays["x_train"][order, None] / 255, arrays["y_train"][order].long()
        order = torch.randperm(len(arrays["y_test"]), generator=mixed)
        self.test, self.test_label = arrays["x_test"][order, None] / 255, arrays["y_test"][order].long()


class Classifier(nn.Module):
    """A small convolutional classifier of digits; its last hidden layer is where distributions are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 64),
            nn.ReLU(),
        )
        self.classes = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> logits (N, 10)."""
        return self.classes(self.features(image))


def classifier(digits: Digits, folder: Path) -> Classifier:
    """Trained once: two epochs of Adam."""
    torch.manual_seed(0)
    network, path = Classifier(), folder / "classifier.pt"
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval().requires_grad_(False)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(2):
        for rows in torch.randperm(len(digits.train)).split(128):
            adam.zero_grad()
            F.cross_entropy(network(digits.train[rows]), digits.train_label[rows]).backward()
            adam.step()
    with atomic_write(path) as temporary:
        torch.save(network.state_dict(), temporary)
    return network.eval().requires_grad_(False)
