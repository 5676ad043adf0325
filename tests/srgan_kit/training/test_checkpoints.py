"""What a run leaves wherever it stops, and what it takes back: checkpoints, models, locks, limits of time."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from srgan_kit.errors import UserError
from srgan_kit.models.super_resolution import load_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.checkpoint import NAME, PREVIOUS, restore_newest, saved_recipe
from srgan_kit.training.limit import steps_that_fit
from srgan_kit.training.loop import is_finished, train

SMALL = ["steps=8", "checkpoint_every=3", "validation.every=4", "log_every=1", "data.batch=2", "data.patch=8"]
SMALL += ["device=cpu", "precision=fp32", "generator={name='residual', channels=4, groups=1}"]
Command = Callable[..., tuple[int, str, str]]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, *more], images)


def arguments(images: Path, run: Path, *more: str) -> list[str]:
    settings = [word for setting in (*SMALL, *more) for word in ("--set", setting)]
    return [sys.executable, "-m", "srgan_kit", "train", "smoke", "--data", str(images), "-o", str(run), *settings]


def resumed(run: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "srgan_kit", "train", "--resume", str(run)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def weights(run: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(run / name)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@pytest.fixture(scope="module")
def finished(two_classes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    assert train(recipe(two_classes), run).finished
    return run


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "copy")
    return tmp_path / "copy"


# --- two slots, each with its checksums -------------------------------------------------------------------------------


def test_the_last_two_checkpoints_are_kept(finished: Path) -> None:
    steps = [torch.load(finished / name, weights_only=True)["step"] for name in (NAME, PREVIOUS)]
    assert steps == [8, 6]


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "flipped", "text"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_with_a_warning(
    damage: str, finished: Path, copy: Path, two_classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / NAME
    whole = path.read_bytes()
    bias = torch.load(path, weights_only=True)["generator"]["network"]["decoder.head.bias"]
    at = whole.index(bias.numpy().tobytes())
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]  # the smallest change of one weight
    contents = {"cut": whole[: len(whole) // 2], "empty": b"", "flipped": flipped, "text": b"no checkpoint"}
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(contents[damage])
    assert train(recipe(two_classes), copy, resume=True).finished
    said = capsys.readouterr().err
    if damage != "gone":
        assert f"warning: {path}: damaged" in said
        assert f"going back to {PREVIOUS}, step 6" in said
    assert "resumed at step 6 of 8" in said
    assert same(weights(finished), weights(copy))
    assert torch.load(copy / PREVIOUS, weights_only=True)["step"] == 6  # the damaged one did not push it out


def test_no_flipped_bit_is_taken_for_what_was_saved(finished: Path, tmp_path: Path) -> None:
    whole = (finished / NAME).read_bytes()
    saved = torch.load(finished / NAME, weights_only=True)
    choice = random.Random(0)
    refused: list[str] = []
    for _ in range(150):
        broken = bytearray(whole)
        broken[choice.randrange(len(whole))] ^= 1 << choice.randrange(8)
        (tmp_path / NAME).write_bytes(broken)
        states: list[dict[str, object]] = []
        try:
            restore_newest(tmp_path, states.append)
        except UserError as error:
            refused.append(str(error))
            continue
        assert repr(states[-1]) == repr(saved)  # it hit padding
        assert all(
            torch.equal(a, b)
            for a, b in zip(states[-1]["average"].values(), saved["average"].values(), strict=True)  # pyright: ignore
        )
    assert len(refused) > 100
    assert all("damaged" in each and "\n" not in each for each in refused)


@pytest.mark.parametrize("part", ["generator", "average", "recipe", "step", "turn", "fingerprint"])
@pytest.mark.parametrize("how", ["missing", "misshapen"])
def test_a_checkpoint_that_lacks_a_part_is_one_line(part: str, how: str, copy: Path, two_classes: Path) -> None:
    state = torch.load(copy / NAME, weights_only=True)
    if how == "missing":
        del state[part]
    else:
        state[part] = {"generator": {"network": {}}, "average": {"a": torch.zeros(1)}, "turn": 7}.get(part, [None])
    torch.save(state, copy / NAME)
    (copy / PREVIOUS).unlink()
    with pytest.raises(UserError) as error:
        train(recipe(two_classes), copy, resume=True)
    expected = (
        "training images are not those" if (part, how) == ("fingerprint", "misshapen") else f"{copy / NAME}: damaged"
    )
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_runs_code_is_refused_without_advice_to_run_it(copy: Path, two_classes: Path) -> None:
    for name in (NAME, PREVIOUS):
        torch.save({"step": 3, "recipe": Path("x")}, copy / name)
    with pytest.raises(UserError, match="it holds more than tensors and plain values") as error:
        train(recipe(two_classes), copy, resume=True)
    assert "weights_only" not in str(error.value)


def test_a_run_folder_from_before_resumes(copy: Path, finished: Path, two_classes: Path) -> None:
    """One checkpoint, without what came later: the number of planned steps, the part that is held out."""
    state = torch.load(copy / PREVIOUS, weights_only=True)
    saved = json.loads(state["recipe"])
    del saved["validation"]["holdout_part"], state["steps"]
    state["recipe"] = json.dumps(saved)
    for path in copy.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    torch.save(state, copy / NAME)
    with pytest.raises(UserError, match="training images are not those"):  # it held out two of eight, as asked
        train(recipe(two_classes), copy, resume=True)
    whole = copy.with_name("whole")
    train(recipe(two_classes, "validation.holdout_part=1"), whole)
    old = torch.load(whole / PREVIOUS, weights_only=True)
    saved = json.loads(old["recipe"])
    del saved["validation"]["holdout_part"], old["steps"]
    torch.save(old | {"recipe": json.dumps(saved)}, copy / NAME)
    assert train(recipe(two_classes), copy, resume=True).finished
    assert same(weights(copy), weights(whole))


@pytest.mark.parametrize("limit", [30_000, 30_500, 31_000, 31_500, 32_000])  # in the middle of a write, or between two
def test_a_full_disk_is_named_and_the_checkpoint_before_kept(limit: int, copy: Path) -> None:
    """A limit on the size of files, below a checkpoint's and above everything else's, is as good as a full disk."""
    program = (
        "import resource, sys; from srgan_kit.cli.main import run; from srgan_kit.training import loop; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        f"sys.argv = ['srgan-kit', 'train', '--resume', {str(copy)!r}, '--set', 'steps=12']; run()"
    )
    before = (copy / NAME).read_bytes()
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    error = result.stderr.splitlines()[-1]
    assert error.startswith(f"error: {copy / NAME}: cannot be written (File too large)")
    assert error.endswith("the checkpoint before it is kept")
    assert (copy / NAME).read_bytes() == before
    assert not list(copy.glob(".unfinished-*"))


# --- what is there after a stop ---------------------------------------------------------------------------------------


def test_the_best_validation_is_kept_beside_the_last(finished: Path, two_classes: Path, tmp_path: Path) -> None:
    values = {}
    for line in (finished / "log.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "validation/psnr_y" in record and record["step"]:  # the start's does not count
            values[record["step"]] = record["validation/psnr_y"]
    assert sorted(values) == [4, 8]
    best = max(values, key=lambda step: values[step])
    assert metadata(finished / "best.safetensors")["steps"] == str(best)
    assert metadata(finished / "best.safetensors")["validation_psnr_y"] == f"{values[best]:.4f}"
    assert metadata(finished / "model.safetensors")["steps"] == "8"
    worse = ["optimizer.learning_rate=0.5", "optimizer.warmup=0", "ema=0", "validation.every=1", "steps=3"]
    train(recipe(two_classes, *worse), tmp_path / "worse")
    records = [json.loads(line) for line in (tmp_path / "worse" / "log.jsonl").read_text().splitlines()]
    records = [record for record in records if record["step"] and "validation/psnr_y" in record]  # not the start's
    psnr = {record["step"]: record["validation/psnr_y"] for record in records}
    best = max(psnr, key=lambda step: psnr[step])
    assert best != 3
    assert metadata(tmp_path / "worse" / "best.safetensors")["steps"] == str(best)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_a_model_a_validation_and_a_sheet(number: int, two_classes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = arguments(two_classes, run, "steps=1000000", "validation.every=1000000")
    heard = partial(signal.signal, number, signal.SIG_DFL)  # even where these tests run under nohup
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    assert started.stderr is not None
    while not started.stderr.readline().startswith("step 3/"):
        assert started.poll() is None
    started.send_signal(number)
    said = started.stderr.read()
    assert started.wait() == 128 + number
    step = torch.load(run / NAME, weights_only=True)["step"]
    assert f"stopped at step {step} of 1000000; go on with --resume {run}" in said
    assert metadata(run / "model.safetensors")["steps"] == str(step)
    assert float(metadata(run / "model.safetensors")["validation_psnr_y"]) > 0
    assert (run / "sheets" / f"{step:07d}.png").is_file()
    assert load_model(run / "model.safetensors").scale == 4
    assert not is_finished(run)


def test_a_closed_terminal_does_not_stop_a_run_under_nohup(two_classes: Path, tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    run = tmp_path / "run"
    started = subprocess.Popen(
        arguments(two_classes, run, "steps=30"), stderr=subprocess.PIPE, text=True, preexec_fn=ignore
    )
    assert started.stderr is not None
    while not started.stderr.readline().startswith("step 3/"):
        assert started.poll() is None
    started.send_signal(signal.SIGHUP)
    started.stderr.read()
    assert started.wait() == 0
    assert is_finished(run)


def test_the_steps_that_fit_leave_room_for_validations() -> None:
    assert steps_that_fit(100, per_step=0.97, per_validation=0, every=10) == 100
    assert steps_that_fit(100, per_step=0.5, per_validation=5, every=10) == 92  # 92 * (.5 + .5) + 5 = 97
    assert steps_that_fit(-5, per_step=1, per_validation=1, every=1) == 1


def test_minutes_fix_the_number_of_steps_and_the_schedule_and_the_status_is_0(
    two_classes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = arguments(two_classes, run, "steps=1000000", "checkpoint_every=1000000", "validation.every=1000000")
    start = time.monotonic()
    result = subprocess.run([*command, "--minutes", "0.3"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - start < 90
    state = torch.load(run / NAME, weights_only=True)
    assert f"{state['steps']} steps fit into 0.3 minutes" in result.stderr
    if state["step"] < state["steps"]:  # the machine became slower than it was measured
        assert f"stopped at step {state['step']} of {state['steps']}" in result.stderr
        result = resumed(run)
        assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    last = [record for record in records if "learning_rate" in record][-1]
    assert last["step"] == state["steps"] < 1_000_000
    assert last["learning_rate"] == pytest.approx(recipe(two_classes).optimizer.final_learning_rate)
    assert is_finished(run)


def test_a_planned_run_that_was_stopped_goes_on_by_its_plan(two_classes: Path, tmp_path: Path) -> None:
    """The plan is in the checkpoint: resumed without a limit, it ends where it was to end, bit for bit."""
    long = recipe(two_classes, "steps=40", "log_every=100", "validation.every=100")
    train(long.model_copy(update={"steps": 8}), tmp_path / "whole")
    train(long.model_copy(update={"steps": 8}), tmp_path / "planned", minutes=0)
    state = torch.load(tmp_path / "planned" / NAME, weights_only=True)
    planned = state | {"recipe": long.model_dump_json(), "steps": 8}  # as if 8 of 40 steps had been found to fit
    torch.save(planned, tmp_path / "planned" / NAME)
    outcome = train(long, tmp_path / "planned", resume=True)
    assert (outcome.step, outcome.steps, outcome.finished) == (8, 8, True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "planned"))
    again = train(long, tmp_path / "planned", resume=True, minutes=0.05, fit=True)
    assert again.step > 8  # it was done, and gets as many more as fit


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf"])
def test_minutes_that_are_no_time_are_refused(minutes: str, command: Command, two_classes: Path) -> None:
    status, _, err = command("train", "smoke", "--data", two_classes, "--minutes", minutes)
    assert (status, err) == (2, f"error: --minutes {minutes}: expected a number above 0\n")


# --- going on ---------------------------------------------------------------------------------------------------------


def test_resume_needs_the_folder_alone(two_classes: Path, finished: Path, tmp_path: Path, command: Command) -> None:
    train(recipe(two_classes), tmp_path / "run", minutes=0)
    (tmp_path / "run" / "recipe.json").unlink()
    status, out, err = command("train", "--resume", tmp_path / "run")
    assert (status, out.splitlines()[0].split(":")[1].split(",")[0]) == (0, " 8 steps"), err
    assert same(weights(finished), weights(tmp_path / "run"))


def test_a_recipe_or_an_output_beside_resume_is_an_error(finished: Path, command: Command) -> None:
    status, _, err = command("train", "smoke", "--resume", finished)
    assert (status, err) == (
        2,
        f"error: --resume {finished}: goes on by the run's own recipe, in its folder; remove the RECIPE smoke\n",
    )
    status, _, err = command("train", "--resume", finished, "-o", "x")
    assert status == 2
    assert "remove -o x" in err
    assert command("train")[2].startswith("error: train: expected a recipe (")


def test_a_finished_run_goes_on_with_more_steps_and_another_rate(copy: Path, command: Command) -> None:
    status, _, err = command("train", "--resume", copy)
    assert status == 0
    assert "all its steps are done; --set steps=N with a larger N goes on" in err
    status, _, err = command("train", "--resume", copy, "--set", "steps=10", "--set", "optimizer.learning_rate=1e-4")
    assert status == 0, err
    records = [json.loads(line) for line in (copy / "log.jsonl").read_text().splitlines()]
    rates = {record["step"]: record["learning_rate"] for record in records if "learning_rate" in record}
    assert sorted(rates) == list(range(1, 11))
    assert rates[10] == pytest.approx(1e-6)
    assert 1e-6 < rates[9] < 1e-4
    assert saved_recipe(copy).steps == 10
    assert json.loads((copy / "recipe.json").read_text())["steps"] == 10
    status, _, err = command("train", "--resume", copy, "--set", "steps=9")
    assert (status, err) == (2, f"error: --resume: steps = 9, but the run in {copy} has done 10 already\n")
    status, _, err = command("train", "--resume", copy, "--set", "data.batch=3")
    assert (status, err) == (
        2,
        "error: --resume: the run was started with data.batch = 2, but the recipe now says 3\n",
    )


def test_the_weights_to_start_from_need_not_be_there_to_resume(
    two_classes: Path, finished: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.safetensors"
    shutil.copy(finished / "model.safetensors", source)
    train(recipe(two_classes, f"initialise_from={source}"), tmp_path / "run", minutes=0)
    source.unlink()
    assert train(saved_recipe(tmp_path / "run"), tmp_path / "run", resume=True).finished


# --- one run in a folder ----------------------------------------------------------------------------------------------


def test_a_folder_in_which_another_process_trains_is_refused(two_classes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = subprocess.Popen(
        arguments(two_classes, run, "steps=1000000", "checkpoint_every=1000000"), stderr=subprocess.PIPE, text=True
    )
    assert first.stderr is not None
    while not first.stderr.readline().startswith("step 1/"):
        assert first.poll() is None
    with pytest.raises(UserError, match=rf"another run \(process {first.pid}\) trains in this folder"):
        train(recipe(two_classes), run)
    first.kill()  # which no process can prevent, and yet the lock is gone
    first.wait()
    assert train(recipe(two_classes), run).finished


def test_three_runs_at_once_are_one(two_classes: Path, tmp_path: Path) -> None:
    command = arguments(two_classes, tmp_path / "run", "steps=60")
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [run.communicate()[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2, 2]
    for run, err in zip(runs, said, strict=True):
        if run.returncode:
            assert "trains in this folder" in err or "holds a run already" in err


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/b", "..", ".", "", "a\\\\b"])
def test_a_recipe_whose_name_leaves_the_runs_is_refused(name: str, command: Command, two_classes: Path) -> None:
    status, _, err = command("train", "smoke", "--data", two_classes, "--set", f"name={json.dumps(name)}")
    assert status == 2
    assert "name: expected a name of one folder, which the run gets, got" in err


def test_links_in_the_folder_are_replaced_and_not_written_through(copy: Path, two_classes: Path) -> None:
    outside = copy.with_name("outside")
    outside.mkdir()
    for name in ("recipe.json", "log.jsonl"):
        (outside / name).write_text("mine\n")
        (copy / name).unlink()
        os.symlink(outside / name, copy / name)
    train(recipe(two_classes, "steps=9"), copy, resume=True)
    for name in ("recipe.json", "log.jsonl"):
        assert (outside / name).read_text() == "mine\n"
        assert not (copy / name).is_symlink()
    dangling = copy.with_name("new")
    dangling.mkdir()
    os.symlink(outside / "not there", dangling / "log.jsonl")
    train(recipe(two_classes, "steps=1"), dangling)
    assert not (outside / "not there").exists()


def test_a_damaged_log_beside_a_sound_checkpoint_loses_its_damaged_lines_alone(copy: Path, two_classes: Path) -> None:
    sound = (copy / "log.jsonl").read_bytes().splitlines()[:3]
    broken = [b"\xff\xfe\x00", b"5", b"[1]", b'{"step": null}', b'{"step": "2"}', b"{" * 100_000, b'{"step": 2, "pi']
    (copy / "log.jsonl").write_bytes(b"\n".join([*sound, *broken]))
    train(recipe(two_classes, "steps=9"), copy, resume=True)
    steps = [json.loads(line)["step"] for line in (copy / "log.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 9, 9]


def test_an_image_that_goes_away_stops_the_run_which_is_saved_first(two_classes: Path, tmp_path: Path) -> None:
    for workers in (0, 1):
        images = tmp_path / f"images{workers}"
        shutil.copytree(two_classes, images)
        run = tmp_path / f"run{workers}"
        command = arguments(images, run, "steps=1000000", "data.cache_megabytes=0", f"data.workers={workers}")
        started = subprocess.Popen([*command, "--set", "checkpoint_every=1000000"], stderr=subprocess.PIPE, text=True)
        assert started.stderr is not None
        while not started.stderr.readline().startswith("step 3/"):
            assert started.poll() is None
        shutil.rmtree(images)
        error = started.stderr.read().splitlines()[-1]
        assert started.wait() == 1
        step = torch.load(run / NAME, weights_only=True)["step"]
        assert error.startswith(f"error: {images}/")
        assert f"the run is saved at step {step}, --resume {run} goes on" in error
        shutil.copytree(two_classes, images)
        assert train(saved_recipe(run, [f"steps={step + 1}"]), run, resume=True).finished
