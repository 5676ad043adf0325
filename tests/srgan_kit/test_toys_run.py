"""The task on points of a known law, driven as any other: real points score as they should, training helps."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from srgan_kit.data.toys import TOYS
from srgan_kit.metrics.modes import mode_coverage
from srgan_kit.tasks.toys import MEASURED, ToyPoints, ToyTask, density


@pytest.fixture(scope="module")
def script() -> ModuleType:
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    try:
        return importlib.import_module("toys")
    finally:
        sys.path.pop(0)


def test_points_are_a_function_of_seed_and_number_and_come_back_from_images() -> None:
    toy = TOYS["ring"]()
    points = ToyPoints(toy, seed=3, labelled=1.0)
    image, label = points[7]
    assert torch.equal(image, points[7][0])
    assert not torch.equal(image, points[8][0])
    assert image.shape == (2, 1, 1)
    assert int(label) == int(toy.nearest(toy.to_points(image[None]))[0][0])
    held, other = points.draw(2000, 1), points.draw(2000, 0, 0)
    assert not torch.equal(held[0], other[0])
    coverage = mode_coverage(toy.to_points(points.draw(20_000, 0, 1)[0]), toy)
    assert coverage.modes == 8
    assert coverage.high_quality == pytest.approx(0.989, abs=0.004)


def test_part_of_the_points_is_labelled() -> None:
    toy = TOYS["grid"]()
    labels = ToyPoints(toy, seed=0, labelled=0.25).draw(4000, 0, 0)[1]
    assert (labels >= 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert set(ToyPoints(toy, seed=0).draw(50, 0, 0)[1].tolist()) == {-1}
    with pytest.raises(ValueError, match="labelled: expected a part of the points"):
        ToyPoints(toy, seed=0, labelled=1.5)


def test_a_gan_comes_near_the_gaussian_by_the_steps_of_any_run(script: ModuleType) -> None:
    errors: list[float] = []
    for steps in (1, 200):
        recipe = script.recipe_of("gan, non-saturating", "gaussian", True, 0, {"steps": steps})
        run = script.trained(recipe, TOYS["gaussian"](), 0.0)
        assert isinstance(run.task, ToyTask)
        points = run.task.points(run.average.network, MEASURED)
        errors.append(abs(points.mean()) + abs(points.std() - 1))
        assert set(run.task.validate(run.average.network)) == {"modes", "high_quality"}
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("techniques", [False, True])
def test_every_entry_of_the_script_is_a_recipe_that_takes_a_step(script: ModuleType, techniques: bool) -> None:
    for variant in script.VARIANTS:
        recipe = script.recipe_of(variant, "ring", techniques, 0, {"steps": 1})
        labelled = script.LABELLED if "labels" in recipe.variant.requirements() else 0.0
        assert script.trained(recipe, TOYS["ring"](), labelled).step == 1


def test_density_draws_points_where_they_are() -> None:
    picture = density(torch.tensor([[0.0, 0.0], [0.99, 0.99], [2.0, 0.5]]), side=10, full=1.0)
    assert picture.shape == (1, 10, 10)
    assert picture[0, 9, 0] == 0  # first coordinate to the right, second upwards
    assert picture[0, 0, 9] == 0
    assert picture.sum() == 98
