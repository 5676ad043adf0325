"""Training in slices of time and stage after stage: deadlines, trunks of other scales."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.loop import train

SMALL = ["steps=5", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "validation.holdout=0"]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, *more], images)


def test_a_run_in_slices_equals_one_in_a_piece(two_classes: Path, tmp_path: Path) -> None:
    settings = "weights.fourier=0.05", "data.pipeline=device"
    assert train(recipe(two_classes, *settings), tmp_path / "whole", minutes=10).finished
    outcomes = [train(recipe(two_classes, *settings), tmp_path / "slices", minutes=0)]
    while not outcomes[-1].finished:
        outcomes.append(train(recipe(two_classes, *settings), tmp_path / "slices", resume=True, minutes=0))
    assert [(outcome.step, outcome.finished) for outcome in outcomes] == [(n, n == 5) for n in range(1, 6)]
    whole, slices = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "slices"))
    assert all(torch.equal(whole[name], slices[name]) for name in whole)


def test_the_trunk_of_another_scale_starts_a_run(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes, "steps=1", "data.patch=4"), tmp_path / "x4")
    source = tmp_path / "x4" / "model.safetensors"
    still = ["steps=1", "data.patch=4", "generator.scale=2", "optimizer.learning_rate=1e-12"]
    train(recipe(two_classes, *still), tmp_path / "fresh")
    train(recipe(two_classes, *still, f"initialise_from={source}", "initialise_parts=trunk"), tmp_path / "x2")
    x4, fresh, x2 = (load_file(tmp_path / run / "model.safetensors") for run in ("x4", "fresh", "x2"))
    for name, value in x2.items():
        expected = fresh if name.startswith("tail.") else x4
        torch.testing.assert_close(value, expected[name], atol=1e-9, rtol=0, msg=name)
    assert not torch.equal(fresh["head.weight"], x4["head.weight"])
    with pytest.raises(UserError, match="do not fit"):
        train(recipe(two_classes, *still, f"initialise_from={source}"), tmp_path / "all")
