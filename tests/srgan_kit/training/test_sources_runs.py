"""Runs on shards, on several sources, on 16 bits and one channel, at other scales: exact, and usable afterwards."""

import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from srgan_kit.errors import UserError
from srgan_kit.images.read import read_image
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.loop import train
from srgan_kit.training.run import Run

TINY = ["device=cpu", "precision=fp32", "steps=4", "checkpoint_every=2", "validation.every=4", "log_every=1"]
TINY += ["generator.channels=4", "generator.groups=1", "data.patch=8", "data.batch=3", "validation.holdout=1"]
SMALL = {"name": "tiny", "steps": 4, "weights": {"pixel": 1.0}}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of colour images, another of grey ones with 16 bits, and a shard of the first."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for number in range(4):
        for name, size, kind in (("colour", (72, 80, 3), np.uint8), ("deep", (80, 72), np.uint16)):
            (root / name).mkdir(exist_ok=True)
            pixels = random.integers(0, np.iinfo(kind).max + 1, size).astype(kind)
            Image.fromarray(pixels).save(root / name / f"{name}{number}.png")
    with tarfile.open(root / "shard.tar", "w") as shard:
        shard.add(root / "colour", "colour")
    return root


def mixed(images: Path, *settings: str) -> Recipe:
    sources = f'[{{folder="{images / "shard.tar"}"}}, {{folder="{images / "deep"}", weight=2}}]'
    return load_recipe("smoke", [*TINY, f"data.sources={sources}", *settings])


def test_a_run_on_a_shard_and_a_folder_resumes_exactly_with_any_workers(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(mixed(images), tmp_path / "whole")

    def interrupted_step(run: Run, *arguments: Any, **named: Any) -> dict[str, float]:
        if run.step == 1:
            signal.raise_signal(signal.SIGINT)
        return step(run, *arguments, **named)

    step = Run.train_step
    monkeypatch.setattr(Run, "train_step", interrupted_step)
    assert train(mixed(images), tmp_path / "parts").step == 2
    monkeypatch.undo()
    resumed = mixed(images, "data.workers=1", "data.cache_megabytes=0")
    assert train(resumed, tmp_path / "parts", resume=True).finished
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_moved_sources_are_resumed_upon_and_other_weights_are_not(images: Path, tmp_path: Path) -> None:
    train(mixed(images, "steps=2"), tmp_path / "run")
    (tmp_path / "moved").symlink_to(images)
    train(mixed(tmp_path / "moved"), tmp_path / "run", resume=True)
    sources = f'[{{folder="{images / "shard.tar"}"}}, {{folder="{images / "deep"}", weight=3}}]'
    with pytest.raises(UserError, match=r"--resume: the run was started with data\.sources"):
        train(load_recipe("smoke", [*TINY, f"data.sources={sources}", "steps=5"]), tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        (["generator.scale=1", "data.channels=1", "data.degradation=light"], 1),
        (["generator.scale=8", "data.channels=1"], 8),
        (["generator=srresnet", "generator.scale=1", "generator.blocks=1", "data.degradation=second-order"], 1),
    ],
)
def test_the_upscale_command_runs_what_was_trained(
    images: Path, tmp_path: Path, settings: list[str], scale: int, command: Callable[..., tuple[int, str, str]]
) -> None:
    tiny = [each for each in TINY if "srresnet" not in str(settings) or not each.startswith("generator.")]
    recipe = load_recipe("smoke", [*tiny, "steps=1", *settings], images / "deep")
    if recipe.generator.name == "srresnet":
        recipe = recipe.model_copy(update={"generator": recipe.generator.model_copy(update={"channels": 4})})
    train(recipe, tmp_path / "run")
    for kind, name in (("deep", "deep0"), ("colour", "colour0")):
        out = tmp_path / f"{name}.png"
        status, _, errors = command("upscale", images / kind / f"{name}.png", "-m", tmp_path / "run", "-o", out)
        assert status == 0, errors
        before, after = (read_image(path) for path in (images / kind / f"{name}.png", out))
        assert after.size == (before.size[0] * scale, before.size[1] * scale)
        assert after.pixels.dtype == before.pixels.dtype
        assert after.pixels.shape[2] == before.pixels.shape[2]


def refused(message: str, table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(SMALL | table)


def test_what_does_not_go_together_is_refused_with_what_would() -> None:
    refused(
        r"scale: 'rrdb' has 1, 2, 4, got 8; use residual or reparameterised or srresnet for it",
        {"generator": {"name": "rrdb", "scale": 8}},
    )
    refused(
        "1 needs degraded images; the bicubic leaves them as they are: set data.degradation",
        {"generator": {"name": "residual", "scale": 1}},
    )
    refused(r"data\.grey: for colour images, not for data\.channels = 1", {"data": {"channels": 1, "grey": 0.5}})
    refused(
        "generator.image_channels: expected data.channels, which sets it",
        {"generator": {"name": "residual", "image_channels": 1}},
    )
    both = {"folder": "a", "sources": [{"folder": "b"}]}
    refused("folder and sources: two ways to say where images are; give one of them", {"data": both})
    some = {"sources": [{"folder": "a", "lr_folder": "x"}, {"folder": "b"}]}
    refused("some have an lr_folder and some have none; give it to all of them or to none", {"data": some})
    refused("weight", {"data": {"sources": [{"folder": "a", "weight": 0}]}})
    Recipe.model_validate(SMALL | {"generator": {"name": "residual", "scale": 1}, "data": {"lr_folder": "x"}})


def test_a_source_that_is_held_out_as_a_whole_is_named(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="all its images are held out"):
        train(mixed(images, "validation.holdout=7", "validation.holdout_part=1"), tmp_path / "run")
