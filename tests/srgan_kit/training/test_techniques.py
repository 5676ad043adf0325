"""Techniques act on what a system calls its score, which need not be the critic's score head."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch.utils.data import default_collate

from srgan_kit.critics.mlp import MLPCritic
from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.run import Run


def penalised_run(variant: str, weight: str, folder: Path) -> Run:
    random = np.random.default_rng(0)
    images = folder.parent / "images"
    for number in range(4):
        place = images / ("left" if number % 2 else "right")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{number}.png")
    settings = [f"variant={variant}", "data.size=8", "data.batch=4", "data.augment=none", "validation.holdout=0"]
    settings += ["generator.channels=4", "critic={name='dcgan', channels=4, classes=2}", "precision=fp32"]
    recipe = load_recipe("dcgan", [*settings, f"critic_weights.{weight}=1"], images)
    accelerator = Accelerator(cpu=True)
    return Run(recipe, folder, accelerator, build_task(recipe, accelerator.device, folder))


def moved_heads(run: Run, penalty: str) -> set[str]:
    """Which heads of the critic the gradient of the penalty reaches."""
    assert run.critic is not None
    batch = run.task.batch(default_collate([run.task.examples[number] for number in range(4)]))
    terms, _ = run.critic_terms(batch, run.model(batch, needs_prior_sample=True))
    heads = {name: value for name, value in run.critic.network.named_parameters() if name.endswith("head.weight")}
    gradients = torch.autograd.grad(terms[penalty], list(heads.values()), allow_unused=True)
    pairs = zip(heads, gradients, strict=True)
    return {name.split(".")[-2] for name, gradient in pairs if gradient is not None and gradient.abs().sum() > 0}


def test_penalties_of_slopes_are_of_the_class_head_where_classes_are_the_score(tmp_path: Path) -> None:
    for penalty in ("r1", "r2", "gradient_penalty"):
        assert moved_heads(penalised_run("gan", penalty, tmp_path / f"gan-{penalty}"), penalty) == {"score_head"}
        for variant in ("catgan", "improved-gan"):
            run = penalised_run(variant, penalty, tmp_path / f"{variant}-{penalty}")
            assert moved_heads(run, penalty) == {"class_head"}, (variant, penalty)


def test_r1_is_of_real_images_and_r2_of_generated_ones(tmp_path: Path) -> None:
    run = penalised_run("gan", "r2", tmp_path / "run")
    assert run.critic is not None
    for parameter in run.critic.network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    batch = run.task.batch(default_collate([run.task.examples[number] for number in range(4)]))
    sample = run.model(batch, needs_prior_sample=True)
    terms, _ = run.critic_terms(batch, sample)
    image = sample.image.detach().requires_grad_()
    (slope,) = torch.autograd.grad(run.critic.network(image).score.sum(), image)
    torch.testing.assert_close(terms["r2"], slope.square().sum() / 2 / len(image))
    assert "r1" not in terms
    assert not batch.image.requires_grad
    real = penalised_run("gan", "r1", tmp_path / "other")
    assert "r2" not in real.critic_terms(batch, sample)[0]


def test_unit_rows_keep_the_hidden_layers_scale_however_large_their_weights_become() -> None:
    torch.manual_seed(0)
    critic = MLPCritic(size=4, image_channels=1, hidden=(8, 6), normalisation="unit-weights")
    image = torch.rand(5, 1, 4, 4)
    with torch.no_grad():
        biases = [layer.bias.zero_() for layer in critic.layers]  # pyright: ignore
        before = critic(image).features
        for layer in critic.layers:
            layer.parametrizations.weight.original.mul_(50)  # pyright: ignore
        for one, two in zip(before, critic(image).features, strict=True):
            torch.testing.assert_close(one, two)
    assert len(biases) == 2
    weight = critic.layers[0].weight
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(8))  # pyright: ignore


def conditional(tiny, *more: str):
    return tiny.recipe("super-resolution", "deepsim", "critic.conditional=true", "weights.adversarial=0.1", *more)


def test_mismatched_conditions_are_those_of_the_neighbour_in_the_batch(tiny, tmp_path: Path) -> None:
    recipe = conditional(tiny, "critic.condition_hidden=8", "critic_weights.mismatch=1")
    run = tiny.run(recipe, tmp_path)
    assert run.critic is not None
    for parameter in run.critic.network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    batch = tiny.batch(run)
    terms, _ = run.critic_terms(batch, run.model(batch, needs_prior_sample=True))
    others = batch.condition[[3, 0, 1, 2]]
    score = run.critic.network(batch.image, others).score
    torch.testing.assert_close(terms["mismatch"], torch.nn.functional.softplus(score).mean())
    own = run.critic.network(batch.image, batch.condition).score
    assert abs(own - score).max() > 1e-3
    values = tiny.step(run)
    assert "critic_mismatch" in values


def test_a_critic_that_cannot_see_a_mismatch_is_refused(tiny) -> None:
    with pytest.raises(UserError, match=r"critic_weights\.mismatch: needs .*condition_hidden"):
        conditional(tiny, "critic_weights.mismatch=1")
