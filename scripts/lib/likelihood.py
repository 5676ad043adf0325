"""What trained generators are worth on a test set, measured once and kept beside the model."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from scripts.lib.kept import kept
from srgan_kit.data.image_dataset import load_test_images
from srgan_kit.models.evaluation import Measured, evaluate_generative
from srgan_kit.models.generative import load_saved


def measured(model: Path, data: Path, images: int | None = None, samples: int = 1) -> dict[str, Measured]:
    """What `srgan-kit evaluate MODEL --data FILE` prints, by name; kept in the model's folder until the model changes.

    Args:
        model: a run's weights.
        data: an .npz with a test set.
        images: only so many test images; None for all.
        samples: codes for each image where likelihoods are estimated by them.
    """

    def found() -> dict[str, Any]:
        saved = load_saved(model)
        test = load_test_images(data, saved.recipe.data.size, saved.recipe.data.channels, saved.recipe.data.binarise)
        chosen = test[torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:images]]
        return {name: asdict(value) for name, value in evaluate_generative(saved, chosen, samples).items()}

    values = kept(model.with_name("measured.json"), model, found, f"{images} {samples}")
    return {name: Measured(**value) for name, value in values.items()}
