"""Releasing a generator: the measured figures, the card and the image of a real run."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from scripts.pretrained import release_generator
from srgan_kit.contracts import Codes
from srgan_kit.errors import UserError
from srgan_kit.models.build import build_critic, build_model
from srgan_kit.models.pretrained import pretrained_generators, read_summary
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import train

TINY = ["steps=2", "data.batch=4", "device=cpu", "precision=fp32", "log_every=1", "generator.hidden=8"]
TINY += ["encoder.hidden=8", "validation.every=2"]


def test_every_shipped_generator_can_be_released() -> None:
    assert set(pretrained_generators()) == set(release_generator.GENERATORS)
    for name, about in release_generator.GENERATORS.items():
        assert name in about.use


@pytest.mark.parametrize(("hours", "said"), [(1.36, "1.4 hours"), (0.99, "59.4 minutes"), (26 / 3600, "26 seconds")])
def test_durations_are_in_a_unit_that_fits(hours: float, said: str) -> None:
    assert release_generator.duration(hours) == said


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
    pretrained, images = tmp_path / "pretrained", tmp_path / "images"
    pretrained.mkdir()
    images.mkdir()
    folder = tmp_path / "run"
    train(load_recipe("vae", TINY, digits / "gan" / "mnist.npz"), folder)
    monkeypatch.setenv("SRGAN_KIT_DATA", str(digits))
    monkeypatch.setattr(release_generator, "PRETRAINED", pretrained)
    monkeypatch.setattr(release_generator, "IMAGES", images)
    monkeypatch.setattr(release_generator, "TESTED", 8)
    monkeypatch.setattr(sys, "argv", ["", "vae-mnist", str(folder), "--fails", "On everything."])
    release_generator.main()
    printed = json.loads(capsys.readouterr().out.split("{", 1)[1].join(["{", ""]))
    summary = read_summary(pretrained / "vae-mnist.safetensors")
    assert summary.measured == {"samples": printed}
    assert 0 < printed["IWAE-5000, nats"] < printed["-ELBO, nats"] < 2 * 784  # the looser bound is the larger
    assert (summary.makes, summary.system, summary.licence) == ("28x28 grey", "vae", "Apache-2.0")
    with safe_open(pretrained / "vae-mnist.safetensors", framework="np") as file:
        assert str(tmp_path) not in json.dumps(file.metadata())
        dtypes = {file.get_tensor(name).dtype for name in file.keys() if name.endswith("weight")}  # noqa: SIM118
    assert dtypes == {np.dtype(np.float16)}
    card = (pretrained / "vae-mnist.md").read_text(encoding="utf-8")
    assert "recipe vae: 2 steps, 8 images of 28x28, system vae, 1 nll + 1 kl" in card
    assert f"| -ELBO, nats | {printed['-ELBO, nats']:g} |" in card
    assert "On everything." in card
    assert (images / "vae-mnist.png").is_file()


def test_a_file_that_is_too_large_is_refused(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    train(load_recipe("vae", TINY, digits / "gan" / "mnist.npz"), folder)
    monkeypatch.setenv("SRGAN_KIT_DATA", str(digits))
    monkeypatch.setattr(release_generator, "LARGEST", 1000.0)
    monkeypatch.setattr(release_generator, "PRETRAINED", tmp_path)
    monkeypatch.setattr(sys, "argv", ["", "vae-mnist", str(folder), "--fails", "x"])
    with pytest.raises(SystemExit, match=r"would have .* MB, more than 0\.001"):
        release_generator.main()
    assert not list(tmp_path.glob("*.safetensors"))


def test_what_is_no_finished_run_is_refused(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: expected the folder of a finished run"):
        release_generator.finished_run("vae-mnist", tmp_path / "nowhere", digits)
    folder = tmp_path / "run"
    train(load_recipe("vae", TINY, digits / "gan" / "mnist.npz"), folder)
    (folder / "recipe.json").unlink()
    with pytest.raises(UserError, match=r"run: has no recipe\.json"):
        release_generator.finished_run("vae-mnist", folder, digits)


def networks(*settings: str) -> Any:
    """What releasing needs of a run: its averaged generator and its critic, new."""
    recipe = load_recipe("infogan", ["generator.channels=4", "critic.channels=4", *settings])
    model, critic = build_model(recipe, None).eval(), build_critic(recipe, None)
    assert critic is not None
    parts = (network.requires_grad_(False) for network in (model, critic.eval()))
    average, critic = (SimpleNamespace(network=network) for network in parts)
    return SimpleNamespace(average=average, critic=critic)


def test_what_is_measured_is_what_is_stored() -> None:
    run = networks("generator.dense=[6]")
    network = run.average.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stored = release_generator.round_weights(run)
    for name, value in network.state_dict().items():
        assert stored[name].dtype == (torch.float16 if value.is_floating_point() else value.dtype)
        assert torch.equal(stored[name].to(value.dtype), value)
        assert (value - before[name]).abs().max() <= 2**-11 * before[name].abs().max()
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


@torch.no_grad()
def test_codes_are_put_in_the_order_of_their_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code k of the released generator draws what the code named k drew before, and Q says so."""
    for dense in ("[6]", "[]"):
        run = networks(f"generator.dense={dense}")
        model, critic = run.average.network, run.critic.network
        names = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
        monkeypatch.setattr(release_generator, "code_names", lambda run, names=names: names)
        noise, numbers = torch.randn(10, 62), torch.rand(10, 2)

        def drawn(classes: torch.Tensor, model=model, noise=noise, numbers=numbers) -> torch.Tensor:
            return model.generate(model.vector(noise, Codes(classes[:, None], numbers)))

        image, before = torch.rand(3, 1, 28, 28), drawn(torch.arange(10))
        said = critic(image).codes
        release_generator.in_order_of_digits(run)
        torch.testing.assert_close(drawn(names), before)
        after = critic(image).codes
        torch.testing.assert_close(after.categorical[0][:, names], said.categorical[0])
        torch.testing.assert_close(after.mean, said.mean)
