"""The plans of the pretrained models that are trained by recipes: valid, in slices, stage after stage."""

import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.pretrained import train as plans
from scripts.pretrained.release_generator import LARGEST
from srgan_kit.errors import UserError
from srgan_kit.models.build import build_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe

NAME = "x4-perceptual"
PLAN = plans.PLANS[NAME]


def test_every_plan_is_of_valid_recipes_and_its_files_are_small(tmp_path: Path) -> None:
    for name, plan in plans.PLANS.items():
        for profile in plans.PROFILES:
            stages = plans.recipes(plan, tmp_path / name, tmp_path, profile, "cpu", ())
            assert [recipe.initialise_from is None for recipe in stages[1:]] == [False] * (len(stages) - 1)
            parameters = build_model(stages[-1], (3, 8) if stages[-1].task == "super-resolution" else None)
            upscales = stages[-1].task == "super-resolution"
            largest, size = (8e6, 4) if upscales else (LARGEST, 2)  # generators are stored in 16 bits
            assert size * sum(p.numel() for p in parameters.parameters()) < largest, name


def test_a_plan_in_slices_goes_through_all_stages(
    two_classes: Path, vgg_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first stage by its own settings; the second, which needs LPIPS, without that term."""
    extra = "steps=2", "data.batch=2", "data.patch=8", "log_every=1", "precision=fp32", "validation.holdout=2"
    extra += "validation.holdout_part=1", "weights.lpips=0", f"perceptual.weights={vgg_file}"
    extra += ("perceptual.layers={conv1_2=1.0}", "techniques.crop=24", "perceptual.crop=24", "lpips.crop=24")
    runs = tmp_path / NAME

    def some(minutes: float | None, resume: bool) -> bool:
        stages = plans.recipes(PLAN, runs, two_classes, "cpu", "cpu", extra)
        return plans.train_slice(NAME, PLAN, runs, stages, minutes, resume)

    assert not some(1e-9, False)  # the time is up before the first stage begins
    assert not some(2e-5, True)  # in a millisecond: while the first stage is built
    assert "1-gan at step 1 of 2; in all 1 steps, 2 images" in capsys.readouterr().out
    assert some(None, True)
    assert "stage 2-lpips at step 2 of 2; in all 4 steps, 8 images, 0.00 G pixels made" in capsys.readouterr().out
    first, last = (load_file(runs / stage / "model.safetensors") for stage in ("1-gan", "2-lpips"))
    assert max((first[key] - last[key]).abs().max() for key in first) < 0.02  # each stage starts where one ended
    with pytest.raises(UserError, match="holds a run already"):
        some(None, False)


def test_progress_counts_a_finished_stage_without_its_log(tmp_path: Path) -> None:
    runs = tmp_path / NAME
    stages = plans.recipes(PLAN, runs, tmp_path, "cpu", "cpu", ())

    def progress() -> str:
        return plans.progress(NAME, PLAN, runs, stages)

    nothing = "x4-perceptual: not begun; in all 0 steps, 0 images, 0.00 G pixels made; no speed known yet"
    assert progress() == nothing
    (runs / "1-gan").mkdir(parents=True)
    own = {"format": "x", "steps": "1200", "of_steps": "1200"}
    save_file({"a": torch.zeros(1)}, runs / "1-gan" / "model.safetensors", metadata=own)
    assert "1-gan at step 1,200 of 1,200; in all 1,200 steps, 9,600 images" in progress()
    (runs / "2-lpips").mkdir()
    (runs / "2-lpips" / "log.jsonl").write_text('{"step": 1000, "steps_per_second": 2.0}\n')
    assert progress().endswith(f"2.00 steps/s, about {1500 / 2 / 60:.0f} minutes left")


def test_where_a_stage_starts_is_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["train.py", NAME, "--set", "initialise_from=x2-photo", *where])
    with pytest.raises(SystemExit):
        plans.main()
    assert "what each stage starts from is the plan's to say" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("profile", plans.PROFILES)
def test_the_commands_that_show_prints_are_the_stages(
    profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / NAME
    plans._show(PLAN, runs, tmp_path, profile, "cpu", ())
    shown: list[Recipe] = []
    for line in filter(None, capsys.readouterr().out.splitlines()):
        program, command, name, *words = shlex.split(line)
        assert (program, command) == ("srgan-kit", "train")
        settings = [after for before, after in pairwise(words) if before == "--set"]
        shown.append(load_recipe(name, settings, tmp_path))
    assert shown == plans.recipes(PLAN, runs, tmp_path, profile, "cpu", ())
