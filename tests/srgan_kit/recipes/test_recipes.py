"""Every shipped recipe trains, with its own networks, on a folder of ordinary images made small."""

import math

import pytest

from srgan_kit.recipes.load import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_trains(name: str, two_classes, vgg_file, squeezenet_file, train_two_steps) -> None:
    shipped = load_recipe(name)
    settings = [
        "data.batch=2",
        "validation.holdout=0",
        f"perceptual.weights={vgg_file}",
        f"lpips.weights={squeezenet_file}",
        "data.patch=8",
        "data.size=16",
    ]
    settings += ["perceptual.layers={conv1_2=1.0}"] if "perceptual" in shipped.generator_weights else []
    settings += ["reconstruction.layer=conv1_2"] if shipped.reconstruction.layer else []
    settings += ["labels.count=2"] if shipped.labels.count else []  # there are eight images
    for table in ("techniques", "perceptual", "lpips"):
        settings += [f"{table}.crop=24"] if getattr(shipped, table).crop else []
    run, values = train_two_steps(load_recipe(name, settings, two_classes))
    assert run.step == 2
    assert all(math.isfinite(value) for value in values.values())
