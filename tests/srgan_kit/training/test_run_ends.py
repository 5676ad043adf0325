"""How runs end: by a plan, by a signal or two, by an error; and what is left to use and to go on from."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.progress import Progress
from safetensors import safe_open
from safetensors.torch import load_file

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.checkpoint import NAME, PREVIOUS
from srgan_kit.training.limit import TimeLimit
from srgan_kit.training.loop import train
from srgan_kit.training.player import Diverged
from srgan_kit.training.run_folder import LOCK
from srgan_kit.training.signals import AGAIN, interruption
from srgan_kit.training.telemetry import TimeLeft

SMALL = ["steps=8", "checkpoint_every=1000", "validation.every=4", "log_every=1", "data.batch=2", "data.patch=8"]
SMALL += ["device=cpu", "precision=fp32", "generator={name='residual', channels=4, groups=1}"]
MODEL, BEST = "model.safetensors", "best.safetensors"
Command = Callable[..., tuple[int, str, str]]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, *more], images)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def step_of(path: Path) -> int:
    return torch.load(path, weights_only=True)["step"]


# --- plans ------------------------------------------------------------------------------------------------------------


def planned(run: Path, images: Path, steps: int, *more: str) -> None:
    """A run that has done the steps that were found to fit, out of many more of its recipe."""
    train(recipe(images, f"steps={steps}", *more), run)
    state = torch.load(run / NAME, weights_only=True)
    torch.save(state | {"recipe": recipe(images, "steps=50", *more).model_dump_json(), "steps": steps}, run / NAME)


def test_a_run_that_has_done_its_plan_takes_no_step_beyond_it(
    two_classes: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    planned(run, two_classes, 3)
    status, out, err = command("train", "--resume", run)
    assert (status, out.partition(",")[0]) == (0, f"{run / MODEL}: 3 steps")
    assert "all steps that fit into its time are done; --minutes M or --set steps=N goes on" in err
    assert step_of(run / NAME) == 3
    log = [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert max(log) == 3


def test_steps_that_are_set_replace_a_plan_even_where_the_recipe_has_as_many(
    two_classes: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    planned(run, two_classes, 3, "log_every=100")
    status, out, err = command("train", "--resume", run, "--set", "steps=50")
    assert (status, out.partition(",")[0]) == (0, f"{run / MODEL}: 50 steps"), err


def test_the_bar_shows_no_more_time_than_the_run_has() -> None:
    with Progress(disable=True) as progress:
        progress.add_task("train", total=1_000_000)
        task = progress.tasks[0]
        assert str(TimeLeft(TimeLimit(None)).render(task)) == "-:--:--"
        assert str(TimeLeft(TimeLimit(2)).render(task)) == "0:01:59"
        assert str(TimeLeft(TimeLimit(-1)).render(task)) == "0:00:00"


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
def test_a_second_signal_does_what_it_did_before_unless_it_is_the_same_one_passed_on() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    with interruption() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # as torchrun does, which got it from the terminal too
        assert (signals, heard) == ([signal.SIGTERM], [])
        time.sleep(AGAIN + 0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (signals, heard) == ([signal.SIGTERM], [signal.SIGTERM])


def test_a_stop_leaves_a_best_model_until_the_first_validation_decides(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes), tmp_path / "whole")
    train(recipe(two_classes), tmp_path / "run", minutes=0)
    stopped = metadata(tmp_path / "run" / BEST)
    assert (stopped["steps"], stopped["stopped_before_a_validation"]) == ("1", "yes")
    train(recipe(two_classes), tmp_path / "run", resume=True)
    assert metadata(tmp_path / "run" / BEST) == metadata(tmp_path / "whole" / BEST)
    assert "stopped_before_a_validation" not in metadata(tmp_path / "run" / BEST)
    best = [load_file(tmp_path / name / BEST) for name in ("run", "whole")]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[1])


# --- errors -----------------------------------------------------------------------------------------------------------


def test_no_model_is_of_a_later_step_than_what_can_be_gone_on_from(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes, "steps=6"), tmp_path / "run")
    assert [step_of(tmp_path / "run" / name) for name in (PREVIOUS, NAME)] == [4, 6]


def test_a_file_that_cannot_be_written_ends_a_run_that_is_saved(two_classes: Path, tmp_path: Path) -> None:
    run, chosen = tmp_path / "run", recipe(two_classes, "validation.holdout=0")  # so the start has no sheet
    run.mkdir()
    (run / "sheets").write_text("in the way")
    with pytest.raises(UserError) as error:
        train(chosen, run)
    assert str(error.value).startswith(f"{run / 'sheets'}: File exists")
    assert str(error.value).endswith(f"; the run is saved at step 4, --resume {run} goes on")
    assert metadata(run / MODEL)["steps"] == "4"
    (run / "sheets").unlink()
    train(chosen, run, resume=True)
    train(chosen, tmp_path / "whole")
    ours, whole = load_file(run / MODEL), load_file(tmp_path / "whole" / MODEL)
    assert all(torch.equal(ours[name], whole[name]) for name in whole)


def test_a_run_that_diverges_leaves_the_model_of_the_last_whole_step(two_classes: Path, tmp_path: Path) -> None:
    much = ["optimizer.learning_rate=1e30", "optimizer.warmup=0"]
    with pytest.raises(Diverged, match=r"^step 2: .* is nan; the run has stopped$"):
        train(recipe(two_classes, *much, "checkpoint_every=1"), tmp_path / "run")
    assert metadata(tmp_path / "run" / MODEL)["steps"] == "1"
    with pytest.raises(Diverged):
        train(recipe(two_classes, *much), tmp_path / "early")
    left = [name for name in (MODEL, NAME) if (tmp_path / "early" / name).exists()]
    assert left == []  # there is nothing to go on from: the run can start again in this folder


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
def test_the_lock_is_not_written_through_a_link(two_classes: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    for name, there in {"plain": "precious\n", "dangling": None}.items():
        run = tmp_path / name
        run.mkdir()
        mine.unlink(missing_ok=True)
        if there:
            mine.write_text(there)
        (run / LOCK).symlink_to(mine)
        assert train(recipe(two_classes, "steps=1"), run).finished
        assert (mine.read_text() if mine.exists() else None) == there
    run = tmp_path / "pipe"
    run.mkdir()
    os.mkfifo(run / LOCK)
    assert train(recipe(two_classes, "steps=1"), run).finished


def test_what_is_left_of_a_run_without_a_sound_checkpoint_is_named(two_classes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(recipe(two_classes), run)
    damaged = shutil.copytree(run, tmp_path / "damaged")
    for name in (NAME, PREVIOUS):
        (damaged / name).write_bytes(b"no checkpoint")
        (run / name).unlink()
    with pytest.raises(UserError, match="there is no other checkpoint to go back to, -o begins"):
        train(recipe(two_classes), damaged, resume=True)
    with pytest.raises(UserError, match=f"initialise_from={run / MODEL} starts another run from its model$"):
        train(recipe(two_classes), run, resume=True)
    with pytest.raises(UserError, match=f"holds a run already, of which {MODEL} is left; -o takes another folder$"):
        train(recipe(two_classes), run)
    again = train(recipe(two_classes, f"initialise_from={run / MODEL}"), tmp_path / "again")
    assert again.finished
