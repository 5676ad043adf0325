"""Weights that are shares of the gradient: against closed forms, and in runs that stop and go on."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import default_collate

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.checkpoint import NAME
from srgan_kit.training.loop import train
from srgan_kit.training.player import Player
from srgan_kit.training.run import Run
from srgan_kit.training.shares import FURTHEST, LARGEST_STEP, HeldShares, factors_for, gradient_shares, scaled

SMALL = ["data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "log_every=1", "validation.holdout=0"]
ADVERSARIAL = ["variant=gan", "critic={name='unet', channels=8}", "weights.adversarial=share:0.15", "share_every=2"]


def recipe(images: Path, *more: str, name: str = "smoke") -> Recipe:
    return load_recipe(name, [*SMALL, *more], images)


def log(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "generator_gradient" in line]


class Quadratics:
    """a |x - (3, 4)|^2 / 2 and b |x - (5, 12)|^2 / 2 at x = 0: gradients of norms 5 a and 13 b."""

    def __init__(self) -> None:
        self.point = nn.Linear(2, 1, bias=False)
        nn.init.zeros_(self.point.weight)
        parts = {"decoder": list(self.point.parameters())}
        self.player = Player("generator", self.point, parts, load_recipe("smoke").optimizer, Accelerator(cpu=True))

    def norms(self, held: HeldShares, sizes: tuple[float, float] = (1.0, 1.0)) -> dict[str, dict[str, float]]:
        x = self.point.weight[0]
        targets = torch.tensor([[3.0, 4.0], [5.0, 12.0]])
        terms = {
            name: size * (x - target).square().sum() / 2
            for name, size, target in zip("ab", sizes, targets, strict=True)
        }
        return self.player.gradient_norms(terms, {"a": 1.0} | held.weights, {})


def test_the_first_measurement_gives_the_weight_of_the_closed_form() -> None:
    held = HeldShares({"b": 0.2}, {"b": 1.0}, every=1)
    logged = held.measured(Quadratics().norms(held), 0)
    # 13 w / (5 + 13 w) = .2
    assert held.weights["b"] == pytest.approx(0.2 / 0.8 * 5 / 13)
    assert logged == pytest.approx({"share/a": 0.8, "share/b": 0.2, "weight_b": held.weights["b"]})


def test_the_weight_converges_to_the_closed_form_where_a_gradient_changes() -> None:
    held, terms = HeldShares({"b": 0.2}, {"b": 1.0}, every=1), Quadratics()
    held.measured(terms.norms(held), 0)
    weights = [held.weights["b"]]
    for step in range(1, 20):
        held.measured(terms.norms(held, (1.0, 100.0)), step)
        weights.append(held.weights["b"])
    assert weights[-1] == pytest.approx(0.2 / 0.8 * 5 / 1300, rel=1e-3)
    steps = [after / before for before, after in pairwise(weights)]
    assert all(1 / LARGEST_STEP - 1e-9 <= step <= 1 + 1e-9 for step in steps)  # smoothly, from one side
    assert steps[0] == pytest.approx(1 / LARGEST_STEP)


def test_two_held_terms_have_the_weights_of_the_closed_form_at_once() -> None:
    """Norms 2, 3 and 7 at weights of 1: w b = t_b T, w c = t_c T, T = 2 / (1 - t_b - t_c)."""
    targets = {"b": 0.3, "c": 0.5}
    held = HeldShares(targets, {"b": 1.0, "c": 1.0}, every=1)
    norms = {"a": {"decoder": 2.0}, "b": {"decoder": 3.0}, "c": {"decoder": 7.0}}
    logged = held.measured(norms, 0)
    whole = 2 / (1 - 0.8)
    assert held.weights == pytest.approx({"b": 0.3 * whole / 3, "c": 0.5 * whole / 7}, rel=1e-4)
    assert logged["share/a"] == pytest.approx(0.2, rel=1e-4)


def test_held_terms_of_two_parts_and_of_both() -> None:
    """b trains the decoder, c the encoder, d both: within its parts each has its share in the end."""
    targets = {"b": 0.2, "c": 0.3, "d": 0.25}
    norms = {
        "a": {"encoder": 1.0, "decoder": 4.0},
        "b": {"decoder": 50.0},
        "c": {"encoder": 0.1},
        "d": {"encoder": 7.0, "decoder": 1.0},
    }
    shares = gradient_shares(scaled(norms, factors_for(norms, targets)))
    assert {name: shares[name] for name in targets} == pytest.approx(targets, rel=1e-4)


def test_a_term_of_one_part_has_its_share_within_that_part() -> None:
    held = HeldShares({"b": 0.5}, {"b": 1.0}, every=1)
    norms = {"a": {"encoder": 100.0, "decoder": 3.0}, "b": {"decoder": 12.0}, "c": {"encoder": 50.0}}
    logged = held.measured(norms, 0)
    assert held.weights["b"] == pytest.approx(3 / 12)
    assert logged["share/b"] == pytest.approx(0.5)


def test_nothing_is_learned_from_no_gradient() -> None:
    held = HeldShares({"b": 0.5}, {"b": 3.0}, every=1)
    for norms in ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 0.0}):
        held.measured({name: {"decoder": norm} for name, norm in norms.items()}, 0)
        assert held.weights == {"b": 3.0}


def test_a_weight_stays_within_its_bounds() -> None:
    held = HeldShares({"b": 0.5}, {"b": 1.0}, every=1)
    for size, times in ((1.0, 1), (1e-12, 100)):
        for _ in range(times):
            held.adapt({"a": {"decoder": 1.0}, "b": {"decoder": size}})
    assert held.weights["b"] == pytest.approx(FURTHEST)
    for _ in range(100):
        held.adapt({"a": {"decoder": 1.0}, "b": {"decoder": 1e12}})
    assert held.weights["b"] == pytest.approx(1 / FURTHEST)


def test_noise_of_a_batch_moves_the_weight_little() -> None:
    """Norms that vary by a factor of 1.5 either way: the weight varies by less, around the right one."""
    random = torch.Generator().manual_seed(0)
    held = HeldShares({"b": 0.2}, {"b": 1.0}, every=1)
    weights = []
    for step in range(400):
        size = float(torch.exp(0.4 * torch.randn((), generator=random)))
        norms = {"a": {"decoder": 1.0}, "b": {"decoder": size * held.weights["b"]}}
        held.measured(norms, step)
        weights.append(held.weights["b"])
    logs = torch.tensor(weights[10:]).log()
    assert float(logs.mean().exp()) == pytest.approx(0.25, rel=0.05)
    assert float(logs.std()) < 0.4 * 0.65  # sqrt(s / (2 - s)) = .58 for a smoothing of s = .5


def test_a_run_holds_the_share_and_logs_the_weight(two_classes: Path, tmp_path: Path) -> None:
    train(
        recipe(two_classes, *ADVERSARIAL, "steps=12", "share_every=1", "weights.total_variation=0.01"), tmp_path / "run"
    )
    lines = log(tmp_path / "run")
    assert lines[0]["share/adversarial"] == pytest.approx(0.15)  # measured and followed in this very step
    late = [line["share/adversarial"] for line in lines[2:]]
    assert sum(late) / len(late) == pytest.approx(0.15, abs=0.05)
    assert all(line["weight_adversarial"] > 0 for line in lines)
    assert len({line["weight_adversarial"] for line in lines}) == len(lines)


def test_the_gradient_is_measured_every_so_many_steps(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes, *ADVERSARIAL, "steps=8", "share_every=3"), tmp_path / "run")
    weights = [line["weight_adversarial"] for line in log(tmp_path / "run")]
    changes = [number for number in range(1, 8) if weights[number] != weights[number - 1]]
    assert changes == [3, 6]


def test_a_run_that_was_stopped_goes_on_with_the_same_weights_bit_for_bit(two_classes: Path, tmp_path: Path) -> None:
    plan = recipe(two_classes, *ADVERSARIAL, "steps=7")
    train(plan, tmp_path / "whole")
    outcome = train(plan, tmp_path / "slices", minutes=0)
    while not outcome.finished:
        outcome = train(plan, tmp_path / "slices", resume=True, minutes=0)
    whole, slices = (torch.load(tmp_path / run / NAME, weights_only=True) for run in ("whole", "slices"))
    assert whole["held"] == slices["held"]
    assert whole["held"]["weights"]["adversarial"] != 1.0
    network, other = (state["generator"]["network"] for state in (whole, slices))
    assert all(torch.equal(network[name], other[name]) for name in network)


def test_a_checkpoint_from_before_resumes(two_classes: Path, tmp_path: Path) -> None:
    plan = recipe(two_classes, "steps=2")
    train(plan, tmp_path / "run")
    state = torch.load(tmp_path / "run" / NAME, weights_only=True)
    del state["held"]
    values = json.loads(state["recipe"])
    del values["share_every"]
    torch.save(state | {"recipe": json.dumps(values)}, tmp_path / "run" / NAME)
    assert train(recipe(two_classes, "steps=3"), tmp_path / "run", resume=True).finished


def test_a_paused_player_is_measured_all_the_same(two_classes: Path, tmp_path: Path) -> None:
    """VAE/GAN whose decoder pauses: its weights rest, and the share of its term within the decoder is held."""
    plan = recipe(
        two_classes,
        "data.size=16",
        "generator.channels=4",
        "critic.channels=4",
        "encoder.channels=4",
        "latent.noise=4",
        "weights.adversarial=share:0.3",
        "share_every=1",
        "variant.equilibrium=0.1",
        "variant.margin=0.09",
        name="vae-gan",
    )
    accelerator = Accelerator(cpu=True)
    run = Run(plan, tmp_path, accelerator, build_task(plan, accelerator.device, tmp_path))
    seen = []
    for step in range(4):
        items = [run.task.examples[2 * step + number] for number in range(2)]
        before = [each.detach().clone() for each in run.generator.parts["decoder"]]
        plays = run.updates.decoder
        values = run.train_step(run.task.batch(default_collate(items)), detailed=True)
        moved = any(not torch.equal(old, new) for old, new in zip(before, run.generator.parts["decoder"], strict=True))
        assert moved == plays
        seen.append((plays, values["weight_adversarial"]))
    assert {plays for plays, _ in seen} == {True, False}
    assert len({weight for _, weight in seen}) == 4
    assert values["share/adversarial"] == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["weights.pixel=share:1.5"], r"weights\.pixel: expected a share between 0 and 1, such as 'share:0\.15'; got"),
        (["weights.pixel=share:0"], "got 'share:0'"),
        (["weights.pixel=share:nan"], "got 'share:nan'"),
        (["weights.pixel=share:much"], "got 'share:much'"),
        (["weights.pixel=-1"], "weights.pixel: Input should be greater than or equal to 0, got -1"),
        (["weights.pixel=much"], "weights.pixel: Input should be a valid number"),
        (["weights={pixel='share:0.5', mse='share:0.5'}"], r"shares of less than 1 together, got 0\.5 \+ 0\.5 = 1"),
        ([*ADVERSARIAL, "critic_weights.critic=share:0.1"], r"critic_weights\.critic: expected a number, for only"),
    ],
)
def test_shares_that_cannot_be_are_refused(two_classes: Path, settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        recipe(two_classes, *settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["weights={pixel='share:0.5'}"], r"weights\.pixel: a share needs a fixed weight: give one of the terms"),
        (["weights={pixel='share:0.5', mse='share:0.2'}"], "a share needs a fixed weight"),
        (["weights={pixel='share:0.5', mse=0}"], "a share needs a fixed weight"),
        ([*ADVERSARIAL, "weights.critic=share:0.1"], "a weight for 'critic', which is no term of the generator's loss"),
    ],
)
def test_a_share_needs_a_fixed_weight_beside_it(
    two_classes: Path, tmp_path: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(recipe(two_classes, *settings, "steps=1"), tmp_path / "run")


def test_a_share_in_a_part_where_all_others_are_held_is_refused(two_classes: Path, tmp_path: Path) -> None:
    held = ["weights.kl=share:0.1", "weights.similarity_encoder=share:0.1"]
    plan = recipe(two_classes, "data.size=16", "generator.channels=4", "critic.channels=4", *held, name="vae-gan")
    with pytest.raises(UserError, match=r"weights\.kl: a share needs a fixed weight: give one of the encoder's terms"):
        train(plan, tmp_path / "run")


def test_shares_are_kept_in_the_recipe_as_they_were_given(two_classes: Path) -> None:
    plan = recipe(two_classes, *ADVERSARIAL)
    assert plan.shares == {"adversarial": 0.15}
    assert plan.generator_weights["adversarial"] == 1.0  # the published one, until it is measured
    again = Recipe.model_validate_json(plan.model_dump_json())
    assert again.weights["adversarial"] == "share:0.15"
    assert gradient_shares({}) == {}
