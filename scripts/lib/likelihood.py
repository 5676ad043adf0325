"""What trained generators are worth on a test set, measured once and kept beside the model."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch

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
    digest = hashlib.sha256(model.read_bytes() + f"{images} {samples}".encode()).hexdigest()
    kept = model.with_name("measured.json")
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if digest not in found:
        saved = load_saved(model)
        test = load_test_images(data, saved.recipe.data.size, saved.recipe.data.channels, saved.recipe.data.binarise)
        chosen = test[torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:images]]
        found = {digest: {name: asdict(value) for name, value in evaluate_generative(saved, chosen, samples).items()}}
        kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return {name: Measured(**value) for name, value in found[digest].items()}
