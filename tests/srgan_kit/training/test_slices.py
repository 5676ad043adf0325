"""Training in slices of time and stage after stage: deadlines, trunks of other scales."""

from pathlib import Path

import numpy as np
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


def test_any_generator_starts_from_a_run_of_its_own_kind_with_its_encoder(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_train=np.random.default_rng(0).integers(0, 256, (20, 6, 6)).astype(np.uint8))
    small = ["data.size=6", "data.batch=4", "steps=1", "device=cpu", "generator.hidden=4", "encoder.hidden=4"]

    def vae(*more: str) -> Recipe:
        return load_recipe("vae", [*small, *more], tmp_path / "data.npz")

    train(vae(), tmp_path / "first")
    start, still = f"initialise_from={tmp_path / 'first'}", ("optimizer.learning_rate=1e-12", "seed=5")
    train(vae(start, *still, "variant.samples=3"), tmp_path / "second")
    train(vae(*still), tmp_path / "fresh")
    first, second, fresh = (load_file(tmp_path / run / "model.safetensors") for run in ("first", "second", "fresh"))
    assert {name.partition(".")[0] for name in first} == {"encoder", "decoder"}
    for name, value in second.items():
        torch.testing.assert_close(value, first[name], atol=1e-6, rtol=0, msg=name)
    assert not torch.allclose(fresh["encoder.layers.1.weight"], first["encoder.layers.1.weight"], atol=1e-3)
    with pytest.raises(
        UserError, match=r"do not fit this recipe's generator: encoder\.layers\.1\.weight: expected 5x36"
    ):
        train(vae(start, "encoder.hidden=5"), tmp_path / "wider")
    with pytest.raises(UserError, match="initialise_parts 'trunk': of super-resolvers"):
        train(vae(start, "initialise_parts=trunk"), tmp_path / "trunk")
    with pytest.raises(UserError, match="upscales images"):
        train(vae("initialise_from=x4-fidelity"), tmp_path / "upscaler")
