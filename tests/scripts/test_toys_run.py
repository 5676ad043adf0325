"""The task on points of a known distribution, driven as any other: real points score as they should, training helps."""

import math
from pathlib import Path

import pytest
import torch

from scripts.experiments.toys import run as toys
from scripts.experiments.toys.measures import jensen_shannon, spacing_kl
from scripts.lib.runs import restored
from scripts.lib.toys.distributions import TOYS
from scripts.lib.toys.mode_coverage import mode_coverage
from scripts.lib.toys.task import BLOCK, MEASURED, ToyPoints, ToyTask, density
from srgan_kit.training.loop import train


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


def test_a_gan_comes_near_the_gaussian_by_the_steps_of_any_run() -> None:
    errors: list[float] = []
    for steps in (1, 200):
        recipe = toys.recipe_of("gan, non-saturating", "gaussian", True, 0, {"steps": steps})
        run = toys.trained(recipe, TOYS["gaussian"](), 0.0)
        assert isinstance(run.task, ToyTask)
        points = run.task.points(run.average.network, MEASURED)  # pyright: ignore[reportArgumentType]
        errors.append(abs(points.mean()) + abs(points.std() - 1))
        assert set(run.task.validate(run.average.network)) == {"modes", "high_quality"}  # pyright: ignore[reportArgumentType]
    assert errors[1] < 0.7 * errors[0]


def test_a_gan_covers_the_ring_better_after_some_hundred_steps() -> None:
    measured: list[dict[str, float]] = []
    for steps in (1, 300):
        recipe = toys.recipe_of("gan, non-saturating", "ring", True, 0, {"steps": steps})
        run = toys.trained(recipe, TOYS["ring"](), 0.0)
        measured.append(run.task.validate(run.average.network))  # pyright: ignore[reportArgumentType]
    assert measured[1]["modes"] >= 7 > measured[0]["modes"]
    assert measured[1]["high_quality"] > 0.2 > measured[0]["high_quality"]


def test_the_networks_see_points_at_the_reach_and_give_them_back() -> None:
    toy = TOYS["grid"]()
    recipe = toys.recipe_of("gan, hinge", "grid", False, 0)
    task = ToyTask(recipe, toy, torch.device("cpu"), reach=3.0)
    images = toy.to_images(toy.centres)
    shown = task.batch((images, torch.zeros(25))).image
    assert shown.abs().max() < 3
    assert torch.allclose(shown, (2 * images - 1) * 3)


def test_the_independent_critic_measures_known_divergences() -> None:
    toy = TOYS["ring"]()
    real, same = toy.sample(8000, seed=1), toy.sample(8000, seed=2)
    value, error = jensen_shannon(real, same, toy)
    assert abs(value) < max(0.01, 4 * error)
    half = same[toy.nearest(same)[0] < 4]
    value, error = jensen_shannon(real, half, toy)
    exact = (0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)) / 2  # 8 modes against 4 of them
    assert value == pytest.approx(exact, abs=max(0.01, 4 * error))
    value, _ = jensen_shannon(real, real * 3, toy)
    assert value == pytest.approx(math.log(2), abs=0.01)


def test_the_spacings_measure_the_divergence_of_two_gaussians() -> None:
    toy = TOYS["gaussian"]()
    points = toy.sample(20_000, seed=1)
    assert spacing_kl(points, toy) == pytest.approx(0, abs=0.02)
    assert spacing_kl(points + 1, toy) == pytest.approx(0.5, abs=0.03)  # (mean difference)^2 / 2


@pytest.mark.parametrize("techniques", [False, True])
def test_every_entry_of_the_script_is_a_recipe_that_takes_a_step(techniques: bool) -> None:
    for variant in toys.VARIANTS:
        recipe = toys.recipe_of(variant, "ring", techniques, 0, {"steps": 1})
        labelled = toys.LABELLED if "labels" in recipe.variant.requirements() else 0.0
        assert toys.trained(recipe, TOYS["ring"](), labelled).step == 1


def test_density_draws_points_where_they_are() -> None:
    figure = density(torch.tensor([[0.0, 0.0], [0.99, 0.99], [2.0, 0.5]]), side=10, full=1.0)
    assert figure.shape == (1, 10, 10)
    assert figure[0, 9, 0] == 0  # first coordinate to the right, second upwards
    assert figure[0, 0, 9] == 0
    assert figure.sum() == 98


def test_a_batch_of_points_is_the_points_one_after_another_across_blocks() -> None:
    points = ToyPoints(TOYS["ring"](), seed=3, labelled=0.5)
    numbers = [BLOCK - 2, BLOCK - 1, BLOCK, 5, 3 * BLOCK + 7]
    images, labels = points.batch(numbers)
    for row, number in enumerate(numbers):
        image, label = ToyPoints(TOYS["ring"](), seed=3, labelled=0.5)[number]
        assert torch.equal(images[row], image)
        assert int(labels[row]) == int(label)
    block = points.draw(BLOCK, 0, 0)[0]
    assert torch.equal(images[0], block[BLOCK - 2])


def test_the_public_trainer_trains_on_the_points_of_a_task(tmp_path: Path) -> None:
    """By whole batches, with the steps that `Run.train_step` takes on the same points."""
    recipe = toys.recipe_of("f-gan, kl", "ring", False, 0, {"steps": 3, "validation": {"every": 1000}})
    task = ToyTask(recipe, TOYS["ring"](), torch.device("cpu"))
    train(recipe, tmp_path / "run", task=task)
    run = restored(recipe, tmp_path / "run", task)
    other = toys.trained(recipe, TOYS["ring"](), 0.0)
    for mine, theirs in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
