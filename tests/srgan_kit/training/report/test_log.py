"""Reading logs as they are: damaged, cut short, of runs that went back, and the warnings in them."""

import json
import math
from pathlib import Path

import pytest

from srgan_kit.training.health_checks import VALIDATIONS
from srgan_kit.training.report.log import Record, RunLog, Seen


def test_lines_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    lines = [
        '{"step": 5, "pixel": 0.5, "steps_per_second": 2.0}',
        '{"step": 5, "warning": "something"}',
        "not json",
        '{"step": "6", "pixel": 1}',
        "[1, 2]",
        '{"step": 10, "pixel": NaN, "note": "text", "flag": true}',
        '{"step": 15, "pixel": 0.25, "steps_per_second": 5.0}',
        '{"step": 20, "pixel": 0.1',  # a crash
    ]
    (tmp_path / "log.jsonl").write_bytes("\n".join(lines).encode() + b"\xff\xfe")
    log = RunLog.read(tmp_path / "log.jsonl")
    assert [record.step for record in log.records] == [5, 10, 15]
    assert log.names() == ["pixel", "steps_per_second"]
    assert log.points("pixel") == [(5, 0.5), (15, 0.25)]
    assert log.last_step == 15
    assert log.seconds() == 5 / 2 + 10 / 5


def test_without_a_log_there_is_nothing(tmp_path: Path) -> None:
    log = RunLog.read(tmp_path / "log.jsonl")
    assert (log.records, log.last_step, log.names(), log.warnings(), log.seconds()) == ([], 0, [], [], 0.0)


def test_of_steps_that_were_done_again_the_later_ones_count() -> None:
    steps = [1, 2, 2, 3, 4, 2, 3]
    log = RunLog(Record(step, {"pixel": float(number)}) for number, step in enumerate(steps))
    assert log.points("pixel") == [(1, 0.0), (2, 1.0), (2, 2.0), (2, 5.0), (3, 6.0)]


def test_the_start_and_bicubic_stand_beside_the_measures() -> None:
    log = RunLog(
        [
            Record(0, {"validation/psnr_y": 30.0}),
            Record(9, {"validation/psnr_y": 31.0, "validation/bicubic_psnr_y": 28.0}),
        ]
    )
    assert (log.start("psnr_y"), log.bicubic("psnr_y")) == (30.0, 28.0)
    assert (log.start("lpips"), log.bicubic("lpips")) == (None, None)


def critic(step: int, real: float, fake: float) -> Record:
    return Record(step, {"held_out/probability_real": real, "held_out/probability_fake": fake})


def test_a_log_that_shows_what_is_wrong_and_one_that_does_not() -> None:
    strong = [critic(100 * number, 0.999, 0.001) for number in range(1, 6)]
    (seen,) = RunLog(strong).warnings()
    assert seen.heading == "the critic is too strong, it tells all images apart"
    assert (seen.steps, seen.lasting) == ([100 * VALIDATIONS], True)
    assert "Try techniques.instance_noise=0.1" in seen.text
    recovered = [*strong, critic(600, 0.7, 0.3), *(critic(700 + number, 0.999, 0.001) for number in range(3))]
    assert [(seen.steps, seen.lasting) for seen in RunLog(recovered).warnings()] == [([300, 702], True)]
    assert [seen.lasting for seen in RunLog(recovered[:6]).warnings()] == [False]
    assert RunLog([critic(100 * number, 0.7, 0.3) for number in range(1, 6)]).warnings() == []


def test_warnings_of_the_log_are_those_that_the_run_gave(tmp_path: Path) -> None:
    """What the checks say is in the log as the run wrote it, and is found from its numbers alone."""
    records = [{"step": step, "validation/diversity": 0.01} for step in (10, 20)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    (seen,) = RunLog.read(tmp_path / "log.jsonl").warnings()
    assert isinstance(seen, Seen)
    assert (seen.heading, seen.steps, seen.lasting) == ("the generator collapses", [10], True)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_none_are_on_no_chart(value: float) -> None:
    assert RunLog([Record(1, {"pixel": value}), Record(2, {"pixel": 1.0})]).points("pixel") == [(2, 1.0)]
