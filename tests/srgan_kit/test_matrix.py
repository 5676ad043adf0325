"""Every variant under every task: what a recipe needs for it follows from what the variant says it requires."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from srgan_kit.config import Recipe, load_recipe
from srgan_kit.errors import UserError
from srgan_kit.tasks import build_task
from srgan_kit.training.run import Run
from srgan_kit.variants import VARIANTS

TASKS = ("unconditional", "super-resolution", "reconstruction")
SIZE = 32
NETWORKS = {
    "unconditional": "latent={noise=6}\n[generator]\nname='dcgan'\nchannels=4",
    "super-resolution": "[generator]\nname='residual'\nchannels=4\ngroups=1\nconvolutions=1",
    "reconstruction": "latent={noise=6}\n[generator]\nname='dcgan'\nchannels=4",
}
FOR_REQUIREMENT = {
    "critic": ["critic.name=dcgan", "critic.channels=4"],
    "autoencoder": ["critic.name=autoencoder", "critic.embedding=8"],
    "class_logits": ["critic.classes=2"],
    "codes": ["latent.categorical=[3]", "latent.continuous=1"],
    "posterior": ["latent.noise=6", "encoder.channels=4"],
    "comparator": ["perceptual.layers={conv1_1=1.0}"],
    "levels": ["generator={name='pixelcnn', levels=4, channels=6, layers=2}"],
}
"""What a recipe needs besides its networks for a variant that requires this."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images, which are two classes, and the weights of a comparator beside them."""
    root = tmp_path_factory.mktemp("matrix")
    random = np.random.default_rng(0)
    for number in range(8):
        folder = root / "images" / ("left" if number % 2 else "right")
        folder.mkdir(parents=True, exist_ok=True)
        rough = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((40, 36), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    generator = torch.Generator().manual_seed(0)
    weights = {"features.0.weight": torch.randn(64, 3, 3, 3, generator=generator), "features.0.bias": torch.zeros(64)}
    torch.save(weights, root / "vgg.pth")
    return root


def recipe_for(data: Path, task: str, variant: str, *more: str) -> Recipe:
    file = data / f"{task}.toml"
    if not file.exists():
        file.write_text(f"name='matrix'\ntask='{task}'\nsteps=10\nprecision='fp32'\ndevice='cpu'\n{NETWORKS[task]}\n")
    required = VARIANTS[variant]().requirements()
    settings = [setting for need, needed in FOR_REQUIREMENT.items() if need in required for setting in needed]
    if not required:
        settings.append("weights.pixel=1" if task != "unconditional" else "weights.total_variation=1")
    settings += [f"data.size={SIZE}", "data.patch=8", "data.batch=4", f"perceptual.weights={data / 'vgg.pth'}"]
    settings += ["validation.holdout=2", f"data.augment={'none' if task != 'super-resolution' else 'flips'}"]
    return load_recipe(str(file), [f"variant={variant}", *settings, *more], data / "images")


def run_for(recipe: Recipe, folder: Path) -> Run:
    accelerator = Accelerator(cpu=True)
    return Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))


def step(run: Run) -> dict[str, float]:
    first = run.step * run.recipe.data.batch
    items = [run.task.examples[first + index] for index in range(run.recipe.data.batch)]
    return run.train_step(run.task.batch(default_collate(items)), detailed=True)


def weights_of(run: Run) -> dict[str, Tensor]:
    players = {"generator": run.generator, "critic": run.critic}
    return {
        f"{name}.{key}": value.detach().clone()
        for name, player in players.items()
        if player is not None
        for key, value in player.network.named_parameters()
    }


def moves_and_resumes(recipe: Recipe, folder: Path) -> None:
    """Two steps move every parameter of every player and nothing else; a third is the same after a restart."""
    run = run_for(recipe, folder)
    run.rehearse()
    before = weights_of(run)
    frozen = {name: value.clone() for name, value in run.task.content.state_dict().items()}  # pyright: ignore
    step(run)
    values = step(run)
    assert all(np.isfinite(value) for value in values.values())
    after = weights_of(run)
    unused = "score_head" if "class_logits" in recipe.variant.requirements() else "none"  # classes are their score
    assert [name for name in before if torch.equal(before[name], after[name]) and unused not in name] == []
    for name, value in run.task.content.state_dict().items():  # pyright: ignore
        assert torch.equal(value, frozen[name])
    run.save()
    again = run_for(recipe, folder)
    again.restore()
    assert step(run) == step(again)
    for (name, one), two in zip(weights_of(run).items(), weights_of(again).values(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("task", TASKS)
def test_every_variant_trains_under_every_task(task: str, variant: str, data: Path, tmp_path: Path) -> None:
    recipe = recipe_for(data, task, variant)
    moves_and_resumes(recipe, tmp_path)
    run = run_for(recipe, tmp_path)
    run.restore()
    measured = run.task.validate(run.model)
    assert all(np.isfinite(value) for value in measured.values())
    run.task.sheet(run.model, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size > (SIZE, SIZE)


ADVERSARIAL = [name for name, kind in VARIANTS.items() if "critic" in kind().requirements()]
TECHNIQUES = {
    "feature matching": ["weights.feature_matching=1"],
    "historical averaging": ["weights.historical_averaging=1e-3", "critic_weights.historical_averaging=1e-3"],
    "r1": ["critic_weights.r1=1", "techniques.r1_every=2"],
    "gradient penalty": ["critic_weights.gradient_penalty=10"],
    "instance noise": ["techniques.instance_noise=0.1"],
    "translation": ["techniques.translation=2"],
    "spectral norm": ["techniques.spectral_norm=true"],
    "virtual batch norm": ["techniques.virtual_batch_norm=true"],
    "minibatch discrimination": ["critic.minibatch_kernels=5"],
    "two critic steps": ["critic_steps=2"],
}


@pytest.mark.parametrize(("number", "pair"), list(enumerate(itertools.product(ADVERSARIAL, TECHNIQUES))))
def test_techniques_combine_with_every_adversarial_variant(number: int, pair: tuple[str, str], data, tmp_path) -> None:
    variant, technique = pair
    if technique == "minibatch discrimination" and "autoencoder" in VARIANTS[variant]().requirements():
        pytest.skip("an auto-encoding critic sees an image alone")
    task = TASKS[number % len(TASKS)]  # pairwise: each technique meets each variant, and each of them each task
    run = run_for(recipe_for(data, task, variant, *TECHNIQUES[technique]), tmp_path)
    run.rehearse()
    step(run)
    run.save()
    assert all(np.isfinite(value) for value in step(run).values())


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
        ("gan", ["weights.consistency=1"], r"super-resolution only"),
        ("ebgan", ["critic.minibatch_kernels=3"], r"sees an image alone"),
        ("none", ["techniques.virtual_batch_norm=true", "generator={name='mlp', normalisation='none'}"], r"batch norm"),
    ],
)
def test_a_requirement_that_is_not_met_says_what_to_add(variant: str, more: list[str], message: str, data, tmp_path):
    with pytest.raises(UserError, match=message):
        run_for(recipe_for(data, "unconditional", variant, *more), tmp_path).rehearse()


def test_labels_are_asked_for(data: Path, tmp_path: Path) -> None:
    recipe = recipe_for(data, "unconditional", "improved-gan")
    plain = recipe.model_copy(update={"data": recipe.data.model_copy(update={"folder": data / "images" / "left"})})
    with pytest.raises(UserError, match="needs labelled images: folders named after classes"):
        run_for(plain, tmp_path)
