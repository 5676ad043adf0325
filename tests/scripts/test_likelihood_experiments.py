"""Likelihood models, from a recipe through training to the saved model: their numbers in nats are what they claim."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from scripts.experiments import families, pixelrnn, vae
from scripts.lib import mnist_classifier
from scripts.lib.likelihood import measured
from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.generators.model import Model
from srgan_kit.losses import iwae_bound
from srgan_kit.models.generative import load_saved
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.dry_run import dry_run
from srgan_kit.training.loop import train
from srgan_kit.training.run import Run

RECIPES = {"vae": "vae", "pixelcnn": "pixelrnn", "row-lstm": "pixelrnn", "diagonal-bilstm": "pixelrnn"}
QUICK = ("precision=fp32", "device=cpu", "log_every=100", "validation.every=1000", "ema=0.9")
NOTHING = Critique(score=torch.zeros(0))


def arrays(path: Path, images: np.ndarray) -> Path:
    np.savez(path, x_train=(images * 255).astype(np.uint8), x_test=(images[:64] * 255).astype(np.uint8))
    return path


def strips(count: int, side: int = 8) -> np.ndarray:
    """Binary images of one horizontal strip each, at any height, with a tenth of the pixels wrong."""
    random = np.random.default_rng(0)
    rows = np.arange(side)[None, :, None]
    top = random.uniform(0, side - 2, (count, 1, 1))
    clean = np.broadcast_to((rows >= top) & (rows < top + 3), (count, side, side))
    return np.where(random.random(clean.shape) < 0.1, ~clean, clean).astype(np.float64)


def nats(recipe: Recipe, sample: Sample, image: Tensor) -> dict[str, Tensor]:
    """The variant's terms in nats."""
    return recipe.variant.generator_terms(real=None, fake=NOTHING, batch=Batch(image), sample=sample)


@pytest.mark.parametrize(("name", "variant"), RECIPES.items())
def test_shipped_recipes_fit_mnist(name: str, variant: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0).random((16, 28, 28))
    data = arrays(tmp_path / "data.npz", random)
    recipe = load_recipe(name, ["device=cpu", "data.batch=2"], data)
    assert type(recipe.variant) is type(load_recipe(name, [f"variant={variant}"]).variant)
    accelerator = Accelerator(cpu=True)
    run = Run(recipe, tmp_path, accelerator, build_task(recipe, accelerator.device, tmp_path))
    dry_run(run)
    image = torch.from_numpy(np.where(random[:4, None] < 0.5, 0.0, 1.0)).float()
    values = nats(recipe, run.model(Batch(image), needs_prior_sample=False), image)
    assert values["nll"].item() == pytest.approx(28 * 28 * math.log(2), rel=0.1)  # untrained: about a bit per pixel


@torch.no_grad()
def test_elbo_iwae_and_the_likelihood_by_quadrature(tmp_path: Path) -> None:
    """-ELBO >= -IWAE(5) >= -IWAE(500) >= -ln p(x), the last as an integral over a code of two numbers."""
    data = arrays(tmp_path / "data.npz", strips(512))
    small = ("data.size=8", "latent.noise=2", "generator.hidden=32", "encoder.hidden=32", "data.batch=64")
    recipe = load_recipe("vae", [*QUICK, *small, "steps=200", "optimizer.learning_rate=5e-3"], data)
    with torch.enable_grad():
        outcome = train(recipe, tmp_path / "run")
    assert outcome.finished
    model = load_saved(tmp_path / "run").model
    image = torch.from_numpy(strips(64)[:, None]).float()

    axis = torch.linspace(-6, 6, 121, dtype=torch.float64)
    codes = torch.cartesian_prod(axis, axis).float()
    prior = Normal(0.0, 1.0).log_prob(codes.double()).sum(1) + 2 * math.log(0.1)
    exact = torch.logsumexp(log_given(model, codes, image).double() + prior[:, None], 0).mean().item()

    torch.manual_seed(0)
    posterior = model.encode(image)
    law = Normal(posterior.mean, (posterior.log_variance / 2).exp())
    drawn = law.sample((500,))
    given = torch.stack([log_given(model, code, image).diagonal() for code in drawn])
    weights = given + (Normal(0.0, 1.0).log_prob(drawn) - law.log_prob(drawn)).sum(2)
    few, many = (torch.stack([iwae_bound(group) for group in weights.split(k)]).mean().item() for k in (5, 500))
    terms = [nats(recipe, model(Batch(image), needs_prior_sample=False), image) for _ in range(200)]
    of_variant = -torch.stack([term["nll"] + term["kl"] for term in terms]).mean().item()
    assert weights.mean().item() == pytest.approx(of_variant, abs=0.2)  # the loss of training is the bound itself
    assert of_variant < few < many
    assert many < exact + 0.05
    assert many == pytest.approx(exact, abs=0.3)
    noise = 64 * (0.9 * math.log(0.9) + 0.1 * math.log(0.1))  # nothing can know the wrong pixels
    assert -64 * math.log(2) < exact < noise


def log_given(model: Model, codes: Tensor, image: Tensor) -> Tensor:
    """ln p(x | z) of every code (K) and image (N): (K, N)."""
    logits = model.decode(None, codes)[1]
    assert logits is not None
    return Bernoulli(logits=logits[:, None]).log_prob(image).flatten(2).sum(2)


@torch.no_grad()
def test_a_trained_pixelcnn_is_a_law_over_all_images(tmp_path: Path) -> None:
    """Three of the 512 binary images of 3x3 occur, 1/2, 1/4, 1/4: p sums to 1, the three have nearly all of it."""
    patterns = np.array([np.eye(3), 1 - np.eye(3), np.ones((3, 3))])
    data = arrays(tmp_path / "data.npz", patterns[np.tile([0, 0, 1, 2], 64)])
    small = ("data.size=3", "data.batch=64", "generator.layers=2", "generator.channels=12", "steps=250")
    recipe = load_recipe("pixelcnn", [*QUICK, *small, "optimizer.learning_rate=1e-2"], data)
    with torch.enable_grad():
        assert train(recipe, tmp_path / "run").finished
    model = load_saved(tmp_path / "run").model

    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=9))).view(512, 1, 3, 3)
    levels = model(Batch(every), needs_prior_sample=False).levels
    assert levels is not None
    one_by_one = [
        nats(recipe, Sample(image, levels=of_image), image)["nll"]
        for image, of_image in zip(every.split(1), levels.split(1), strict=True)
    ]
    p = torch.stack(one_by_one).neg().exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-4)
    number = (torch.from_numpy(patterns).flatten(1) * 2 ** torch.arange(8, -1, -1)).sum(1).long()
    torch.testing.assert_close(p[number], torch.tensor([0.5, 0.25, 0.25]), atol=0.05, rtol=0)

    images = model.generate(None, count=400, generator=torch.Generator().manual_seed(0))
    drawn = (images.flatten(1) * 2 ** torch.arange(8, -1, -1)).sum(1).long().bincount(minlength=512) / 400
    torch.testing.assert_close(drawn[number], p[number], atol=0.08, rtol=0)


@pytest.mark.parametrize("experiment", [vae, pixelrnn, families])
def test_a_few_steps_of_everything_write_figures_and_an_image(
    experiment, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_classifier, "RUNS", tmp_path)
    name = experiment.__name__.split(".")[2]
    experiment.main(["--smoke", "--work", str(tmp_path)])
    result = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert len(result["figures"]) > 5
    assert result["unfinished"] == []
    assert all(np.isfinite(figure["ours"]) for figure in result["figures"])
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.size > (200, 50)


def test_what_was_measured_is_kept_until_the_model_changes(tmp_path: Path) -> None:
    data = arrays(tmp_path / "data.npz", strips(80))
    small = ("data.size=8", "latent.noise=2", "generator.hidden=8", "encoder.hidden=8", "data.batch=8", "steps=1")
    train(load_recipe("vae", [*QUICK, *small], data), tmp_path / "run")
    model = tmp_path / "run" / "model.safetensors"
    first = measured(model, data, 10, 3)
    kept = tmp_path / "run" / "measured.json"
    marked = kept.read_text(encoding="utf-8").replace("-ELBO, nats", "as kept")
    kept.write_text(marked, encoding="utf-8")
    assert measured(model, data, 10, 3)["elbo"].title == "as kept"
    assert measured(model, data, 10, 4)["elbo"].title == "-ELBO, nats"
    assert first["iwae"].value < first["elbo"].value
    train(load_recipe("vae", [*QUICK, *small, "seed=1"], data), tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(model)
    assert measured(model, data, 10, 3)["elbo"].value != first["elbo"].value


def test_statements_say_what_was_found() -> None:
    gan = {"sharpness": 1.0, "frechet": 3.0, "milliseconds": 0.1}
    likelihoods = {"VAE": {"sharpness": 0.2, "frechet": 2.0, "iwae": 87.0}, "VAE, pixels drawn": {"frechet": 4.0}}
    pixel = {"nll": 82.0, "frechet": 5.0, "milliseconds": 30.0}
    said = families.statements({"GAN": gan, **likelihoods, "PixelCNN": pixel})
    assert [each.rpartition(": ")[2] for each in said] == [
        "confirmed.",
        "confirmed.",
        "confirmed, 300 times.",
        "refuted.",
    ]
