"""What a log must show for a warning, and that a healthy one gives none."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

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
        (
            {"score_real": 900.0, "score_fake": -20.0},
            "scores explode: 900 for real images, -20 for generated ones, 1 at first",
            r"techniques\.spectral_norm=true",
        ),
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


def test_scores_that_are_large_from_the_start_do_not_explode() -> None:
    energies = [STEP | {"score_real": -80.0, "score_fake": -300.0}] * 20
    assert sum(map(len, warnings(energies))) == 0


SR_STEP = {"pixel": 0.020, "generator_gradient": 0.3, "learning_rate": 1e-4}
NLL_STEP = {"nll": 90.0, "generator_gradient": 0.3}


def curve(step: dict[str, float], term: list[float], figure: str, values: list[float]) -> list[dict[str, float]]:
    """Two records of steps with each value of a term, then a validation with the value of a figure."""
    name = next(iter(step))
    pairs = zip(term, values, strict=True)
    return [record for seen, value in pairs for record in (step | {name: seen}, step | {name: seen}, {figure: value})]


FALLING = [0.020, 0.018, 0.016, 0.014, 0.012]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (curve(SR_STEP, FALLING, "validation/psnr_y", [30.0, 31.0, 30.8, 30.6, 30.4]), r"was 31 and is 30\.4.* 0\.012"),
        (curve(SR_STEP, FALLING, "validation/psnr", [30.0, 31.0, 30.8, 30.6, 30.4]), "best.safetensors"),
        (
            curve(NLL_STEP, [90, 80, 70, 60, 50], "held_out/nll", [91, 85, 88, 92, 99]),
            "held_out/nll .* was 85 and is 99",
        ),
        (curve(SR_STEP, FALLING, "validation/psnr_y", [30.0, 31.0, 30.95, 30.93, 30.95]), ""),  # within the noise
        (curve(SR_STEP, FALLING[::-1], "validation/psnr_y", [30.0, 31.0, 30.8, 30.6, 30.4]), ""),  # both get worse
        (curve(SR_STEP, FALLING, "validation/psnr_y", [30.0, 31.0, 30.8, 31.1, 30.9]), ""),  # it recovers
        (
            curve(SR_STEP | {"lpips": 0.2}, FALLING, "validation/psnr_y", [30.0, 31.0, 30.8, 30.6, 30.4]),
            "",
        ),  # for looks
        (
            curve(SR_STEP | {"score_real": 1.0, "score_fake": 0.0}, FALLING, "validation/psnr_y", [31.0] + [30.0] * 4),
            "",
        ),
        (
            curve(
                {"score_real": 1.0, "generator_gradient": 0.3},
                FALLING,
                "held_out/score_real",
                [0.1, 0.2, 0.3, 0.4, 0.5],
            ),
            "",  # a critic's
        ),
    ],
)
def test_held_out_images_that_get_worse_while_training_ones_get_better(records, said: str) -> None:
    found = [warning for each in warnings(records) for warning in each]
    assert len(found) == bool(said)
    if said:
        assert found[0].startswith("the generator learns its training images by heart: ")
        assert re.search(said, found[0])
        assert re.search("Try more images, data.augment", found[0])


@pytest.mark.parametrize(
    ("after", "step", "count"),
    [
        ([30.9, 30.9, 30.9], SR_STEP, 1),
        ([30.9, 30.9, 31.1], SR_STEP, 0),
        ([30.97] * 4, SR_STEP, 0),
        ([30.9, 30.9, 30.9], SR_STEP | {"perceptual": 1.0}, 0),  # looks are worth it
    ],
)
def test_a_model_that_is_worse_than_its_start(after: list[float], step: dict[str, float], count: int) -> None:
    records = [{"validation/psnr_y": 31.0}, *curve(step, [0.02] * len(after), "validation/psnr_y", after)]
    found = [warning for each in warnings(records) for warning in each]
    assert len(found) == count
    if count:
        assert found[0].startswith("the model is worse than its start: 30.90 dB, 31.00 dB before. Try a smaller")


def test_without_a_start_there_is_nothing_to_be_below() -> None:
    assert sum(map(len, warnings(curve(SR_STEP, [0.02] * 5, "validation/psnr_y", [31.0] + [30.0] * 4)))) == 0


def test_what_is_still_wrong_at_the_end() -> None:
    checks = HealthChecks()
    for record in [VALIDATION | {"latent/spread": 0.001}] * 2 + [VALIDATION | {"validation/diversity": 0.05}] * 2:
        checks.read(record)
    assert [warning.partition(":")[0] for warning in checks.lasting()] == ["the generator collapses"]
    checks.read(STEP)
    assert len(checks.lasting()) == 1  # a record without the measure says nothing of it
    checks.read(VALIDATION)
    assert checks.lasting() == []


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


def test_the_start_stands_beside_every_later_figure_of_a_resumed_run_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Telemetry(tmp_path, 0, 30, TimeLimit(None)) as telemetry:
        telemetry.record(0, {"validation/psnr_y": 31.2, "validation/bicubic_psnr_y": 28.4})
        telemetry.record(10, {"validation/psnr_y": 31.5, "validation/bicubic_psnr_y": 28.4})
    assert "validation: psnr_y 31.5 (start 31.2, bicubic 28.4)\n" in capsys.readouterr().err
    with Telemetry(tmp_path, 10, 30, TimeLimit(None)) as telemetry:
        telemetry.record(20, {"validation/psnr_y": 31.6})
    assert "validation: psnr_y 31.6 (start 31.2)\n" in capsys.readouterr().err


def test_sheets_are_on_tensorboard(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "sheet.png")
    with Telemetry(tmp_path, 0, 30, TimeLimit(None)) as telemetry:
        telemetry.sheet(10, tmp_path / "sheet.png")
        telemetry.sheet(20, tmp_path / "there is none.png")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (image,) = events.Images("sheet")
    assert image.step == 10
    with Image.open(io.BytesIO(image.encoded_image_string)) as shown:
        assert np.array_equal(np.asarray(shown), pixels)
