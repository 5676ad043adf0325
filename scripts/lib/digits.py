"""MNIST for experiments that are judged by its test set: apart from what is trained on, and measured once."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srgan_kit.atomic import atomic_write
from srgan_kit.training.run import Run

FILE = "gan/mnist.npz"
AT_ONCE = 500
"""Images that a critic judges at a time."""


def without_test_set(data: Path, work: Path, images: int | None = None) -> Path:
    """An .npz with the training images alone, so that a run validates on some of them; made once.

    Args:
        data: the data folder.
        work: where it goes.
        images: about so many of them, of all classes; None for all.
    """
    path = work / "mnist-train.npz"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        with np.load(data / FILE) as file, atomic_write(path) as temporary, temporary.open("wb") as written:
            some = slice(None, None, len(file["x_train"]) // images if images else 1)  # they are sorted by class
            np.savez(written, x_train=file["x_train"][some], y_train=file["y_train"][some])
    return path


def test_set(data: Path) -> tuple[Tensor, Tensor]:
    """The test images (10,000, 1, 28, 28) in [0, 1] and their labels, int64."""
    with np.load(data / FILE) as file:
        images, labels = file["x_test"], file["y_test"].astype(np.int64)
    return torch.from_numpy(images)[:, None].float() / 255, torch.from_numpy(labels)


@torch.no_grad()
def class_logits(run: Run, images: Tensor) -> Tensor:
    """What the measured critic of a restored run says of images: (N, 1, 28, 28) -> logits (N, K)."""
    critic = run.measured_critic.eval()
    return torch.cat([critic(part).class_logits for part in images.split(AT_ONCE)])
