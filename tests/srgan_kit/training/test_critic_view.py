"""In whose company a critic judges: what is compared together, telemetry as it plays, fresh images for every step."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srgan_kit.contracts import Batch, Critique, Sample
from srgan_kit.critics.dcgan import DCGANCritic
from srgan_kit.layers.rows import rows
from srgan_kit.losses import MinibatchDiscrimination, feature_matching, learned_similarity
from srgan_kit.tasks.content import Content
from srgan_kit.training.critic_view import evaluating_with_batch_statistics
from srgan_kit.training.diagnostics import diagnose
from srgan_kit.training.loop import train
from srgan_kit.training.run import Run

COMPARING = {"vae-gan": [], "improved-gan": [], "gan": ["weights.feature_matching=1"]}


def half_contrast(run: Run, tiny) -> tuple[Batch, Sample]:
    batch = tiny.batch(run)
    weaker = 0.5 + (batch.image - 0.5) / 2
    return batch, Sample(image=weaker, reconstruction=weaker)


def of_compared(critique: Critique) -> Tensor:
    return (critique.of_reconstruction or critique).feature(-1)


@pytest.mark.parametrize("variant", COMPARING)
def test_half_the_contrast_is_far_from_the_whole_where_both_are_judged_together(variant: str, tiny, tmp_path) -> None:
    run = tiny.run(tiny.recipe("unconditional", variant, *COMPARING[variant], "critic.channels=16"), tmp_path)
    batch, sample = half_contrast(run, tiny)
    with torch.no_grad():
        real, fake = run.critic_view.real_and_fake(batch, sample)
        apart = run.judge(batch.image, batch), run.judge(sample.image, batch, sample)
    together = learned_similarity(real.feature(-1), of_compared(fake))
    assert together > 10 * learned_similarity(apart[0].feature(-1), of_compared(apart[1]))
    assert feature_matching(real.feature(-1), of_compared(fake)) > 0


@pytest.mark.parametrize("variant", COMPARING)
def test_a_pair_is_one_forward_of_the_whole_batch(variant: str, tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe("unconditional", variant, *COMPARING[variant]), tmp_path)
    batch, sample = half_contrast(run, tiny)
    images = [batch.image, sample.image, *([sample.reconstruction] if variant == "vae-gan" else [])]
    assert run.critic is not None
    with torch.no_grad():
        whole = run.critic.network(torch.cat(images))
        real, fake = run.critic_view.real_and_fake(batch, sample)
    assert torch.equal(real.score, whole.score[:4])
    assert torch.equal(fake.score, whole.score[4:8])
    assert torch.equal(real.feature(-1), whole.features[-1][:4])
    if variant == "vae-gan":
        assert fake.of_reconstruction is not None
        assert torch.equal(fake.of_reconstruction.score, whole.score[8:])


def test_both_steps_judge_together_and_the_generator_learns_by_it(tiny, tmp_path, monkeypatch) -> None:
    run = tiny.run(tiny.recipe("unconditional", "vae-gan"), tmp_path)
    assert run.critic is not None
    sizes: list[int] = []
    run.critic.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    tiny.step(run)
    assert sizes == [12, 12]  # real, sample and reconstruction, in the critic's step and in the generator's


def test_systems_that_compare_nothing_judge_each_kind_by_itself(tiny, tmp_path: Path) -> None:
    for variant, more in (("gan", []), ("vae-gan", ["techniques.virtual_batch_norm=true"])):
        run = tiny.run(tiny.recipe("unconditional", variant, *more), tmp_path)
        batch, sample = half_contrast(run, tiny)
        with torch.no_grad():
            real, fake = run.critic_view.real_and_fake(batch, sample)
            assert torch.equal(real.score, run.judge(batch.image, batch).score)
            assert torch.equal(fake.score, run.judge(sample.image, batch, sample).score)


def test_minibatch_discrimination_sees_each_kind_alone_all_the_same(tiny, tmp_path: Path) -> None:
    run = tiny.run(tiny.recipe("unconditional", "vae-gan", "critic.minibatch_kernels=3"), tmp_path)
    assert run.critic is not None
    layer = next(each for each in run.critic.network.modules() if isinstance(each, MinibatchDiscrimination))
    seen: list[int] = []
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    batch, sample = half_contrast(run, tiny)
    run.critic_view.real_and_fake(batch, sample)
    run.judge(batch.image, batch)
    assert seen == [4, 4, 4, 4]


def test_rows_go_through_lists_and_records() -> None:
    critique = Critique(score=torch.arange(6), features=[torch.arange(12).view(6, 2)])
    part = rows(critique, slice(2, 4))
    assert part.score.tolist() == [2, 3]
    assert part.features[0].tolist() == [[4, 5], [6, 7]]
    assert part.class_logits is None


# --- telemetry --------------------------------------------------------------------------------------------------------


def test_a_critic_with_batch_norm_is_measured_by_the_statistics_that_it_plays_with(tiny, tmp_path: Path) -> None:
    """Its running statistics, which are of images that no one plays with, would call everything generated."""
    run = tiny.run(tiny.recipe("unconditional", "gan", "validation.holdout=4"), tmp_path)
    assert run.critic is not None
    critic = run.critic.network
    optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.99))
    made = run.average.network
    assert isinstance(critic, DCGANCritic)
    held = run.task.held_out(4)
    assert held is not None
    for step in range(60):
        batch = tiny.batch(run)
        run.step = step
        with torch.no_grad():
            fake = made(batch, needs_prior_sample=True).image
        loss = nn.functional.softplus(-critic(batch.image).score) + nn.functional.softplus(critic(fake).score)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    for layer in critic.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.fill_(50.0)  # pyright: ignore
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    values = diagnose(run, made)
    assert values["held_out/separation"] > 0.9
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    critic.eval()
    with torch.no_grad():
        assert critic(held.image).score.max() < -100
    assert values["held_out/score_real"] > 0 > values["held_out/score_fake"]


def test_evaluating_with_batch_statistics_is_evaluation_but_for_batch_norm_and_leaves_no_trace() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    image = torch.rand(2, 3, 8, 8)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with evaluating_with_batch_statistics(network), torch.no_grad():
        hidden = network(image)
        assert torch.equal(hidden, network(image))  # no dropout
    assert hidden.mean(dim=(0, 2, 3)).abs().max() < 1e-6  # the batch's own statistics
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in network.modules())


# --- several steps of the critic --------------------------------------------------------------------------------------


def test_content_is_computed_once_and_every_critic_step_has_images_of_its_own(tiny, tmp_path, monkeypatch) -> None:
    more = ["weights.pixel=1", "critic_steps=3", "critic={name='unet', channels=4}"]
    run = tiny.run(tiny.recipe("super-resolution", "gan", *more), tmp_path)
    assert run.critic is not None
    computed: list[int] = []
    forward = Content.forward
    monkeypatch.setattr(Content, "forward", lambda self, *given: computed.append(1) or forward(self, *given))
    seen: list[Tensor] = []
    run.critic.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    batches = tiny.batches(run)
    tiny.step(run)
    assert len(computed) == 1
    real = seen[0:6:2]  # the critic sees real images and fake ones in turn, then the generator's
    assert len(seen) == 7
    for expected, got in zip(batches, real, strict=True):
        assert torch.equal(expected.image, got)
    assert not torch.equal(real[0], real[1])
    with pytest.raises(ValueError, match="expected 2 earlier batches for the critic's steps, got 0"):
        run.train_step(batches[0])


def test_a_run_of_several_critic_steps_takes_as_many_images_and_resumes(tiny, tmp_path: Path, monkeypatch) -> None:
    recipe = tiny.recipe("super-resolution", "gan", "weights.pixel=1", "critic_steps=2", "steps=3")
    taken: list[int] = []
    kind = type(tiny.run(recipe, tmp_path).task.examples)
    get = kind.__getitem__
    monkeypatch.setattr(kind, "__getitem__", lambda self, index: taken.append(index) or get(self, index))
    train(recipe, tmp_path / "whole")
    assert set(range(24)) <= set(taken)  # three steps of two batches of four
    assert max(taken) == 23
    train(recipe, tmp_path / "slices", minutes=0)
    assert train(recipe, tmp_path / "slices", resume=True).finished
    whole, slices = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "slices"))
    for player in ("generator", "critic"):
        for name, value in whole[player]["network"].items():
            assert torch.equal(value, slices[player]["network"][name]), name
    assert whole["step"] == slices["step"] == 3


@pytest.mark.parametrize("variant", COMPARING)
def test_what_a_step_compares_is_worked_out_by_hand_from_one_forward_of_the_critic(
    variant: str, tiny, tmp_path
) -> None:
    """Steps of the critic come first; the last forward is the generator's: real, generated and reconstructed images."""
    run = tiny.run(tiny.recipe("unconditional", variant, *COMPARING[variant], "critic_steps=2"), tmp_path)
    assert run.critic is not None
    seen: list[tuple[Tensor, Tensor]] = []
    run.critic.network.register_forward_hook(
        lambda _, inputs, judged: seen.append((inputs[0].detach().clone(), judged.features[-1].detach().double()))
    )
    batches = tiny.batches(run)
    values = tiny.step(run)
    assert [len(image) for image, _ in seen] == [12 if variant == "vae-gan" else 8] * 3
    for (image, _), batch in zip(seen, [*batches, batches[-1]], strict=True):
        assert torch.equal(image[:4], batch.image)
    (_, first), (_, second), (image, features) = seen
    assert not torch.equal(first, second)
    assert torch.equal(image[4:], seen[1][0][4:])  # the images of the critic's last step are the generator's own
    real, fake, reconstruction = features[:4].flatten(1), features[4:8].flatten(1), features[8:].flatten(1)
    if variant == "vae-gan":
        expected = (real - reconstruction).square().sum() / 2 / 4
        assert values["similarity_encoder"] == pytest.approx(float(expected), rel=1e-4)
    else:
        expected = (real.mean(dim=0) - fake.mean(dim=0)).square().mean()
        assert values["feature_matching"] == pytest.approx(float(expected), rel=1e-4)


def test_the_content_that_is_logged_is_that_of_the_generators_batch(tiny, tmp_path: Path) -> None:
    more = ["weights.pixel=1", "critic_steps=3", "critic={name='unet', channels=4}"]
    run = tiny.run(tiny.recipe("super-resolution", "gan", *more), tmp_path)
    assert run.critic is not None
    made: list[tuple[Tensor, Tensor]] = []
    run.model.register_forward_hook(
        lambda _, inputs, sample: made.append((inputs[0].condition.clone(), sample.image.detach().clone()))
    )
    *earlier, last = tiny.batches(run)
    values = tiny.step(run)
    assert len(made) == 3  # one of each batch; the generator's, which comes first, is not made again
    for batch, (condition, _) in zip([last, *earlier], made, strict=True):
        assert torch.equal(condition, batch.condition)
    assert values["pixel"] == pytest.approx(float((made[0][1] - last.image).abs().mean()), rel=1e-4)
