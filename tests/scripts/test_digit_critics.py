"""The experiments on Improved GAN and CatGAN: a few steps of all runs, and what their figures are made of."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.experiments import catgan, improved_gan
from scripts.lib import digits
from scripts.lib.runs import restored
from srgan_kit.recipes.load import load_recipe


def test_improved_gan_smoke(data_folder: Path, tmp_path: Path) -> None:
    improved_gan.main(["--smoke", "--work", str(tmp_path)])
    result = json.loads((tmp_path / "improved_gan.json").read_text(encoding="utf-8"))
    errors = {name: run["values"]["errors"] for name, run in result["runs"].items()}
    assert set(errors) == set(improved_gan.PLANS)
    assert all(5000 < each <= 10_000 for each in errors.values())  # four steps: the test set is measured
    assert [figure["paper"] for figure in result["figures"]] == [93.0, 86.0, 1677.0, 221.0, 90.0, None]
    sets = [errors[name] for name in improved_gan.SETS]
    runs = {name: errors[name] for name in improved_gan.SETS}
    assert result["ensemble"] == {"runs": runs, "errors": result["figures"][1]["ours"]}
    assert result["figures"][0]["ours"] == pytest.approx(np.mean(sets), rel=1e-4)
    assert result["figures"][0]["spread"] == pytest.approx(np.std(sets, ddof=1), rel=1e-3)
    width, height = Image.open(tmp_path / "improved_gan.png").size
    assert width > 2 * height > 600
    plan = improved_gan.PLANS["100-labels-2"]
    recipe = load_recipe("improved-gan", plan.all_settings(True), tmp_path / "mnist-train.npz")
    run = restored(recipe, tmp_path / "100-labels-2")
    images, labels = digits.test_set(data_folder)
    assert run.critic_average is not None
    with torch.no_grad():
        said = run.critic_average.network(images).class_logits.argmax(dim=1)
    assert errors["100-labels-2"] == int((said != labels).sum())


def test_catgan_smoke(data_folder: Path, tmp_path: Path) -> None:
    catgan.main(["--smoke", "--work", str(tmp_path)])
    result = json.loads((tmp_path / "catgan.json").read_text(encoding="utf-8"))
    assert set(result["runs"]) == set(catgan.RUNS)
    found = {name: run["values"] for name, run in result["runs"].items()}
    best = min(catgan.SEEDS, key=lambda seed: found[f"no-labels-{seed}"]["validation_percent"])
    assert result["figures"][0]["ours"] == found[f"no-labels-{best}"]["error_percent"]
    assert result["figures"][2]["ours"] == found["labels-1"]["error_percent"] < 100
    assert Image.open(tmp_path / "catgan.png").width > 700


def test_what_is_trained_on_has_all_classes_and_no_test_images(data_folder: Path, tmp_path: Path) -> None:
    path = digits.without_test_set(data_folder, tmp_path / "new", 600)
    with np.load(path) as file:
        assert set(file.files) == {"x_train", "y_train"}
        assert len(file["x_train"]) == 600
        assert np.bincount(file["y_train"], minlength=10).min() > 40
    assert digits.without_test_set(data_folder, tmp_path / "new") == path  # made once
    images, labels = digits.test_set(data_folder)
    assert images.shape == (10_000, 1, 28, 28)
    assert 0.1 < float(images.mean()) < 0.2
    assert labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_a_cluster_has_the_name_of_its_most_frequent_digit() -> None:
    logits = torch.eye(4)[[0, 0, 0, 1, 1, 3]]
    assert catgan.names(logits, torch.tensor([7, 7, 2, 5, 5, 0])).tolist() == [7, 5, -1, 0]
    assert improved_gan.wrong(logits, torch.tensor([0, 0, 1, 1, 1, 3])) == 1
