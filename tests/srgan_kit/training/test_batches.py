"""How many processes make batches, where the recipe does not say."""

import os

import pytest
import torch

from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.batches import _workers


@pytest.mark.parametrize(
    ("cores", "device", "settings", "workers"),
    [
        (8, "cpu", [], 0),
        (8, "cpu", ["data.degradation=light"], 1),
        (1, "cpu", ["data.degradation=light"], 0),
        (8, "cuda", [], 7),
        (64, "cuda", [], 8),
        (1, "cuda", [], 0),
        (8, "cuda", ["data.workers=0"], 0),
        (1, "cpu", ["data.workers=3"], 3),
    ],
)
def test_workers(cores: int, device: str, settings: list[str], workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert _workers(load_recipe("smoke", settings), torch.device(device)) == workers
