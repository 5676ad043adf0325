"""A run's critic as a comparator."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from srgan_kit.contracts import Batch, Sample
from srgan_kit.errors import UserError
from srgan_kit.tasks.content import Content
from srgan_kit.tasks.critic_features import CriticFeatures
from srgan_kit.training.run import Run


@pytest.fixture
def run(tiny, tmp_path: Path) -> Run:
    """A run that has learned for two steps, and is saved."""
    made = tiny.run(tiny.recipe("unconditional", "gan", "data.channels=1"), tmp_path)
    for _ in range(2):
        tiny.step(made)
    made.save()
    return made


def test_the_maps_are_those_of_the_critic_in_evaluation_mode(run: Run) -> None:
    assert run.critic is not None
    grey = torch.rand(3, 1, 32, 32)
    features = CriticFeatures(["map1", "map3"], run.folder)
    run.critic.network.eval()
    wanted = run.critic.network(grey).features
    seen = features(grey.expand(-1, 3, -1, -1))
    assert torch.equal(features.train()(grey.expand(-1, 3, -1, -1))["map3"], seen["map3"])
    assert seen.keys() == {"map1", "map3"}
    torch.testing.assert_close(seen["map1"], wanted[0])
    torch.testing.assert_close(seen["map3"], wanted[2])
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_a_recipe_compares_by_half_the_squares_of_the_differences(run: Run, tiny) -> None:
    settings = ["weights.nll=0.0", "weights.perceptual=1.0", "data.channels=1"]
    settings += ["perceptual.network=critic", "perceptual.distance=euclidean", "perceptual.layers={map2=1.0}"]
    recipe = tiny.recipe("reconstruction", "vae", *settings, f"perceptual.weights={run.folder / 'checkpoint.pt'}")
    real, fake = torch.rand(2, 3, 1, 32, 32)
    term = Content(recipe, torch.device("cpu"))(Batch(real), Sample(fake))["perceptual"]
    assert run.critic is not None
    run.critic.network.eval()
    maps = [run.critic.network(image).features[1] for image in (real, fake)]
    torch.testing.assert_close(term, (maps[0] - maps[1]).square().sum() / 2 / 3)


@pytest.mark.parametrize(
    ("layer", "message"), [("conv1_1", "expected a critic's map1, map2, ..., got 'conv1_1'"), ("map0", "got 'map0'")]
)
def test_a_layer_of_another_network_is_refused(run: Run, layer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CriticFeatures([layer], run.folder)


def test_a_map_that_is_not_there_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="shows map1 to map3, there is no 'map4'"):
        CriticFeatures(["map4"], run.folder)(torch.rand(1, 3, 32, 32))


def refused(tiny, weights: str) -> str:
    settings = ["weights.perceptual=1.0", "perceptual.network=critic", "perceptual.layers={map1=1.0}"]
    recipe = tiny.recipe("reconstruction", "vae", *settings)
    chosen = None if weights == "none" else Path(weights)
    recipe = recipe.model_copy(update={"perceptual": recipe.perceptual.model_copy(update={"weights": chosen})})
    with pytest.raises(UserError) as error:
        Content(recipe, torch.device("cpu"))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_run_with_a_critic_is_refused(
    tiny, tmp_path: Path, vgg_file: Path, tiny_run: Callable[[str], Path]
) -> None:
    assert "those of a run; expected its folder or its checkpoint" in refused(tiny, "none")
    assert "no checkpoint of a run" in refused(tiny, str(tmp_path / "nowhere"))
    assert "no checkpoint of a run" in refused(tiny, str(vgg_file))
    assert "expected a run with a critic that sees images alone" in refused(tiny, str(tiny_run("vae")))


def test_a_critic_with_spectral_norm_compares(tiny, tmp_path: Path) -> None:
    made = tiny.run(tiny.recipe("unconditional", "gan", "techniques.spectral_norm=true"), tmp_path)
    tiny.step(made)
    made.save()
    image = torch.rand(2, 3, 32, 32)
    assert made.critic is not None
    made.critic.network.eval()
    wanted = made.critic.network(image).features[0]
    torch.testing.assert_close(CriticFeatures(["map1"], made.folder)(image)["map1"], wanted)
