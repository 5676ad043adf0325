"""`srgan-kit evaluate RUN_OR_MODEL --data FILE.npz`: runs, files and pretrained names; numbers and mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from srgan_kit.cli.evaluate import evaluate
from srgan_kit.data.image_dataset import load_test_images
from srgan_kit.errors import UserError
from srgan_kit.losses import categorical_pixel_nll
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.loop import train

SMALL = ["data.size=8", "data.batch=4", "steps=1", "device=cpu", "precision=fp32", "validation.holdout=4"]
RECIPES = {
    "vae": ["generator.hidden=4", "encoder.hidden=4", "latent.noise=2"],
    "pixelcnn": ["generator.channels=2", "generator.layers=1"],
    "infogan": ["generator.channels=2", "critic.channels=2", "data.augment=none"],
}
app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test images in grey.npz, and a run of each recipe."""
    folder = tmp_path_factory.mktemp("evaluate")
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8)).astype(np.uint8)
    np.savez(folder / "grey.npz", x_train=images[:10], x_test=images[10:])
    np.savez(folder / "no_test.npz", x_train=images)
    for name, settings in RECIPES.items():
        train(load_recipe(name, [*SMALL, *settings], folder / "grey.npz"), folder / name)
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def report(*arguments: object) -> dict:
    result = invoke(*arguments, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_pixelcnn_has_the_exact_likelihood_of_the_test_set(folder: Path) -> None:
    found = report(folder / "pixelcnn", "--data", folder / "grey.npz")
    assert (found["images"], found["binarise"]) == (20, "fixed")
    image = load_test_images(folder / "grey.npz", 8, 1, "fixed").float() / 255
    model = load_saved(folder / "pixelcnn").model
    each = torch.stack([categorical_pixel_nll(model.decoder(one), one) for one in image.split(1)])
    assert found["measures"]["nll"]["value"] == pytest.approx(each.mean().item(), rel=1e-5)
    assert found["measures"]["nll"]["error"] == pytest.approx(each.std().item() / 20**0.5, rel=1e-4)
    bits = found["measures"]["bits_per_dimension"]["value"]
    assert bits == pytest.approx(found["measures"]["nll"]["value"] / 64 / np.log(2))


def test_a_vae_has_bounds_and_a_file_is_its_run(folder: Path) -> None:
    run = report(folder / "vae", "--data", folder / "grey.npz", "--samples", 30)
    assert run["measures"]["iwae"]["value"] < run["measures"]["elbo"]["value"]
    assert run["measures"]["iwae"]["title"] == "IWAE-30, nats"
    file = report(folder / "vae" / "model.safetensors", "--data", folder / "grey.npz", "--samples", 30)
    assert file["measures"] == run["measures"]
    other = report(folder / "vae", "--data", folder / "grey.npz", "--samples", 30, "--binarise", "threshold", "-n", 7)
    assert (other["images"], other["binarise"]) == (7, "threshold")
    assert other["measures"] != run["measures"]


def test_a_gan_has_diversity_and_sharpness_and_a_table(folder: Path) -> None:
    lines = invoke(folder / "infogan", "--data", folder / "grey.npz").stdout.splitlines()
    assert lines[0] == "infogan: 20 test images of grey.npz, binarise none"
    assert [line.split(",")[0] for line in lines[2:]] == ["diversity", "sharpness"]


def test_a_pretrained_name_will_do(folder: Path) -> None:
    found = report("vae-mnist", "--data", folder / "grey.npz", "--samples", 3, "-n", 2, "--binarise", "random")
    assert found["model"] == "vae-mnist"
    assert found["measures"]["iwae"]["value"] > 100  # its images are not digits


def test_a_model_of_grey_values_says_so(folder: Path) -> None:
    result = invoke(folder / "vae", "--data", folder / "grey.npz", "--samples", 2, "--binarise", "none")
    assert "note: grey values as they are; --binarise random draws them" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "--data", "grey.npz", "--lr", "grey.npz"], "--lr: for super-resolution, not for --data"),
        (["RUN", "--data", "grey.npz", "-m", "x2-photo"], "--model: for super-resolution"),
        (["RUN", "--data", "grey.npz", "--ensemble"], "--ensemble: for super-resolution"),
        (["RUN", "--data", "grey.npz", "--binarise", "half"], "expected one of none, random, fixed, threshold; got 'h"),
        (["RUN", "--data", "no_test.npz"], "no_test.npz: expected a test set, the array 'x_test'"),
        (["RUN", "--data", "nothing.npz"], "nothing.npz: no such file"),
        (["RUN"], "a model: give --data FILE.npz for a generator, -m MODEL for a super-resolver"),
        (["vae-mnist"], "vae-mnist: a model: give --data FILE.npz"),
        (["nobody", "--data", "grey.npz"], "model 'nobody': neither a run folder, a file nor a pretrained model"),
        (["x4-photo", "--data", "grey.npz"], "model x4-photo: upscales images"),
        (["hr", "-n", "3"], "-n: needs --data FILE.npz and a generator"),
        (["hr", "--binarise", "random"], "--binarise: needs --data FILE.npz"),
    ],
)
def test_mistakes_are_named(folder: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UserError) as error:
        invoke(*(argument.replace("RUN", "vae") for argument in arguments))
    assert message in str(error.value)
