"""The training command on real files: resumed runs equal unbroken ones, interruptions and divergence lose nothing."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from srgan_kit.data.image_folder import read_rgb
from srgan_kit.errors import UserError
from srgan_kit.images.grid import TITLE_HEIGHT
from srgan_kit.images.resize import resize_8bit
from srgan_kit.models.super_resolution import load_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.schema import Recipe
from srgan_kit.recipes.sections import OptimizerConfig
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training import run as running
from srgan_kit.training.checkpoint import NAME
from srgan_kit.training.ema import MovingAverage
from srgan_kit.training.loop import train
from srgan_kit.training.run import Diverged
from srgan_kit.training.schedule import learning_rate
from srgan_kit.variants.gan import GAN

SMALL = ["steps=8", "checkpoint_every=3", "validation.every=4", "log_every=1", "data.batch=2", "device=cpu"]
SMALL += ["validation.holdout_part=0.5"]
ADVERSARIAL = [
    "variant=gan",
    "critic.name=unet",
    "critic.channels=8",
    "critic_weights.critic=1",
    "weights.adversarial=0.01",
    "weights.total_variation=0.001",
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(0, 256, (80, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)).save(folder / f"{seed}.png")
    return folder


def command(images: Path, run: Path, *more: str) -> list[str]:
    settings = [argument for setting in SMALL for argument in ("--set", setting)]
    return [
        sys.executable,
        "-m",
        "srgan_kit",
        "train",
        "smoke",
        "--data",
        str(images),
        "-o",
        str(run),
        *settings,
        *more,
    ]


def recipe_for(images: Path, *more: str) -> Recipe:
    return load_recipe("smoke", [*SMALL, f"data.folder={images}", "precision=fp32", *more])


def test_training_lowers_the_loss_and_writes_a_model_that_loads(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = subprocess.run(command(images, run), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "5 training images" not in result.stderr  # two are held out
    assert "3 training images, 2 held out, 0 skipped (3 in memory)" in result.stderr
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "pixel" in line] == list(range(1, 9))
    assert [line["step"] for line in lines if "validation/psnr_y" in line] == [0, 4, 8]
    assert list((run / "tensorboard").iterdir())
    with Image.open(run / "sheets" / "0000008.png") as sheet:
        assert sheet.size == (4 * (96 + 2) + 2, 2 * (80 + 2) + 2 + TITLE_HEIGHT)  # two images, whole, in four columns
    assert (run / "report.html").is_file()
    model = load_model(run / "model.safetensors")
    assert model.scale == 4
    assert model.network(torch.rand(1, 3, 8, 9)).shape == (1, 3, 32, 36)


@pytest.mark.parametrize("settings", [[], ADVERSARIAL], ids=["fidelity", "gan"])
def test_a_run_interrupted_and_resumed_equals_one_never_stopped(
    images: Path, tmp_path: Path, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_for(images, *settings)
    train(recipe, tmp_path / "whole")

    def interrupted_step(run: running.Run, *arguments: Any, **named: Any) -> dict[str, float]:
        if run.step == 4:
            signal.raise_signal(signal.SIGINT)  # as Ctrl-C does, in the middle of a step
        return step(run, *arguments, **named)

    step = running.Run.train_step
    monkeypatch.setattr(running.Run, "train_step", interrupted_step)
    outcome = train(recipe, tmp_path / "broken")
    assert (outcome.finished, outcome.step) == (False, 5)
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever happened to the generator of random numbers in between
    assert train(recipe, tmp_path / "broken", resume=True).finished
    assert_equal_runs(tmp_path / "whole", tmp_path / "broken")


def test_a_killed_run_resumes_bit_for_bit_in_the_default_precision(images: Path, tmp_path: Path) -> None:
    more = ["--set", "steps=200", "--set", "checkpoint_every=7", "--set", "validation.every=50"]
    subprocess.run(command(images, tmp_path / "whole", *more), capture_output=True, check=True)
    killed = subprocess.Popen(command(images, tmp_path / "killed", *more), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / NAME).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    resume = [sys.executable, "-m", "srgan_kit", "train", "--resume", str(tmp_path / "killed")]
    subprocess.run(resume, capture_output=True, check=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")


def assert_equal_runs(first: Path, second: Path) -> None:
    a, b = (load_file(run / "model.safetensors") for run in (first, second))
    assert all(torch.equal(a[name], b[name]) for name in a)
    states = [torch.load(run / NAME, weights_only=True) for run in (first, second)]
    assert_same(states[0], states[1])
    assert logged_steps(first) == logged_steps(second)


def logged_steps(run: Path) -> list[int]:
    """The steps whose terms are logged; a run that was stopped has a validation more."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "learning_rate" in line]


def assert_same(a: object, b: object) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)  # pyright: ignore[reportArgumentType]
    elif isinstance(a, dict):
        assert a.keys() == b.keys()  # pyright: ignore[reportAttributeAccessIssue]
        for key in a:
            assert_same(a[key], b[key])  # pyright: ignore[reportIndexIssue]
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):  # pyright: ignore[reportArgumentType]
            assert_same(x, y)
    else:
        assert a == b


def test_both_players_move_and_the_critic_learns_from_both(images: Path, tmp_path: Path) -> None:
    train(recipe_for(images, *ADVERSARIAL, "steps=1"), tmp_path / "one")
    train(recipe_for(images, *ADVERSARIAL, "steps=4"), tmp_path / "four")
    one, four = (torch.load(tmp_path / name / NAME, weights_only=True) for name in ("one", "four"))
    for player in ("generator", "critic"):
        before, after = one[player]["network"], four[player]["network"]
        assert all(not torch.equal(before[name], after[name]) for name in before), player
    logged = json.loads((tmp_path / "four" / "log.jsonl").read_text().splitlines()[1])  # the first is of the start
    assert {"pixel", "total_variation", "adversarial", "critic", "generator_gradient", "critic_gradient"} <= set(logged)


def test_the_perceptual_term_trains_with_a_given_vgg(images: Path, tmp_path: Path, data_folder: Path) -> None:
    weights = data_folder / "weights" / "vgg_normalised_conv3_1.pth"
    recipe = recipe_for(
        images, "steps=2", "weights.perceptual=1", f"perceptual.weights={weights}", "perceptual.layers={conv3_1=1.0}"
    )
    train(recipe, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[1])["perceptual"] > 0


def test_two_processes_with_half_the_batch_equal_one_with_all_of_it(images: Path, tmp_path: Path) -> None:
    """By the command; `test_whole_batches.py` has every variant."""
    exact = [part for setting in (*ADVERSARIAL, "precision=fp32", "steps=4") for part in ("--set", setting)]
    one = command(images, tmp_path / "one", *exact, "--set", "data.batch=4")
    two = command(images, tmp_path / "two", *exact, "--set", "data.batch=2")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    for arguments in (one, [*launch, *two[1:]]):
        result = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    weights = [load_file(tmp_path / run / "model.safetensors") for run in ("one", "two")]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-5) for name in weights[0])
    lines = (tmp_path / "two" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if "pixel" in line] == [1, 2, 3, 4]


DYING = """
import os
import signal
import sys

import srgan_kit.cli.main
from srgan_kit.training.run import Run

step = Run.train_step


def dying(run, *arguments, **named):
    if run.step == 5 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return step(run, *arguments, **named)


Run.train_step = dying
sys.argv[0] = "srgan-kit"
srgan_kit.cli.main.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
def test_a_process_that_dies_ends_the_run_with_one_line_and_a_checkpoint(images: Path, tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    settings = ("precision=fp32", "data.batch=2", "checkpoint_every=2", "validation.every=9")
    arguments = command(images, tmp_path / "run", *(part for each in settings for part in ("--set", each)))[3:]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    result = subprocess.run(
        [*launch, str(tmp_path / "dying.py"), *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    going_on = f"the last checkpoint is kept, --resume {tmp_path / 'run'} goes on"
    assert line == f"error: step 6: another process of this run has ended; {going_on}"
    assert "RuntimeError" not in result.stderr  # torchrun's own report is of its children
    assert torch.load(tmp_path / "run" / NAME, weights_only=True)["step"] == 4


TURNS = """
import sys
from dataclasses import astuple
from pathlib import Path

import torch
from torch.utils.data import default_collate

from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.loop import start_accelerator
from srgan_kit.training.run import Run

images, folder, *settings = sys.argv[1:]
recipe = load_recipe("vae-gan", settings, Path(images))
accelerator = start_accelerator(recipe)
run = Run(recipe, Path(folder), accelerator, build_task(recipe, accelerator.device, Path(folder)))
turns = []
for step in range(8):
    first = (2 * step + accelerator.process_index) * recipe.data.batch
    items = default_collate([run.task.examples[first + number] for number in range(recipe.data.batch)])
    run.train_step(run.task.batch(items))
    turns.append(astuple(run.updates))
weights = [parameter for player in (run.generator, run.critic) for parameter in player.network.parameters()]
weights = torch.cat([weight.detach().flatten() for weight in weights])
torch.save((turns, weights), f"{folder}/{accelerator.process_index}.pt")
"""


def test_processes_agree_on_who_pauses(images: Path, tmp_path: Path) -> None:
    (tmp_path / "turns.py").write_text(TURNS)
    settings = ["device=cpu", "precision=fp32", "data.size=16", "data.batch=2", "validation.holdout=0"]
    settings += ["generator.channels=4", "critic.channels=4", "encoder.channels=4", "latent.noise=4"]
    settings += ["variant.equilibrium=0.69", "variant.margin=0.004"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    arguments = [*launch, str(tmp_path / "turns.py"), str(images), str(tmp_path), *settings]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (turns, weights), (other_turns, other_weights) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert turns == other_turns
    assert len(set(turns)) > 1  # somebody paused
    assert torch.equal(weights, other_weights)


def test_a_compiled_run_of_two_terms_logs_their_shares(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["compile=true", "weights.fourier=0.05", "steps=4", "log_every=2", "validation.every=9"]
    train(recipe_for(images, *settings, "generator.channels=4", "generator.groups=1"), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "share/pixel" in line] == [2, 4]
    assert "compiling the generator: the first step takes a minute or more" in capsys.readouterr().err


def test_a_folder_of_low_resolution_partners_replaces_the_bicubic(images: Path, tmp_path: Path) -> None:
    made, other = tmp_path / "made", tmp_path / "other"
    for folder in (made, other):
        folder.mkdir()
        for path in images.iterdir():
            low = resize_8bit(read_rgb(path), 0.25)
            low = low if folder is made else low.flip(0)
            Image.fromarray(low.permute(1, 2, 0).numpy()).save(folder / f"{path.stem}x4.png")
    train(recipe_for(images, "steps=2"), tmp_path / "none")
    train(recipe_for(images, "steps=2", f"data.lr_folder={made}"), tmp_path / "same")
    train(recipe_for(images, "steps=2", f"data.lr_folder={other}"), tmp_path / "different")
    none, same, different = (load_file(tmp_path / run / "model.safetensors") for run in ("none", "same", "different"))
    assert all(torch.equal(none[name], same[name]) for name in none)
    assert any(not torch.equal(none[name], different[name]) for name in none)
    next(made.iterdir()).unlink()
    with pytest.raises(UserError, match="no partner in"):
        train(recipe_for(images, "steps=2", "validation.holdout=0", f"data.lr_folder={made}"), tmp_path / "missing")


def test_a_run_starts_from_given_weights_and_refuses_others(images: Path, tmp_path: Path) -> None:
    train(recipe_for(images, "steps=2"), tmp_path / "base")
    base = tmp_path / "base" / "model.safetensors"
    train(recipe_for(images, "steps=1", f"initialise_from={base}", "optimizer.learning_rate=1e-12"), tmp_path / "next")
    before, after = load_file(base), load_file(tmp_path / "next" / "model.safetensors")
    assert all(torch.allclose(before[name], after[name], atol=1e-8) for name in before)
    with pytest.raises(UserError, match="do not fit this recipe's generator"):
        train(recipe_for(images, f"initialise_from={base}", "generator.channels=8"), tmp_path / "other")
    for groups in (1, 3):  # of two: none is left out in silence, and none begins anew
        with pytest.raises(UserError, match="do not fit this recipe's generator"):
            train(recipe_for(images, f"initialise_from={base}", f"generator.groups={groups}"), tmp_path / "other")


def test_a_latent_layer_starts_without_effect_or_from_one_that_was_trained(images: Path, tmp_path: Path) -> None:
    train(recipe_for(images, "steps=2"), tmp_path / "plain")
    latent = ["latent.noise=3", "optimizer.learning_rate=1e-12", "steps=1"]
    plain = f"initialise_from={tmp_path / 'plain' / 'model.safetensors'}"
    train(recipe_for(images, plain, *latent), tmp_path / "first")
    weights = load_file(tmp_path / "first" / "model.safetensors")
    assert weights["latent.weight"].abs().max() < 1e-8
    weights["latent.weight"].fill_(0.5)
    with safe_open(tmp_path / "first" / "model.safetensors", framework="pt") as file:
        save_file(weights, tmp_path / "steered.safetensors", metadata=file.metadata())
    train(recipe_for(images, f"initialise_from={tmp_path / 'steered.safetensors'}", *latent), tmp_path / "second")
    after = load_file(tmp_path / "second" / "model.safetensors")["latent.weight"]
    assert torch.allclose(after, torch.full_like(after, 0.5))


def test_divergence_stops_the_run_names_the_term_and_keeps_the_checkpoint(images: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"step 2: the generator's term 'pixel' is (nan|inf)"):
        train(recipe_for(images, "optimizer.learning_rate=1e36", "optimizer.warmup=0"), tmp_path / "early")
    train(recipe_for(images, "steps=6"), tmp_path / "run")
    good = (tmp_path / "run" / NAME).read_bytes()
    state = torch.load(tmp_path / "run" / NAME, weights_only=True)
    state["generator"]["network"]["decoder.head.weight"][0] = float("nan")
    broken = tmp_path / "broken"
    broken.mkdir()
    state["step"] = 3
    torch.save(state, broken / NAME)
    kept = (broken / NAME).read_bytes()
    with pytest.raises(Diverged, match="step 4: the generator's term 'pixel' is nan"):
        train(recipe_for(images, "steps=6"), broken, resume=True)
    assert (broken / NAME).read_bytes() == kept
    assert (tmp_path / "run" / NAME).read_bytes() == good


def test_divergence_is_blamed_on_its_player(images: Path, tmp_path: Path) -> None:
    more = ["optimizer.learning_rate=1e36", "optimizer.warmup=0", "critic_optimizer.learning_rate=1e-9"]
    with pytest.raises(Diverged, match=r"step 2: the generator's term '(pixel|total_variation)'"):
        train(recipe_for(images, *ADVERSARIAL, *more), tmp_path / "run")


def test_a_run_that_died_before_its_first_checkpoint_can_be_started_again(images: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        train(recipe_for(images, "optimizer.learning_rate=1e36", "optimizer.warmup=0"), tmp_path / "run")
    assert train(recipe_for(images), tmp_path / "run").finished


def test_changed_training_images_are_not_resumed_upon(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    shutil.copytree(images, folder)
    recipe = recipe_for(folder)
    train(recipe, tmp_path / "run")
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert train(recipe_for(moved), tmp_path / "run", resume=True).finished
    shutil.copy(moved / "0.png", moved / "9.png")
    with pytest.raises(UserError, match="training images are not those"):
        train(recipe_for(moved), tmp_path / "run", resume=True)


def test_held_out_files_are_usable_ones_and_validated_with_their_partners(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    shutil.copytree(images, folder)
    for name in "abcdefgh":
        (folder / f"{name}.png").write_bytes(b"broken")
    task = SuperResolution(recipe_for(folder), torch.device("cpu"), tmp_path / "run")
    assert (len(task.images), len(task.validation), len(task.skipped)) == (3, 2, 8)
    low = tmp_path / "low"
    low.mkdir()
    for path in images.iterdir():
        Image.new("RGB", (24, 20), (7, 8, 9)).save(low / path.name)
    paired = SuperResolution(recipe_for(folder, f"data.lr_folder={low}"), torch.device("cpu"), tmp_path / "run")
    assert all(pair[0][0].eq(7).all() for pair in paired.validation)
    assert paired.examples[0][1][2].eq(9).all()


def test_of_large_validation_images_the_middle_is_measured(images: Path, tmp_path: Path) -> None:
    recipe = recipe_for(images, "validation.largest_side=32")
    task = SuperResolution(recipe, torch.device("cpu"), tmp_path / "run")
    whole = SuperResolution(recipe_for(images), torch.device("cpu"), tmp_path / "run")
    for (low, high), (low_whole, high_whole) in zip(task.validation, whole.validation, strict=True):
        assert torch.equal(low, low_whole[:, 6:14, 8:16])
        assert torch.equal(high, high_whole[:, 24:56, 32:64])


def test_the_model_file_names_no_path_of_this_machine(images: Path, tmp_path: Path) -> None:
    train(recipe_for(images, "steps=1"), tmp_path / "base")
    base = tmp_path / "base" / "model.safetensors"
    train(recipe_for(images, "steps=1", f"initialise_from={base}"), tmp_path / "next")
    metadata = load_model(tmp_path / "next" / "model.safetensors").metadata
    assert str(tmp_path.parent) not in json.dumps(metadata)
    assert json.loads(metadata["recipe"])["initialise_from"] == "model.safetensors"


def test_mistakes_are_errors_before_anything_is_trained(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give --data DIR"):
        train(load_recipe("smoke"), tmp_path / "a")
    with pytest.raises(UserError, match="a weight for 'pixle', which is no term of the generator's loss"):
        train(recipe_for(images, "weights.pixle=1"), tmp_path / "b")
    with pytest.raises(UserError, match="a weight for 'adversarial', which is no term of the generator's loss"):
        train(recipe_for(images, "weights.adversarial=1"), tmp_path / "b")
    with pytest.raises(UserError, match="a weight for 'mse2', which is no term of the critic's loss"):
        train(recipe_for(images, *ADVERSARIAL, "critic_weights.mse2=1"), tmp_path / "e")
    with pytest.raises(UserError, match="fp16: training on a CPU"):
        train(recipe_for(images, "precision=fp16"), tmp_path / "e")
    assert not (tmp_path / "e").exists()
    with pytest.raises(UserError, match="nothing to resume"):
        train(recipe_for(images), tmp_path / "c", resume=True)
    train(recipe_for(images, "steps=1"), tmp_path / "d")
    with pytest.raises(UserError, match="holds a run already"):
        train(recipe_for(images, "steps=1"), tmp_path / "d")
    with pytest.raises(UserError, match="started with seed = 0, but the recipe now says 7"):
        train(recipe_for(images, "steps=1", "seed=7"), tmp_path / "d", resume=True)
    (tmp_path / "d" / NAME).write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="not a checkpoint"):
        train(recipe_for(images, "steps=1"), tmp_path / "d", resume=True)


def test_a_term_without_a_weight_is_an_error(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GAN, "critic_weights", {})
    settings = [setting for setting in ADVERSARIAL if not setting.startswith("critic_weights")]
    with pytest.raises(UserError, match="no weight for the term 'critic' of the critic's loss"):
        train(recipe_for(images, *settings), tmp_path / "e")


def test_a_mistake_on_the_command_line_is_one_line_and_status_2(tmp_path: Path) -> None:
    result = subprocess.run(command(tmp_path, tmp_path / "run"), capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == f"error: {tmp_path}: no image found in it or below it\n"
    assert not (tmp_path / "run").exists()


def test_the_learning_rate_never_rises_after_the_warm_up() -> None:
    config = OptimizerConfig(learning_rate=1e-7, final_learning_rate=1e-6, warmup=0)
    assert {learning_rate(config, step, 9) for step in range(9)} == {1e-7}


def test_the_learning_rate_warms_up_and_ends_at_the_final_rate() -> None:
    config = OptimizerConfig(learning_rate=1.0, final_learning_rate=0.1, warmup=4)
    rates = [learning_rate(config, step, 105) for step in range(105)]
    assert rates[:4] == [0.2, 0.4, 0.6, 0.8]
    assert rates[4] == 1.0
    assert rates[54] == pytest.approx(0.55)
    assert rates[104] == pytest.approx(0.1)


def test_a_warm_up_that_outlasts_the_run_is_said(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe_for(images, "steps=2", "optimizer.warmup=2"), tmp_path / "long")
    assert "warning: optimizer.warmup of 2 steps is no shorter than the run (2): the learning rate never" in (
        capsys.readouterr().err
    )
    train(recipe_for(images, "steps=2", "optimizer.warmup=1"), tmp_path / "short")
    assert "warmup" not in capsys.readouterr().err


def test_the_moving_average_by_hand() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = MovingAverage(network, decay=0.25)
    network.weight.data.fill_(1.0)
    average.update(step=1)  # decay min(.25, 2/11)
    assert average.network.weight.item() == pytest.approx(1 - 2 / 11)  # pyright: ignore[reportCallIssue]
    average.update(step=100)
    assert average.network.weight.item() == pytest.approx(1 - 0.25 * 2 / 11)  # pyright: ignore[reportCallIssue]
