"""Releasing a generator: the measured figures, the card and the image of a real run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from scripts.pretrained import release_generator
from scripts.pretrained.train import PLANS
from srgan_kit.models.pretrained import read_summary
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import train

TINY = ["steps=2", "data.batch=4", "device=cpu", "precision=fp32", "log_every=1", "generator.hidden=8"]
TINY += ["encoder.hidden=8", "validation.every=2"]


def test_every_planned_generator_can_be_released() -> None:
    planned = {name for name, plan in PLANS.items() if plan.data.startswith("gan/")}
    assert planned == set(release_generator.GENERATORS)
    assert {name: about.use.count(name) > 0 for name, about in release_generator.GENERATORS.items()} == dict.fromkeys(
        planned, True
    )


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A folder with gan/mnist.npz: a few black squares on white, and some to test on."""
    random = np.random.default_rng(0)
    images = (random.random((40, 28, 28)) > 0.5).astype(np.uint8) * 255
    labels = np.arange(40) % 10
    (tmp_path / "data" / "gan").mkdir(parents=True)
    file = tmp_path / "data" / "gan" / "mnist.npz"
    np.savez(file, x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    return tmp_path / "data"


def test_a_vae_becomes_weights_a_card_and_a_picture(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, pretrained, images = tmp_path / "runs", tmp_path / "pretrained", tmp_path / "images"
    pretrained.mkdir()
    images.mkdir()
    folder = runs / "vae-mnist" / "1-vae"
    train(load_recipe("vae", TINY, digits / "gan" / "mnist.npz"), folder)
    monkeypatch.setenv("SRGAN_KIT_DATA", str(digits))
    monkeypatch.setattr(release_generator, "PRETRAINED", pretrained)
    monkeypatch.setattr(release_generator, "IMAGES", images)
    monkeypatch.setattr(release_generator, "TESTED", 8)
    monkeypatch.setattr(sys, "argv", ["", "vae-mnist", "--runs", str(runs), "--fails", "On everything."])
    release_generator.main()
    printed = json.loads(capsys.readouterr().out.split("{", 1)[1].join(["{", ""]))
    summary = read_summary(pretrained / "vae-mnist.safetensors")
    assert summary.measured == {"samples": printed}
    assert 0 < printed["IWAE-5000, nats"] < printed["-ELBO, nats"] < 2 * 784  # the looser bound is the larger
    assert (summary.makes, summary.system, summary.licence) == ("28x28 grey", "vae", "Apache-2.0")
    with safe_open(pretrained / "vae-mnist.safetensors", framework="np") as file:
        assert str(tmp_path) not in json.dumps(file.metadata())
    card = (pretrained / "vae-mnist.md").read_text(encoding="utf-8")
    assert "1-vae: recipe vae; 2 steps, 8 images of 28x28, system vae" in card
    assert f"| -ELBO, nats | {printed['-ELBO, nats']:g} |" in card
    assert "On everything." in card
    assert (images / "vae-mnist.png").is_file()


def test_a_file_that_is_too_large_is_refused(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "vae-mnist" / "1-vae"
    train(load_recipe("vae", TINY, digits / "gan" / "mnist.npz"), folder)
    monkeypatch.setenv("SRGAN_KIT_DATA", str(digits))
    monkeypatch.setattr(release_generator, "LARGEST", 1000.0)
    monkeypatch.setattr(release_generator, "PRETRAINED", tmp_path)
    monkeypatch.setattr(sys, "argv", ["", "vae-mnist", "--runs", str(tmp_path / "runs"), "--fails", "x"])
    with pytest.raises(SystemExit, match=r"has .* MB, more than 0\.001"):
        release_generator.main()
    assert not list(tmp_path.glob("*.safetensors"))
