"""A labelled batch of its own, the generator's own batch, the averaged critic: what is seen, learned and saved."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from srgan_kit.contracts import Batch
from srgan_kit.critics.mlp import MLPCritic
from srgan_kit.errors import UserError
from srgan_kit.layers.weight_norm import WeightNormLinear
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.batches import step_batches
from srgan_kit.training.diagnostics import diagnose
from srgan_kit.training.loop import train
from srgan_kit.training.run import Run

MLP = "critic={name='mlp', hidden=[12, 8], normalisation='weight', activation='relu', classes=2, noise=0.1}"
LABELLED = ("labels.count=2", "labels.batch=3")
WHOLE = (MLP, *LABELLED, "generator_batch=own", "critic_ema=0.5", "latent.distribution=uniform")


def first_batches(run: Run) -> list[Batch]:
    return [part for (part,) in next(iter(step_batches(run)))]


@pytest.mark.parametrize("task", ["unconditional", "reconstruction", "super-resolution"])
def test_a_step_has_labelled_images_beside_its_own(task: str, tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe(task, "improved-gan", *LABELLED, "critic_steps=2"), tmp_path)
    for batch in first_batches(run):
        assert batch.labelled is not None
        assert len(batch.image) == 4
        assert len(batch.labelled.image) == 3
        assert batch.labelled.label is not None
        assert (batch.labelled.label >= 0).all()
        assert (batch.labelled.condition is None) == (batch.condition is None)
    assert all(batch.labelled is None for batch in first_batches(tiny.run(tiny.recipe(task, "improved-gan"), tmp_path)))


def test_as_many_labelled_images_as_there_are_labels_are_all_of_them(tiny, tmp_path: Path) -> None:
    recipe = tiny.recipe("unconditional", "improved-gan", "labels.count=4", "labels.batch=4", "steps=6")
    batches = [step[0][0].labelled for step in step_batches(tiny.run(recipe, tmp_path))]
    assert len(batches) == 6
    for batch in batches:
        assert batch is not None
        assert batch.label is not None
        assert sorted(batch.label.tolist()) == [0, 0, 1, 1]


def test_the_labelled_term_is_of_the_labelled_batch_alone(tiny, tmp_path: Path) -> None:
    run = tiny.run(
        tiny.recipe("unconditional", "improved-gan", MLP.replace("noise=0.1", "noise=0.0"), *LABELLED), tmp_path
    )
    (batch,) = first_batches(run)
    with torch.no_grad():
        terms, _ = run.critic_terms(batch, run.model(batch, needs_prior_sample=True))
        assert batch.labelled is not None
        logits = run.judge(batch.labelled.image, batch.labelled).class_logits
    assert batch.labelled.label is not None
    assert logits is not None
    expected = torch.nn.functional.cross_entropy(logits, batch.labelled.label)
    torch.testing.assert_close(terms["labelled"], expected)
    assert batch.label is not None
    batch.label.fill_(-1)
    with torch.no_grad():
        again, _ = run.critic_terms(batch, run.model(batch, needs_prior_sample=True))
    assert again["labelled"] > 0


@pytest.mark.parametrize(
    ("critic", "forwards"), [(MLP, [11]), ("critic={name='dcgan', channels=4, classes=2}", [8, 3])]
)
def test_all_images_are_one_forward_where_each_is_judged_by_itself(critic, forwards, tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe("unconditional", "improved-gan", critic, *LABELLED), tmp_path)
    assert run.critic is not None
    run.critic.network.eval()
    (batch,) = first_batches(run)
    with torch.no_grad():
        sample = run.model(batch, needs_prior_sample=True)
        sizes: list[int] = []
        hook = run.critic.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        real, fake = run.critic_view.real_and_fake(batch, sample)
        hook.remove()
        assert sizes == forwards
        assert real.of_labelled is not None
        assert batch.labelled is not None
        for critique, image in ((real, batch.image), (fake, sample.image), (real.of_labelled, batch.labelled.image)):
            torch.testing.assert_close(critique.class_logits, run.critic.network(image).class_logits)


def test_the_generators_own_batch_is_not_the_critics(tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe("unconditional", "improved-gan", MLP, "generator_batch=own"), tmp_path)
    assert run.critic is not None
    seen: list[Tensor] = []
    run.critic.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    of_critic, of_generator = tiny.batches(run)
    values = tiny.step(run)
    assert {"critic_unlabelled", "critic_labelled", "score_real", "feature_matching"} <= values.keys()
    real, fake, real_again, fake_again = seen
    assert torch.equal(real, of_critic.image)
    assert torch.equal(real_again, of_generator.image)
    assert not torch.equal(real, real_again)
    assert not torch.equal(fake, fake_again)


def test_a_run_with_all_of_it_resumes_exactly_and_what_it_averages_is_saved(tiny, tmp_path: Path) -> None:
    recipe = tiny.recipe("unconditional", "improved-gan", *WHOLE, "steps=4")
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "slices", minutes=0)
    while not train(recipe, tmp_path / "slices", minutes=0, resume=True).finished:
        pass
    whole, slices = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "slices"))
    for one, two in (
        (whole["critic_average"], slices["critic_average"]),
        (whole["critic"]["network"], slices["critic"]["network"]),
        (whole["generator"]["network"], slices["generator"]["network"]),
    ):
        assert all(torch.equal(value, two[name]) for name, value in one.items())
    plays, average = whole["critic"]["network"], whole["critic_average"]
    assert not torch.equal(plays["layers.0.direction"], average["layers.0.direction"])


def test_errors_are_those_of_the_averaged_critic(tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe("unconditional", "improved-gan", *WHOLE), tmp_path)
    assert run.critic is not None
    assert run.critic_average is not None
    assert run.measured_critic is run.critic_average.network
    run.task.data.held.labels.fill_(0)
    always(run.critic.network, 0)
    always(run.critic_average.network, 1)
    assert diagnose(run, run.model)["classes/error"] == 1.0


def always(network: nn.Module, answer: int) -> None:
    """Make the critic say the same class of every image."""
    assert isinstance(network, MLPCritic)
    head = network.heads.class_head
    assert isinstance(head, WeightNormLinear)
    with torch.no_grad():
        head.scale.zero_()
        head.bias.copy_(torch.nn.functional.one_hot(torch.tensor(answer), 2))


def test_the_first_batch_gives_the_critic_its_scales(tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe("unconditional", "improved-gan", MLP.replace("noise=0.1", "noise=0.0")), tmp_path)
    assert run.critic is not None
    first = run.task.batch(default_collate([run.task.examples[index] for index in range(4)]))
    logits = run.critic.network(first.image).class_logits
    torch.testing.assert_close(logits.mean(dim=0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits.std(dim=0, correction=0), torch.ones(2), atol=1e-3, rtol=0)


def test_labels_have_a_seed_of_their_own(tiny, tmp_path: Path) -> None:
    def labels(*more: str) -> tuple[Tensor, str]:
        recipe = tiny.recipe("unconditional", "improved-gan", "labels.count=2", "validation.holdout=1", *more)
        examples = tiny.run(recipe, tmp_path).task.examples
        return examples.labels, examples.images.pixels.sum()

    sets = {tuple(labels(f"labels.seed={seed}")[0].tolist()) for seed in range(6)}
    assert len(sets) > 1
    assert len({int(labels(f"labels.seed={seed}")[1]) for seed in range(6)}) == 1  # the same images are held out
    assert torch.equal(labels("seed=3")[0], labels("seed=3", "labels.seed=3")[0])


def test_a_share_and_a_batch_of_labels_are_not_both(tiny) -> None:
    with pytest.raises(UserError, match="share and batch are two ways"):
        tiny.recipe("unconditional", "improved-gan", "labels.share=0.2", "labels.batch=3")


def test_the_recipe_is_the_authors_settings() -> None:
    recipe: Recipe = load_recipe("improved-gan")
    assert (recipe.labels.count, recipe.labels.batch, recipe.data.batch) == (100, 100, 100)
    assert recipe.generator_batch == "own"
    assert recipe.latent.distribution == "uniform"
