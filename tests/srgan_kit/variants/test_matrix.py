"""Every variant under every task: what a recipe needs for it follows from what the variant says it requires."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.layers.virtual_batch_norm import VirtualBatchNetwork
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.diagnostics import diagnose
from srgan_kit.training.dry_run import dry_run
from srgan_kit.variants import VARIANTS

TASKS = ("unconditional", "super-resolution", "reconstruction")


def moves_and_resumes(tiny, recipe: Recipe, folder: Path) -> None:
    """Two steps move every parameter of every player and nothing else; a third is the same after a restart."""
    run = tiny.run(recipe, folder)
    dry_run(run)
    before = tiny.weights(run)
    frozen = {name: value.clone() for name, value in run.task.content.named_parameters()}
    tiny.step(run)
    values = tiny.step(run)
    assert all(np.isfinite(value) for value in values.values())
    after = tiny.weights(run)
    unused = "score_head" if "class_logits" in recipe.variant.requirements() else "none"  # classes are their score
    assert [name for name in before if torch.equal(before[name], after[name]) and unused not in name] == []
    for name, value in run.task.content.named_parameters():
        assert torch.equal(value, frozen[name])
    run.save()
    again = tiny.run(recipe, folder)
    again.restore()
    assert tiny.step(run) == tiny.step(again)
    for (name, one), two in zip(tiny.weights(run).items(), tiny.weights(again).values(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("task", TASKS)
def test_every_variant_trains_under_every_task(task: str, variant: str, tiny, tmp_path: Path) -> None:
    recipe = tiny.recipe(task, variant)
    moves_and_resumes(tiny, recipe, tmp_path)
    run = tiny.run(recipe, tmp_path)
    run.restore()
    measured = run.task.validate(run.model) | diagnose(run, run.model)
    assert all(np.isfinite(value) for value in measured.values())
    run.task.sheet(run.model, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size > (tiny.size, tiny.size)


ADVERSARIAL = [name for name, kind in VARIANTS.items() if "critic" in kind().requirements()]
TECHNIQUES = {
    "feature matching": ["weights.feature_matching=1"],
    "historical averaging": ["weights.historical_averaging=1e-3", "critic_weights.historical_averaging=1e-3"],
    "r1": ["critic_weights.r1=1", "techniques.r1_every=2"],
    "r2": ["critic_weights.r2=1", "techniques.r1_every=2"],
    "patches": ["critic.name=patchgan", "critic.scales=2", "critic.layers=2"],
    "gradient penalty": ["critic_weights.gradient_penalty=10"],
    "instance noise": ["techniques.instance_noise=0.1"],
    "translation": ["techniques.translation=2"],
    "crop": ["critic.name=patchgan", "critic.scales=1", "critic.layers=2", "techniques.crop=8"],
    "spectral norm": ["techniques.spectral_norm=true"],
    "virtual batch norm": ["techniques.virtual_batch_norm=true"],
    "layer norm": ["techniques.critic_norm=layer"],
    "no batch norm": ["techniques.critic_norm=none"],
    "minibatch discrimination": ["critic.minibatch_kernels=5"],
    "two critic steps": ["critic_steps=2"],
}


@pytest.mark.parametrize(("number", "pair"), list(enumerate(itertools.product(ADVERSARIAL, TECHNIQUES))))
def test_techniques_combine_with_every_adversarial_variant(number: int, pair: tuple[str, str], tiny, tmp_path) -> None:
    variant, technique = pair
    if (
        technique in ("minibatch discrimination", "patches", "crop")
        and "autoencoder" in VARIANTS[variant]().requirements()
    ):
        pytest.skip("an auto-encoding critic sees an image alone, and as a whole")
    task = TASKS[number % len(TASKS)]  # pairwise: each technique meets each variant, and each of them each task
    run = tiny.run(tiny.recipe(task, variant, *TECHNIQUES[technique]), tmp_path)
    dry_run(run)
    tiny.step(run)
    run.save()
    assert all(np.isfinite(value) for value in tiny.step(run).values())


@pytest.mark.parametrize(
    ("variant", "more", "message"),
    [
        (
            "ebgan",
            ["critic.name=dcgan", "critic={name='dcgan'}"],
            r"'ebgan' needs a critic that reconstructs .*autoenc",
        ),
        ("catgan", ["critic.classes=0"], r"'catgan' needs a critic with a class head: set critic\.classes"),
        (
            "infogan",
            ["latent.categorical=[]", "latent.continuous=0"],
            r"'infogan' needs codes: set latent\.categorical",
        ),
        ("vae", ["latent.noise=0"], r"latent\.noise: expected the size of the encoder's code, got 0"),
        ("pixelrnn", ["generator={name='dcgan'}"], r"'pixelrnn' needs an autoregressive generator"),
        ("gan", ["critic.conditional=true"], r"critic\.conditional: this task gives the generator no condition"),
        ("gan", ["weights.foo=1"], r"a weight for 'foo', which is no term of the generator's loss"),
        ("gan", ["critic_weights.foo=1"], r"a weight for 'foo', which is no term of the critic's loss"),
        ("gan", ["weights.consistency=1"], r"consistency .* super-resolution only"),
        ("gan", ["weights.phase_balance=1"], r"phase_balance .* super-resolution only"),
        ("gan", ["weights.pixel=1"], r"weights\.pixel needs generated images with real partners"),
        (
            "gan",
            ["weights.perceptual=1", "perceptual.layers={conv1_1=1.0}"],
            r"weights\.perceptual needs generated images with real partners",
        ),
        ("vae", ["weights.historical_averaging=1"], r"weights\.historical_averaging needs a critic"),
        ("ebgan", ["critic.minibatch_kernels=3"], r"sees an image alone"),
        ("none", ["techniques.virtual_batch_norm=true", "generator={name='mlp', normalisation='none'}"], r"batch norm"),
    ],
)
def test_a_requirement_that_is_not_met_says_what_to_add(variant: str, more: list[str], message: str, tiny, tmp_path):
    with pytest.raises(UserError, match=message):
        dry_run(tiny.run(tiny.recipe("unconditional", variant, *more), tmp_path))


def test_labels_are_asked_for(tiny, tmp_path: Path) -> None:
    recipe = tiny.recipe("unconditional", "improved-gan")
    plain = recipe.model_copy(update={"data": recipe.data.model_copy(update={"folder": tiny.images / "left"})})
    with pytest.raises(UserError, match="needs labelled images: folders named after classes"):
        tiny.run(plain, tmp_path)


def test_virtual_batch_norm_leaves_the_super_resolver_alone_and_its_images_any_size(tiny, tmp_path: Path) -> None:
    srresnet = "generator={name='srresnet', channels=4, blocks=1}"
    recipe = tiny.recipe("super-resolution", "gan", srresnet, "techniques.virtual_batch_norm=true")
    run = tiny.run(recipe, tmp_path)
    dry_run(run)
    tiny.step(run)
    assert np.isfinite(run.task.validate(run.model)["psnr_y"])  # on images larger than the crops
    assert run.critic is not None
    assert isinstance(run.critic.network, VirtualBatchNetwork)
    assert not isinstance(run.model.decoder, VirtualBatchNetwork)
    plain = tiny.recipe("super-resolution", "none", srresnet, "techniques.virtual_batch_norm=true")
    with pytest.raises(UserError, match="neither the critic nor, but for super-resolution, the generator"):
        tiny.run(plain, tmp_path)


def test_one_label_is_not_all_labels(tiny, tmp_path: Path) -> None:
    for task in ("super-resolution", "unconditional"):
        with pytest.raises(UserError, match=r"expected a fraction with a point, such as 0\.1, or a count in 2"):
            tiny.run(tiny.recipe(task, "improved-gan", "labels.count=1"), tmp_path)
