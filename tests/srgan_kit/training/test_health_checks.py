"""What a log must show for a warning, and that a healthy one gives none."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from scripts.lib.toys.distributions import ring
from srgan_kit.metrics.samples import pairwise_diversity
from srgan_kit.training.health_checks import COLLAPSED, LOGS, VALIDATIONS, HealthChecks
from srgan_kit.training.limit import TimeLimit
from srgan_kit.training.telemetry import LOG, Telemetry, readable

STEP = {
    "critic": 1.1,
    "score_real": 1.0,
    "score_fake": -1.0,
    "share/pixel": 0.6,
    "share/adversarial": 0.4,
    "pixel": 0.02,
    "adversarial": 0.9,
    "generator_gradient": 0.3,
    "learning_rate": 1e-4,
    "steps_per_second": 10.0,
}
VALIDATION = {
    "validation/diversity": 0.9,
    "held_out/probability_real": 0.7,
    "held_out/probability_fake": 0.3,
    "held_out/memorised": 0.55,
    "information/categorical.0": 2.1,
    "entropy/categorical.0": 2.303,
    "classes/entropy_fake": 2.1,
    "classes/entropy_real": 2.25,
    "posterior/kl": 20.0,
    "posterior/active_units": 12.0,
    "latent/spread": 0.7,
}


def warnings(records: list[dict[str, float]]) -> list[list[str]]:
    checks = HealthChecks()
    return [checks.read(record) for record in records]


def test_a_healthy_run_gives_no_warning() -> None:
    random = np.random.default_rng(0)
    records = []
    for number in range(200):
        decay = 1 - number / 210  # gradients shrink as the run settles
        records.append({name: value * decay * random.uniform(0.5, 1.5) for name, value in STEP.items()})
        if number % 10 == 9:
            records.append({name: value * random.uniform(0.9, 1.1) for name, value in VALIDATION.items()})
    assert [warning for said in warnings(records) for warning in said] == []


@pytest.mark.parametrize(
    ("wrong", "patience", "seen", "remedy"),
    [
        ({"validation/diversity": 0.05}, 1, "collapses: its images differ from each other by 5%", "minibatch_kernels"),
        ({"latent/spread": 0.001}, 1, "latent vector changes nothing: .* apart by 0.1%", "weights of terms"),
        ({"classes/entropy_fake": 0.7}, 1, r"few classes: their entropy is 0.70 nats, .* 2.25", "data.batch"),
        ({"posterior/kl": 0.01}, 1, r"posterior collapses: the code tells 0.01 nats", r"smaller weights\.kl"),
        ({"posterior/active_units": 0}, 1, "0 of its units are active", r"smaller weights\.kl"),
        (
            {"held_out/probability_real": 0.995, "held_out/probability_fake": 0.002},
            VALIDATIONS,
            "tells all images apart: .* with 99.5%, generated ones with 0.2%",
            r"techniques\.instance_noise=0.1",
        ),
        ({"held_out/memorised": 0.97}, VALIDATIONS, "knows its training images: .* 97% of pairs", "data.augment"),
        (
            {"information/categorical.0": 0.1},
            VALIDATIONS,
            r"do not show the categorical code 0: they tell 0.10 of its 2.30 nats",
            r"larger weights\.categorical",
        ),
    ],
)
def test_what_a_validation_shows(wrong: dict[str, float], patience: int, seen: str, remedy: str) -> None:
    said = warnings([VALIDATION | wrong] * (patience + 3))
    assert [len(each) for each in said] == [0] * (patience - 1) + [1] + [0] * 3  # once
    assert re.search(seen, said[patience - 1][0])
    assert re.search(remedy, said[patience - 1][0])


@pytest.mark.parametrize(
    ("wrong", "seen", "remedy"),
    [
        (
            {"share/adversarial": 0.002, "share/pixel": 0.998},
            "term 'adversarial' has no say: 0.20% of the generator's gradient, 'pixel' has 100%",
            r"larger weights\.adversarial, a smaller weights\.pixel",
        ),
        ({"generator_gradient": 1e-6}, "gradient has vanished: 1e-06, of 0.3 before", "non-saturating"),
        ({"paused/critic": 0.95}, "the critic hardly plays: it paused in 95%", "critic_optimizer.learning_rate"),
        ({"paused/decoder": 0.95}, "the decoder hardly plays", r"smaller optimizer\.learning_rate"),
    ],
)
def test_what_only_lasting_shows(wrong: dict[str, float], seen: str, remedy: str) -> None:
    said = warnings([STEP] * LOGS + [STEP | wrong] * (LOGS + 3))
    assert [len(each) for each in said] == [0] * (2 * LOGS - 1) + [1] + [0] * 3
    assert re.search(seen, said[2 * LOGS - 1][0])
    assert re.search(remedy, said[2 * LOGS - 1][0])
    assert sum(map(len, warnings(([STEP | wrong] * (LOGS - 1) + [STEP]) * 3))) == 0  # it never lasts


def test_a_warning_is_said_again_only_after_it_was_right_in_between() -> None:
    bad, neutral = VALIDATION | {"validation/diversity": 0.0}, STEP
    said = warnings([bad, neutral, bad, VALIDATION, neutral, bad, bad])
    assert [len(each) for each in said] == [1, 0, 0, 0, 0, 1, 0]


def test_a_decoder_that_pauses_has_no_gradient_to_vanish() -> None:
    said = warnings([STEP] * LOGS + [STEP | {"generator_gradient": 0.0, "paused/decoder": 0.5}] * 20)
    assert [warning for each in said for warning in each] == []


def test_where_the_ring_of_eight_counts_as_collapsed() -> None:
    toy = ring()
    points = toy.sample(2000, seed=0)
    mode, _ = toy.nearest(points)
    real = pairwise_diversity(toy.to_images(points))
    ratios = [pairwise_diversity(toy.to_images(points[mode < modes])) / real for modes in (1, 2, 8)]
    assert ratios == pytest.approx([0.03, 0.32, 1], abs=0.01)
    assert ratios[0] < COLLAPSED < ratios[1]


def test_warnings_are_in_the_log_and_are_not_repeated_by_a_resumed_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = VALIDATION | {"validation/diversity": 0.01}
    with Telemetry(tmp_path, 0, 30, TimeLimit(None)) as telemetry:
        telemetry.record(10, bad)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines == [{"step": 10, **bad}, {"step": 10, "warning": lines[1]["warning"]}]
    assert "warning, step 10: the generator collapses" in capsys.readouterr().err
    with Telemetry(tmp_path, 10, 30, TimeLimit(None)) as telemetry:
        telemetry.record(20, bad)
        telemetry.record(25, VALIDATION)
        telemetry.record(30, bad)
    steps = [json.loads(line)["step"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert steps == [10, 10, 20, 25, 30, 30]


def test_the_line_on_the_terminal_has_the_shares_in_one_group() -> None:
    line = readable(STEP | {"divergence/kl": 0.5, "divergence/kl_error": 0.02, "validation/psnr_y": 27.123456})
    assert line == (
        "critic 1.1  score_real 1  score_fake -1  pixel 0.02  adversarial 0.9  generator_gradient 0.3  "
        "learning_rate 0.0001  steps_per_second 10  share: pixel 60% adversarial 40%  divergence: kl 0.500±0.020  "
        "validation: psnr_y 27.12"
    )
