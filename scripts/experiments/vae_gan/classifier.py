"""A classifier of digits that no system was trained on: what it sees in an image is what is measured."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

BATCH = 100


class Classifier(nn.Module):
    """Two strided convolutions and two dense layers: (N, 1, 28, 28) in [0, 1] -> logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Flatten()
        )
        self.hidden = nn.Sequential(nn.Linear(64 * 49, 128), nn.ReLU())
        self.head = nn.Linear(128, 10)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, 28, 28) in [0, 1] -> logits (N, 10)."""
        return self.head(self.seen(image))

    def seen(self, image: Tensor) -> Tensor:
        """(N, 1, 28, 28) in [0, 1] -> (N, 128): what the last hidden layer sees."""
        return self.hidden(self.features(image - 0.5))


def trained_classifier(path: Path, digits: Path, steps: int) -> Classifier:
    """The classifier of a file, or a new one, trained for so many steps and saved there."""
    torch.manual_seed(0)
    network = Classifier()
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval().requires_grad_(False)
    with np.load(digits) as file:
        images, labels = torch.from_numpy(file["x_train"]), torch.from_numpy(file["y_train"]).long()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(steps):
        chosen = torch.randint(len(images), (BATCH,))
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        loss = nn.functional.cross_entropy(network(images[chosen, None].float() / 255), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)
    return network.eval().requires_grad_(False)
