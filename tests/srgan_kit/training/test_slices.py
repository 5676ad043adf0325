"""Training in slices of time and stage after stage: deadlines, trunks of other scales, the pretrained models' plans."""

import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.pretrained import train as train_pretrained
from srgan_kit.errors import UserError
from srgan_kit.models.build import build_model
from srgan_kit.models.super_resolution import load_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.training.loop import train

SMALL = ["steps=5", "data.batch=2", "data.patch=8", "device=cpu", "precision=fp32", "validation.holdout=0"]


def recipe(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, *more], images)


def test_a_run_in_slices_equals_one_in_a_piece(two_classes: Path, tmp_path: Path) -> None:
    settings = "weights.fourier=0.05", "data.pipeline=device"
    assert train(recipe(two_classes, *settings), tmp_path / "whole", minutes=10).finished
    outcomes = [train(recipe(two_classes, *settings), tmp_path / "slices", minutes=0)]
    while not outcomes[-1].finished:
        outcomes.append(train(recipe(two_classes, *settings), tmp_path / "slices", resume=True, minutes=0))
    assert [(outcome.step, outcome.finished) for outcome in outcomes] == [(n, n == 5) for n in range(1, 6)]
    whole, slices = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "slices"))
    assert all(torch.equal(whole[name], slices[name]) for name in whole)


def test_the_trunk_of_another_scale_starts_a_run(two_classes: Path, tmp_path: Path) -> None:
    train(recipe(two_classes, "steps=1", "data.patch=4"), tmp_path / "x4")
    source = tmp_path / "x4" / "model.safetensors"
    still = ["steps=1", "data.patch=4", "generator.scale=2", "optimizer.learning_rate=1e-12"]
    train(recipe(two_classes, *still), tmp_path / "fresh")
    train(recipe(two_classes, *still, f"initialise_from={source}", "initialise_parts=trunk"), tmp_path / "x2")
    x4, fresh, x2 = (load_file(tmp_path / run / "model.safetensors") for run in ("x4", "fresh", "x2"))
    for name, value in x2.items():
        expected = fresh if name.startswith("tail.") else x4
        torch.testing.assert_close(value, expected[name], atol=1e-9, rtol=0, msg=name)
    assert not torch.equal(fresh["head.weight"], x4["head.weight"])
    with pytest.raises(UserError, match="do not fit"):
        train(recipe(two_classes, *still, f"initialise_from={source}"), tmp_path / "all")


# --- the pretrained models ------------------------------------------------------------------------------------------


def test_every_plan_is_of_valid_recipes_and_its_files_are_small(tmp_path: Path) -> None:
    for name, plan in train_pretrained.PLANS.items():
        for source in ("x4-fidelity", "x2-fidelity"):  # as if they had been trained
            model = tmp_path / source / train_pretrained.PLANS[source].stages[-1].name / "model.safetensors"
            model.parent.mkdir(parents=True, exist_ok=True)
            model.touch()
        for profile in train_pretrained.PROFILES:
            stages = train_pretrained.recipes(plan, tmp_path / name, tmp_path, profile, "cpu", ())
            assert [recipe.initialise_from is None for recipe in stages[1:]] == [False] * (len(stages) - 1)
            parameters = build_model(stages[-1], (3, 8) if stages[-1].task == "super-resolution" else None)
            largest = 8e6 if stages[-1].task == "super-resolution" else 4e6
            assert 4 * sum(p.numel() for p in parameters.parameters()) < largest, name


def test_a_plan_in_slices_goes_through_all_stages(
    two_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = "generator.channels=8", "generator.groups=1", "steps=2", "data.batch=2", "data.patch=4", "log_every=1"
    extra += "precision=fp32", "validation.holdout=2", "validation.holdout_part=1", "weights.distillation=0"
    plan, runs = train_pretrained.PLANS["x4-fidelity"], tmp_path / "x4-fidelity"

    def some(minutes: float | None, resume: bool) -> bool:
        stages = train_pretrained.recipes(plan, runs, two_classes, "gpu", "cpu", extra)
        return train_pretrained.train_slice("x4-fidelity", plan, runs, stages, minutes, resume)

    assert not some(1e-9, False)  # the time is up before the first stage begins
    assert not some(2e-5, True)  # in a millisecond: while the first stage is built
    assert "1-l1 at step 1 of 2; in all 1 steps, 2 images" in capsys.readouterr().out
    assert some(None, True)
    assert "stage 3-longer at step 2 of 2; in all 6 steps, 12 images, 0.00 G pixels made" in capsys.readouterr().out
    first, last = (load_file(runs / stage / "model.safetensors") for stage in ("1-l1", "3-longer"))
    key = "body.0.convolutions.0.weight"  # the first stage's is folded, unlike that of random weights in a later one
    assert (first[key] - last[key]).abs().max() < 0.02  # each stage starts where one ended
    with pytest.raises(UserError, match="holds a run already"):
        some(None, False)


def test_progress_counts_a_finished_stage_without_its_log(tmp_path: Path) -> None:
    plan, runs = train_pretrained.PLANS["x4-fidelity"], tmp_path / "x4-fidelity"
    stages = train_pretrained.recipes(plan, runs, tmp_path, "cpu", "cpu", ())

    def progress() -> str:
        return train_pretrained.progress("x4-fidelity", plan, runs, stages)

    nothing = "x4-fidelity: not begun; in all 0 steps, 0 images, 0.00 G pixels made; no speed known yet"
    assert progress() == nothing
    (runs / "1-l1").mkdir(parents=True)
    own = {"format": "x", "steps": "24000", "of_steps": "24000"}
    save_file({"a": torch.zeros(1)}, runs / "1-l1" / "model.safetensors", metadata=own)
    assert "1-l1 at step 24,000 of 24,000; in all 24,000 steps, 384,000 images" in progress()
    (runs / "2-distilled").mkdir()
    (runs / "2-distilled" / "log.jsonl").write_text('{"step": 1000, "steps_per_second": 2.0}\n')
    rest = (10_000 * 8 * 48**2 + 17_000 * 16 * 48**2) / (2 * 8 * 48**2) / 60
    assert progress().endswith(f"2.00 steps/s, about {rest:.0f} minutes left")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x4-photo", "--set", "initialise_from=x2-photo"], "what each stage starts from is the plan's to say"),
        (["x2-fidelity", "--teacher", "t.pth"], "--teacher: no stage of x2-fidelity has the term distillation"),
        (["x2-photo", "--features", "v.pth"], "--features: no stage of x2-photo has the term perceptual"),
        (["x4-fidelity", "--squeezenet", "s.pth"], "--squeezenet: no stage of x4-fidelity has the term lpips"),
    ],
)
def test_what_a_plan_has_no_use_for_is_refused(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["train_pretrained.py", *arguments, *where])
    with pytest.raises(SystemExit) as stopped:
        train_pretrained.main()
    assert reason in f"{stopped.value.code}{capsys.readouterr().err}"
    assert not (tmp_path / "runs").exists()


def test_the_plan_of_the_fidelity_model_is_taught_by_its_first_stage_and_another_network(tmp_path: Path) -> None:
    plan, runs = train_pretrained.PLANS["x4-fidelity"], tmp_path / "x4-fidelity"
    first, *taught = train_pretrained.recipes(plan, runs, tmp_path, "cpu", "cpu", ())
    teachers = str(runs / "1-l1" / "model.safetensors"), str(tmp_path / "span.safetensors")
    assert first.distillation.teachers == ()
    for stage in taught:
        assert stage.distillation.teachers == teachers
        assert stage.weights["distillation"]


@pytest.mark.parametrize("profile", train_pretrained.PROFILES)
def test_the_commands_that_show_prints_are_the_stages(
    profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, runs = train_pretrained.PLANS["x4-fidelity"], tmp_path / "x4-fidelity"
    train_pretrained._show(plan, runs, tmp_path, profile, "cpu", ())
    shown: list[Recipe] = []
    for line in filter(None, capsys.readouterr().out.splitlines()):
        program, command, name, *words = shlex.split(line)
        assert (program, command) == ("srgan-kit", "train")
        settings = [after for before, after in pairwise(words) if before == "--set"]
        shown.append(load_recipe(name, settings, tmp_path))
    assert shown == train_pretrained.recipes(plan, runs, tmp_path, profile, "cpu", ())


def test_a_teacher_is_made_where_a_stage_needs_it(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slim, runs = data_folder / "weights" / train_pretrained.SLIM_SPAN, tmp_path / "x4-fidelity"

    def make(name: str, given: Path | None, *extra: str) -> None:
        stages = train_pretrained.recipes(train_pretrained.PLANS[name], runs, tmp_path, "cpu", "cpu", extra)
        train_pretrained.make_teacher(stages, runs, given)

    make("x2-fidelity", slim)
    make("x4-fidelity", slim, "weights.distillation=0")
    assert not any(tmp_path.iterdir())
    make("x4-fidelity", slim)
    assert load_model(tmp_path / "span.safetensors").architecture == "SPAN"
    monkeypatch.delenv("SRGAN_KIT_DATA", raising=False)
    make("x4-fidelity", None)  # it is there
    with pytest.raises(UserError, match=r"nowhere\.pth"):
        make("x4-fidelity", tmp_path / "nowhere.pth")
    (tmp_path / "span.safetensors").unlink()
    with pytest.raises(UserError, match=r"no teacher: give --teacher team38_span_ch28_slim\.pth"):
        make("x4-fidelity", None)
