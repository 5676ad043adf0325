"""The experiments on MNIST and its toys, a few steps of everything: they write figures, an image, and go on."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from scripts.experiments import gan
from scripts.experiments.ebgan import __main__ as ebgan
from scripts.experiments.ebgan.picture import picture
from scripts.experiments.ebgan.search import GRID, KINDS, Networks, chosen, settings_of, wins
from scripts.experiments.f_gan import __main__ as f_gan
from scripts.experiments.f_gan import mixture
from scripts.experiments.f_gan.digits import _shuffled
from scripts.lib import mnist_classifier
from scripts.lib.mnist_classifier import QUICK, mnist_measures, real_measures
from srgan_kit.generators.settings import GeneratorSpec
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.networks import build_critic


@pytest.fixture(autouse=True)
def _classifier_elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_classifier, "RUNS", tmp_path_factory.getbasetemp() / "classifier")


@pytest.mark.parametrize("experiment", [gan, ebgan, f_gan])
def test_a_few_steps_of_everything_write_figures_and_an_image(experiment, data_folder: Path, tmp_path: Path) -> None:
    name = experiment.__name__.split(".")[2]
    experiment.main(["--smoke", "--work", str(tmp_path)])
    result = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert len(result["figures"]) > 5
    assert result["unfinished"] == []
    assert all(np.isfinite(figure["ours"]) for figure in result["figures"])
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.size > (200, 50)


def test_the_measures_tell_digits_from_noise_and_from_one_digit(data_folder: Path) -> None:
    with np.load(data_folder / mnist_classifier.MNIST) as file:
        digits = torch.from_numpy(file["x_train"][:2000, None]) / 255
    real, noise = mnist_measures(digits, QUICK), mnist_measures(torch.rand(500, 1, 28, 28), QUICK)
    one = mnist_measures(digits[:1].expand(500, -1, -1, -1), QUICK)
    assert real["i_prime"] > 4 * max(noise["i_prime"], one["i_prime"])
    assert real["frechet"] < 0.2 * min(noise["frechet"], one["frechet"])
    assert one["i_prime"] == pytest.approx(0, abs=1e-6)
    assert one["inception"] == pytest.approx(1, abs=1e-6)
    assert real_measures(QUICK)["accuracy"] > 0.85


def test_the_optimum_is_the_papers() -> None:
    """The optima that the paper prints, which are recomputed here."""
    for name, best in {"kl": (0.2831, 1.0100, 1.8308), "pearson": (0.6457, 0.5737, 1.9274)}.items():
        assert mixture.optimum(name) == pytest.approx(best, abs=5e-4)


def test_the_generator_of_the_mixture_is_a_mean_and_a_standard_deviation() -> None:
    recipe = load_recipe("f-gan", [*mixture.SETTINGS, "seed=1"])
    network = recipe.generator.build(GeneratorSpec(image_channels=1, size=1, latent=1))
    assert recipe.variant.generator == "minimax"  # pyright: ignore[reportAttributeAccessIssue]
    assert [parameter.numel() for parameter in network.parameters()] == [1, 1]


def test_a_longer_search_begins_with_a_shorter_one() -> None:
    assert chosen(5) == chosen(32)[:5]
    assert len(set(chosen(32))) == 32
    assert len(GRID) == 512  # as many as the paper's EBGANs
    recipe, settings = settings_of(KINDS[1], GRID[-1])
    critic = load_recipe(recipe, settings).critic
    assert critic is not None
    assert critic.model_dump().items() >= {"channels": 256, "encoder_layers": 3, "dropout": 0.5}.items()
    assert load_recipe(recipe, settings).generator_weights["pulling_away"] == 0.1
    recipe, settings = settings_of(KINDS[3], GRID[-1])
    assert load_recipe(recipe, settings).optimizer.learning_rate == 1e-4


@pytest.mark.parametrize("networks", [GRID[0], GRID[-1]])
def test_critics_of_a_point_have_as_many_layers(networks: Networks) -> None:
    for kind in KINDS:
        recipe, settings = settings_of(kind, networks)
        critic = build_critic(load_recipe(recipe, settings), None)
        assert critic is not None
        assert sum(isinstance(layer, nn.Linear) for layer in critic.modules()) == networks.critic_layers


def test_images_that_lie_class_by_class_are_mixed_always_alike() -> None:
    part = SimpleNamespace(images=np.arange(200, dtype=np.uint8).reshape(200, 1, 1, 1))
    mixed = (_shuffled(part) * 255).round().flatten().int().tolist()
    assert sorted(mixed) == [*range(200)]
    assert 60 < np.mean(mixed[:100]) < 140  # in the file's order 49.5
    assert mixed == (_shuffled(part) * 255).round().flatten().int().tolist()


def test_wins_are_a_share_of_pairs() -> None:
    assert wins([2.0, 3.0], [1.0]) == 1
    assert wins([2.0, 0.0], [1.0, 2.0]) == (1 + 0.5) / 4


def test_the_histogram_has_a_bar_for_every_kind() -> None:
    image = picture({"a": [0.0, 1.0], "b": [2.0]}, 3.0, {"a": torch.zeros(1, 30, 100)})
    pixels = np.asarray(image)
    blue = (pixels == (26, 95, 180)).all(2)
    assert blue[:110].any()
    assert blue[150:].any()
