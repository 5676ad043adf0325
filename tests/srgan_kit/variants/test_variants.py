"""Which parameters each term of a system trains, who pauses when, and the terms of systems that combine losses."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from srgan_kit import losses
from srgan_kit.contracts import Batch, CodePosterior, Codes, Critique, Gaussian, Sample, Updates
from srgan_kit.errors import UserError
from srgan_kit.training.dry_run import dry_run
from srgan_kit.training.run import Run
from srgan_kit.variants.deepsim import DeePSiM
from srgan_kit.variants.f_gan import FGAN
from srgan_kit.variants.gan import GAN
from srgan_kit.variants.improved_gan import ImprovedGAN
from srgan_kit.variants.infogan import InfoGAN
from srgan_kit.variants.srgan import SRGAN
from srgan_kit.variants.vae import VAE
from srgan_kit.variants.vae_gan import VAEGAN


def moved(tiny, run: Run, before: dict[str, Tensor]) -> set[str]:
    """The parts that have changed: generator.encoder, generator.decoder, critic.trunk, critic.code_head."""
    parts: set[str] = set()
    for name, value in tiny.weights(run).items():
        if not torch.equal(value, before[name]):
            player, part, *_ = name.split(".")
            head = "code_head" if "code_head" in name else "trunk"
            parts.add(f"{player}.{part if player == 'generator' else head}")
    return parts


def parts_trained_by(tiny, folder: Path, task: str, variant: str, player: str, term: str, *more: str) -> set[str]:
    """What one step changes if this term alone has a weight."""
    run = tiny.run(tiny.recipe(task, variant, *more), folder)
    sample = run.model(tiny.batch(run), needs_prior_sample=True)
    terms = {
        "weights": run.task.content_terms(tiny.batch(run), sample) | run.generator_terms(tiny.batch(run), sample),
        "critic_weights": run.critic_terms(tiny.batch(run), sample)[0],
    }
    alone = [f"{who}.{name}={float((who, name) == (player, term))}" for who, names in terms.items() for name in names]
    run = tiny.run(tiny.recipe(task, variant, *more, *alone), folder)
    with torch.no_grad():  # away from the start, where the latent vector of a super-resolver has no effect yet
        for parameter in run.model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    before = tiny.weights(run)
    tiny.step(run)
    return moved(tiny, run, before)


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("kl", {"generator.encoder"}),
        ("similarity_encoder", {"generator.encoder"}),
        ("similarity_decoder", {"generator.decoder"}),
        ("adversarial", {"generator.decoder"}),  # the encoder gets no adversarial gradient
    ],
)
@pytest.mark.parametrize("task", ["unconditional", "super-resolution", "reconstruction"])
def test_vae_gan_routes_every_term_to_its_player(task: str, term: str, parts: set[str], tiny, tmp_path) -> None:
    assert parts_trained_by(tiny, tmp_path, task, "vae-gan", "weights", term) == parts


@pytest.mark.parametrize("term", ["critic_real", "critic_fake"])
def test_vae_gans_critic_learns_from_its_own_terms_alone(term: str, tiny, tmp_path) -> None:
    trained = parts_trained_by(tiny, tmp_path, "unconditional", "vae-gan", "critic_weights", term)
    assert trained == {"critic.trunk"}  # no gradient of the similarity reaches it, none of its own the generator


@pytest.mark.parametrize("term", ["perceptual", "adversarial", "image"])
def test_deepsims_terms_train_the_generator_and_neither_comparator_nor_critic(term: str, tiny, tmp_path) -> None:
    parts = parts_trained_by(tiny, tmp_path, "reconstruction", "deepsim", "weights", term)
    assert parts == {"generator.encoder", "generator.decoder"}


def test_deepsims_divergence_trains_the_encoder_of_its_variational_form(tiny, tmp_path) -> None:
    parts = parts_trained_by(tiny, tmp_path, "unconditional", "deepsim", "weights", "kl")
    assert parts == {"generator.encoder"}


@pytest.mark.parametrize("term", ["categorical", "continuous"])
def test_infogans_information_reaches_the_generator(term: str, tiny, tmp_path) -> None:
    parts = parts_trained_by(tiny, tmp_path, "unconditional", "infogan", "weights", term)
    assert parts == {"generator.decoder"}


@pytest.mark.parametrize(
    ("setting", "parts"), [("q", {"critic.code_head"}), ("critic-and-q", {"critic.code_head", "critic.trunk"})]
)
def test_what_of_infogans_critic_learns_to_read_codes(setting: str, parts: set[str], tiny, tmp_path) -> None:
    named = f"variant={{name='infogan', information_trains='{setting}'}}"
    trained = parts_trained_by(tiny, tmp_path, "unconditional", "infogan", "critic_weights", "categorical", named)
    assert trained == parts


def test_a_paused_player_stands_still(tiny, tmp_path) -> None:
    run = tiny.run(tiny.recipe("reconstruction", "vae-gan"), tmp_path)
    for turn, parts in (
        (Updates(critic=False), {"generator.encoder", "generator.decoder"}),
        (Updates(decoder=False), {"generator.encoder", "critic.trunk"}),
        (Updates(encoder=False, decoder=False), {"critic.trunk"}),
    ):
        run.updates = turn
        before = tiny.weights(run)
        tiny.step(run)
        assert moved(tiny, run, before) == parts


def test_the_optimiser_of_a_paused_player_is_left_alone(tiny, tmp_path, monkeypatch) -> None:
    run = tiny.run(tiny.recipe("reconstruction", "vae-gan"), tmp_path)
    calls: list[str] = []
    for player in (run.generator, run.critic):
        monkeypatch.setattr(player.optimizer, "step", lambda name=player.name: calls.append(name))
    for turn, who in ((Updates(critic=False), ["generator"]), (Updates(encoder=False, decoder=False), ["critic"])):
        run.updates = turn
        tiny.step(run)
        assert calls == who
        calls.clear()


def test_a_layer_or_code_or_class_that_there_is_not_is_named_before_the_first_step(tiny, tmp_path) -> None:
    for variant, more, message in (
        ("vae-gan", ["variant.layer=9"], r"variant\.layer: this critic shows \d feature maps, there is no number 9"),
        ("improved-gan", ["variant.layer=-9"], r"variant\.layer: .* no number -9"),
        (
            "gan",
            ["weights.feature_matching=1", "techniques.feature_layer=7"],
            r"techniques\.feature_layer: .* no number 7",
        ),
        (
            "infogan",
            ["variant={name='infogan', labels='first-code'}", "latent.categorical=[]"],
            r"needs a categorical code: set latent\.categorical",
        ),
    ):
        with pytest.raises(UserError, match=message):
            dry_run(tiny.run(tiny.recipe("unconditional", variant, *more), tmp_path))


def test_too_few_classes_for_the_labels_are_named_before_the_first_step(tiny, tmp_path) -> None:
    for number in range(3):
        (tmp_path / "images" / str(number)).mkdir(parents=True)
        for path in sorted(tiny.images.rglob("*.png"))[:3]:
            shutil.copy(path, tmp_path / "images" / str(number))
    for variant, more, setting in (
        ("improved-gan", [], r"critic\.classes"),
        ("infogan", ["variant={name='infogan', labels='first-code'}", "latent.categorical=[2]"], "latent.categorical"),
    ):
        recipe = tiny.recipe("unconditional", variant, *more)
        data = recipe.data.model_copy(update={"folder": tmp_path / "images"})
        with pytest.raises(UserError, match=rf"have 3 classes, but its variant tells 2 apart; set {setting}"):
            dry_run(tiny.run(recipe.model_copy(update={"data": data}), tmp_path / "run"))


@pytest.mark.parametrize(
    ("variant", "loss"),
    [
        (GAN("relativistic-pairs"), losses.RelativisticPairing()),
        (GAN("relativistic-average"), losses.RelativisticAverage()),
        (SRGAN("pairs"), losses.RelativisticPairing()),
        (SRGAN("average"), losses.RelativisticAverage()),
    ],
)
def test_a_relativistic_critic_compares_real_with_generated_images_for_both_players(variant, loss) -> None:
    real, fake = Critique(torch.randn(4, 1)), Critique(torch.randn(4, 1))
    batch, sample = Batch(torch.rand(4, 3, 2, 2)), Sample(torch.rand(4, 3, 2, 2))
    assert "real_in_generator_step" in variant.requirements()
    assert variant.critic_terms(real, fake, batch, sample)["critic"] == loss.critic_loss(real.score, fake.score)
    term = variant.generator_terms(real, fake, batch, sample)["adversarial"]
    assert term == loss.generator_loss(fake.score, real.score)
    assert variant.log_ratio(real) is None


def test_r3gan_is_pairs_with_both_penalties(tiny, tmp_path) -> None:
    settings = [
        "variant.objective=relativistic-pairs",
        "critic_weights={r1=1.0, r2=1.0}",
        "techniques.critic_norm=none",
    ]
    run = tiny.run(tiny.recipe("unconditional", "gan", *settings), tmp_path)
    dry_run(run)
    values = tiny.step(run)
    assert {"critic", "critic_r1", "critic_r2", "adversarial"} <= values.keys()
    assert all(math.isfinite(value) for value in values.values())


def test_the_log_has_r1_as_last_computed_and_without_its_factor(tiny, tmp_path) -> None:
    settings = ["critic_weights.r1=1", "optimizer.learning_rate=1e-12", "critic_optimizer.learning_rate=1e-12"]
    every, third = (
        tiny.run(tiny.recipe("unconditional", "gan", *settings, f"techniques.r1_every={n}"), tmp_path / str(n))
        for n in (1, 3)
    )
    logged = [(tiny.step(every)["critic_r1"], tiny.step(third)["critic_r1"]) for _ in range(5)]
    for step in range(5):
        assert logged[step][1] == pytest.approx(logged[step - step % 3][0], rel=1e-4)


def test_vae_gan_pauses_who_is_too_good() -> None:
    variant = VAEGAN(equilibrium=0.68, margin=0.35)

    def turn(real: float, fake: float) -> Updates:
        return variant.next_updates({"critic_real": real, "critic_fake": fake}, {}, Updates())

    assert turn(0.68, 0.68) == Updates()
    assert turn(0.3, 0.7) == Updates(critic=False)
    assert turn(0.7, 1.1) == Updates(decoder=False)
    assert turn(0.3, 1.1) == Updates()


def test_deepsim_pauses_with_hysteresis() -> None:
    variant = DeePSiM()

    def turn(ratio: float, before: Updates) -> Updates:
        return variant.next_updates({"critic": ratio}, {"adversarial": 1.0}, before)

    assert turn(0.3, Updates()).critic
    assert not turn(0.09, Updates()).critic
    assert not turn(0.3, Updates(critic=False)).critic  # until the ratio is above .5
    assert turn(0.51, Updates(critic=False)).critic
    assert turn(11.0, Updates()) == Updates(critic=True, encoder=False, decoder=False)
    with pytest.raises(ValueError, match="expected pause_below < resume_above < generator_pause_above"):
        DeePSiM(pause_below=0.6)


# --- terms by hand ----------------------------------------------------------------------------------------------------

BATCH = Batch(image=torch.zeros(2, 1, 2, 2))
SAMPLE = Sample(image=torch.full((2, 1, 2, 2), 0.5))
REAL, FAKE = Critique(score=torch.zeros(2, 1)), Critique(score=torch.full((2, 1), math.log(3.0)))


def test_gan_terms_are_the_objectives() -> None:
    critic = GAN().critic_terms(REAL, FAKE, BATCH, SAMPLE)["critic"]
    torch.testing.assert_close(critic, torch.tensor(math.log(2) + math.log(4)))
    assert GAN("minimax").generator_terms(None, FAKE, BATCH, SAMPLE)["adversarial"].item() == pytest.approx(
        -math.log(4)
    )
    assert GAN("wasserstein").critic_terms(REAL, FAKE, BATCH, SAMPLE)["critic"].item() == pytest.approx(math.log(3))
    with pytest.raises(ValueError, match="'hinge' has no labels to smooth"):
        GAN("hinge", smoothing="one-sided")
    with pytest.raises(ValueError, match="no labels to smooth"):
        SRGAN(comparison="average", smoothing="two-sided")


def test_f_gan_in_log_ratio_form_measures_its_divergence_at_the_optimum() -> None:
    ratio = torch.tensor([[0.2], [-0.4]])
    terms = FGAN("kl").critic_terms(Critique(score=ratio), Critique(score=ratio), BATCH, SAMPLE)
    torch.testing.assert_close(terms["critic"], -(1 + ratio).mean() + ratio.exp().mean())  # T = 1 + v, f*(T) = e^v


def test_vae_terms_are_minus_the_elbo() -> None:
    posterior = Gaussian(torch.ones(2, 3), torch.zeros(2, 3))
    logits = torch.full((2, 1, 2, 2), -2.0)
    sample = Sample(image=logits.sigmoid(), posterior=posterior, logits=logits)
    terms = VAE("bernoulli").generator_terms(None, Critique(torch.zeros(0)), BATCH, sample)
    assert terms["kl"].item() == pytest.approx(1.5)
    assert terms["nll"].item() == pytest.approx(4 * math.log1p(math.exp(-2)))
    gaussian = VAE("gaussian", std=0.5).generator_terms(
        None, Critique(torch.zeros(0)), BATCH, replace(SAMPLE, posterior=posterior)
    )
    assert gaussian["nll"].item() == pytest.approx(4 * (0.5 + math.log(0.5) + math.log(2 * math.pi) / 2))


def test_vae_gan_terms_by_hand() -> None:
    features = [torch.zeros(2, 3, 1, 1)]
    judged = Critique(score=torch.zeros(2, 1), features=[torch.ones(2, 3, 1, 1)])
    fake = Critique(score=torch.full((2, 1), math.log(3.0)), features=features, of_reconstruction=judged)
    sample = Sample(
        image=BATCH.image, posterior=Gaussian(torch.zeros(2, 3), torch.zeros(2, 3)), reconstruction=BATCH.image
    )
    terms = VAEGAN().generator_terms(Critique(score=REAL.score, features=features), fake, BATCH, sample)
    assert terms["similarity_encoder"].item() == pytest.approx(1.5)  # half of three squared ones
    assert terms["similarity_encoder"] is terms["similarity_decoder"]
    assert terms["adversarial"].item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    critic = VAEGAN().critic_terms(REAL, fake, BATCH, sample)
    assert critic["critic_fake"].item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_infogan_reports_information_up_to_the_entropy_of_the_codes() -> None:
    codes = Codes(torch.tensor([[0, 1], [2, 0]]), torch.zeros(2, 0))
    sure = [torch.nn.functional.one_hot(codes.categorical[:, n], k).float() * 1e4 for n, k in ((0, 3), (1, 2))]
    fake = Critique(score=FAKE.score, codes=CodePosterior(sure, torch.zeros(2, 0)))
    sample = Sample(image=SAMPLE.image, codes=codes)
    terms = InfoGAN().generator_terms(None, fake, BATCH, sample)
    assert {*terms} == {"adversarial", "categorical"}  # no continuous code, no term
    assert terms["categorical"].item() == pytest.approx(-math.log(3) - math.log(2))


def test_improved_gan_matches_the_means_of_the_batches() -> None:
    real = Critique(score=REAL.score, features=[torch.tensor([[0.0], [4.0]]).view(2, 1, 1, 1)])
    fake = Critique(score=FAKE.score, features=[torch.tensor([[1.0], [1.0]]).view(2, 1, 1, 1)])
    terms = ImprovedGAN().generator_terms(real, fake, BATCH, SAMPLE)
    assert terms["feature_matching"].item() == pytest.approx(1.0)
    assert terms["feature_matching"] == losses.feature_matching(real.features[0], fake.features[0])  # pyright: ignore
