"""Recipes: what ships loads, what is wrong is named."""

from pathlib import Path

import pytest

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe, recipe_names
from srgan_kit.recipes.schema import Recipe


def test_every_shipped_recipe_loads_under_its_own_name() -> None:
    assert {"dcgan", "fidelity-x4", "smoke", "srgan-x4"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_overrides_reach_nested_keys_and_keep_toml_types() -> None:
    recipe = load_recipe(
        "smoke", ["steps=7", "data.batch=3", "generator.image_skip=nearest", "data.folder=/some/where"]
    )
    assert (recipe.steps, recipe.data.batch, recipe.data.folder) == (7, 3, Path("/some/where"))
    assert recipe.generator.model_dump()["image_skip"] == "nearest"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stepz=7", "unknown key 'stepz'"),
        ("data.bach=7", "unknown key 'data.bach'"),
        ("steps=0", "steps: .* got 0"),
        ("steps=soon", 'steps: .* got "soon"'),
        ("steps", "expected key=value"),
        ("steps.more=1", "steps is a value, not a table"),
        ("critic_weights.critic=1", "variant 'none' has no critic"),
        ("variant=gen", r"variant: expected one of none, gan, .*; got 'gen'"),
        ("variant.margin=1", "expected one of none, gan"),
        ("variant={name='ebgan', margine=1}", "ebgan has no setting 'margine'; its settings are margin"),
        ("variant={name='ebgan', margin=-1}", "margin: expected a positive number, got -1"),
        ("generator={name='dcgan'}", r"'dcgan' upscales no image; use one of residual"),
        ("task=unconditional", r"'residual' is for super-resolution; unconditional needs dcgan"),
        ("optimizer.betas=[0.9, 1.5]", r"optimizer\.betas\.1: .* got 1\.5"),
        ("seed=99999999999", "seed: "),
        ("validation.lr_folder=x", r"needs validation\.folder"),
        ("variant=gan", r"'gan' needs a critic: add a \[critic\]"),
        ("generator.latent=8", r"generator\.latent = 8: its size is that of \[latent\], 0; remove it"),
    ],
)
def test_a_mistake_is_named(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe("smoke", [override])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("improved-gan", ["techniques.spectral_norm=true"], "techniques.spectral_norm: excludes critic.normalisation"),
        (
            "srgan-x4",
            ["critic={name='patchgan', normalisation='batch'}", "techniques={crop=32, virtual_batch_norm=true}"],
            "techniques.crop: virtual batch norm's reference is of whole images",
        ),
        (
            "srgan-x4",
            [
                "critic={name='dcgan', conditional=true, condition_hidden=8}",
                "critic_weights.mismatch=1",
                "data.batch=1",
            ],
            "critic_weights.mismatch: takes another image's condition: expected data.batch >= 2, got 1",
        ),
    ],
)
def test_what_excludes_each_other_is_named(name: str, settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe(name, settings)


@pytest.mark.parametrize("setting", ["reductions=[1.0, 0.5]", "shuffle_channels=true", "grey=0.1", "pipeline=device"])
def test_data_settings_of_super_resolution_are_refused_elsewhere(setting: str) -> None:
    with pytest.raises(UserError, match=rf"data\.{setting.split('=')[0]}: for the task super-resolution, not for unc"):
        load_recipe("dcgan", [f"data.{setting}"])


def test_any_folder_name_is_a_folder() -> None:
    for name in ("2024", "true", "1979-05-27", 'a "quoted" name'):
        assert load_recipe("smoke", data=Path(name)).data.folder == Path(name)


def test_a_recipe_survives_being_written_and_read() -> None:
    recipe = load_recipe("srgan-x4", ["variant.smoothing=one-sided", "latent.categorical=[3, 2]"])
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_an_unknown_recipe_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dcgan, .*fidelity-x4, .*smoke, srgan-x4"):
        load_recipe("fidelty-x4")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(UserError, match="not valid TOML"):
        load_recipe(str(broken))
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe(str(tmp_path / "absent.toml"))
