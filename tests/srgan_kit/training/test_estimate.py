"""`train --dry-run`: the whole recipe, and what a run would take, with nothing left behind."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from srgan_kit.models.build import build_critic, build_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.training.estimate import Estimate, estimate
from srgan_kit.training.memory import peak_memory

Command = Callable[..., tuple[int, str, str]]
SMALL = ["data.patch=8", "data.batch=2", "generator.channels=4", "validation.holdout=2", "validation.holdout_part=1"]
SMALL += ["validation.every=10", "device=cpu", "precision=fp32"]
CRITIC = ["variant=gan", "critic={name='unet', channels=4}", "weights.adversarial=0.1"]


def settings(*more: str) -> list[str]:
    return [word for setting in (*SMALL, *more) for word in ("--set", setting)]


def rows(out: str) -> dict[str, str]:
    """What stands below the recipe, by name."""
    return {line[:12].strip(): line[12:] for line in out.rpartition("\n\n")[2].splitlines()}


def test_the_command_says_what_a_run_takes_and_leaves_nothing(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path / "here")
    status, out, err = command("train", "smoke", "--data", two_classes, *settings(*CRITIC), "--dry-run")
    assert status == 0, err
    left = [*(tmp_path / "temporary").iterdir(), *(tmp_path / "here").iterdir()]
    assert [path for path in left if not path.name.startswith("torchinductor")] == []  # torch's own, made on import
    recipe = load_recipe("smoke", [*SMALL, *CRITIC], two_classes)
    assert tomllib.loads(out.rpartition("\n\n")[0])["critic"]["channels"] == 4
    generator, critic = build_model(recipe, (3, 8)), build_critic(recipe, (3, 8))
    assert critic is not None
    counts = [sum(p.numel() for p in network.parameters()) for network in (generator, critic)]
    found = rows(out)
    assert found["parameters"] == f"generator {counts[0]:,}, critic {counts[1]:,}"
    assert found["data"] == "6 training images, 2 held out, 0 skipped (6 in memory)"
    assert found["device"] == "cpu fp32"
    assert found["whole run"].startswith("20 steps and 3 validations of ")
    assert {"pixel", "adversarial", "critic", "share:"} <= {*found["terms"].split()}
    assert "GiB are free" in found["memory"]
    assert "no LPIPS beside PSNR" in err


def test_a_run_of_few_steps_or_of_minutes(two_classes: Path, tmp_path: Path) -> None:
    one = estimate(load_recipe("smoke", [*SMALL, "steps=1"], two_classes), tmp_path / "run")
    assert (one.steps, one.validations, one.critic) == (1, 2, None)
    assert one.seconds_per_step > 0
    ticks = iter(range(1000))
    fitted = estimate(
        load_recipe("smoke", [*SMALL, "steps=5000"], two_classes), tmp_path / "run", 1, lambda: next(ticks)
    )
    assert (fitted.seconds_per_step, fitted.seconds_per_validation) == (1, 1)  # each look at the clock is a second
    assert 50 <= fitted.steps <= 53  # with a validation each ten of them, and some time kept free
    assert fitted.seconds <= 60
    assert not (tmp_path / "run").exists()


def test_the_time_of_a_run_is_that_of_its_steps_and_validations() -> None:
    found = Estimate(1, None, "", "cpu fp32", 100, 2.0, 5.0, 0, 0, {}, [], validations=11)
    assert found.seconds == 100 * 2 + 11 * 5


def test_what_would_stop_the_run_stops_it(two_classes: Path, tmp_path: Path, command: Command) -> None:
    arguments = ["train", "smoke", "--data", two_classes, "-o", tmp_path / "run"]
    status, _, err = command(*arguments, *settings("weights.pixl=1"), "--dry-run")
    assert (status, err.count("\n")) == (2, 1)
    assert "did you mean weights.pixel?" in err
    assert command(*arguments, *settings("steps=1"))[0] == 0
    status, _, err = command(*arguments, *settings(), "--dry-run")
    assert (status, "holds a run already" in err) == (2, True)
    status, _, err = command("train", "--resume", tmp_path / "run", "--dry-run")
    assert (status, err) == (2, f"error: --dry-run: is of a new run; remove --resume {tmp_path / 'run'}\n")


def test_the_most_memory_so_far_contains_what_is_there_now() -> None:
    before = peak_memory(torch.device("cpu"))
    large = torch.ones(2**26)
    after = peak_memory(torch.device("cpu"))
    assert after >= large.nbytes
    del large
    slack = 2**22  # the kernel's counts are not exact
    assert peak_memory(torch.device("cpu")) + slack >= after >= before - slack
