"""Fine-tuning: better than the start, or the start itself; our own models and community checkpoints."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spandrel
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from torch import nn

from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.community import CommunityNetwork
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.adding import add_model
from srgan_kit.models.build import build_model
from srgan_kit.models.super_resolution import load_model, save_model
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks.super_resolution import SuperResolution
from srgan_kit.training import finetune
from srgan_kit.training.finetune import Trial, fine_tune, starting_recipe
from srgan_kit.training.loop import train
from srgan_kit.training.report.page import write_report

QUICK = 0.1
"""Minutes."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of sharp stripes, which a small network learns within seconds."""
    folder = tmp_path_factory.mktemp("photos")
    rows, columns = np.mgrid[:96, :96]
    for seed in range(12):
        random = np.random.default_rng(seed)
        angle, period = random.uniform(0, math.pi), random.uniform(6, 16)
        wave = np.sin(2 * np.pi * (rows * np.cos(angle) + columns * np.sin(angle)) / period)
        pixels = np.where(wave > 0, 220, 40)[:, :, None].repeat(3, axis=2).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A small model that was never trained."""
    torch.manual_seed(0)
    config = ResidualSRConfig(scale=2, channels=16, groups=1, convolutions=2)
    save_model(config.build(), config, tmp_path / "mine.safetensors", {"licence": "CC0-1.0", "border": "2"})
    return tmp_path / "mine.safetensors"


@pytest.fixture
def community(tmp_path: Path) -> Path:
    """Real-ESRGAN's compact architecture, small, in its own file."""
    torch.manual_seed(0)
    network = SRVGGNetCompact(num_feat=16, num_conv=2, upscale=2)
    torch.save({"params": network.state_dict()}, tmp_path / "compact.pth")
    return tmp_path / "compact.pth"


def read_metadata(path: Path) -> float:
    """The PSNR that a model file says was measured of it."""
    with safe_open(path, framework="pt") as file:
        return float(file.metadata()["validation_psnr_y"])


def test_a_model_gets_better_and_says_where_it_comes_from(photos: Path, own: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    result = fine_tune(photos, str(own), QUICK, tmp_path / "run", lines.append)
    assert result.better
    assert result.after > result.before.psnr + 0.1
    assert (result.before.images, result.model) == (1, tmp_path / "run" / "model.safetensors")
    with safe_open(result.model, framework="pt") as file:
        metadata = file.metadata()
    assert float(metadata["validation_psnr_y"]) == result.after
    assert (metadata["fine_tuned_from"], metadata["licence"], metadata["border"]) == ("mine", "CC0-1.0", "2")
    assert load_model(tmp_path / "run").scale == 2
    assert result.outcome is not None
    assert int(metadata["of_steps"]) == result.outcome.steps
    page = write_report(tmp_path / "run", tmp_path / "page.html")  # which takes the number of steps from there
    assert f" {result.outcome.steps} steps" in page.read_text(encoding="utf-8")  # "Finished: 9 steps" or "8 of 9 steps"
    assert any(line.startswith("before: ") and "on 1 held-out photographs" in line for line in lines)


def test_a_model_that_gets_worse_is_given_back(
    photos: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "RATES", (5.0,))  # far too large
    result = fine_tune(photos, str(own), QUICK, tmp_path / "run", lambda _: None)
    assert not result.better
    assert result.after == result.before.psnr
    kept, start = load_file(result.model), load_file(own)
    assert kept.keys() == start.keys()
    assert all(torch.equal(kept[name], start[name]) for name in start)


def test_a_gain_too_small_to_tell_leaves_the_start(
    photos: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "SMALLEST_GAIN", 50.0)
    result = fine_tune(photos, str(own), QUICK, tmp_path / "run", lambda _: None)
    assert (result.better, result.after) == (False, result.before.psnr)
    assert read_metadata(tmp_path / "run" / "best.safetensors") > result.before.psnr
    kept, start = load_file(result.model), load_file(own)
    assert all(torch.equal(kept[name], start[name]) for name in start)


@pytest.mark.parametrize("rates", [(1e38,), (1e-3, 1e38)], ids=["every trial", "the run"])
def test_what_diverges_leaves_the_start(
    rates: tuple[float, ...], photos: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "RATES", rates)
    if len(rates) > 1:  # the trials do not tell
        monkeypatch.setattr(finetune, "_trial", lambda recipe, task, seconds: Trial(1e38, 30.0, 0.01))
    lines: list[str] = []
    result = fine_tune(photos, str(own), QUICK, tmp_path / "run", lines.append)
    assert (result.better, result.after, result.outcome) == (False, result.before.psnr, None)
    kept, start = load_file(result.model), load_file(own)
    assert all(torch.equal(kept[name], start[name]) for name in start)
    assert load_model(tmp_path / "run").scale == 2
    assert any("diverged at every" in line or "the run has stopped" in line for line in lines)


def test_a_community_checkpoint_stays_one(photos: Path, community: Path, tmp_path: Path) -> None:
    result = fine_tune(photos, str(community), QUICK, tmp_path / "run", lambda _: None)
    assert result.better
    weights = load_file(result.model)
    descriptor = spandrel.ModelLoader().load_from_state_dict(weights)
    assert (descriptor.architecture.name, descriptor.scale) == ("RealESRGAN Compact", 2)
    before = torch.load(community)["params"]
    assert weights.keys() == before.keys()
    assert not torch.equal(weights["body.0.weight"], before["body.0.weight"])


def test_learning_rates_are_tried_until_one_is_worse(photos: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "RATES", (1e-3, 10.0, 20.0))
    lines: list[str] = []
    recipe = starting_recipe(load_model(own), str(own), photos)
    task = SuperResolution(recipe, torch.device("cpu"), photos / "run")
    trials = finetune.try_rates(recipe, task, 6.0, lines.append)
    assert [trial.learning_rate for trial in trials] == [1e-3, 10.0]
    assert trials[0].psnr > trials[1].psnr
    assert len(lines) == 2


@pytest.mark.parametrize(("model", "degradation"), [("x4-fidelity", "bicubic"), ("x4-photo", "light")])
def test_low_resolution_is_made_as_the_model_was_taught(model: str, degradation: str, photos: Path) -> None:
    recipe = starting_recipe(load_model(model), model, photos)
    assert recipe.data.degradation.name == degradation
    assert recipe.initialise_from == model
    assert recipe.scale == 4


def test_a_run_of_ours_says_itself_how_it_was_taught(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1)
    recipe = starting_recipe(load_model("x4-photo"), "x4-photo", photos).without_paths()
    save_model(config.build(), config, tmp_path / "model.safetensors", {"recipe": recipe.model_dump_json()})
    again = starting_recipe(load_model(tmp_path), str(tmp_path), photos)
    assert again.data.degradation.name == "light"


def test_a_folder_that_holds_a_run_is_left_alone(photos: Path, own: Path, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"holds a run already, .* -o takes another folder"):
        fine_tune(photos, str(own), QUICK, tmp_path)


def test_the_command(photos: Path, own: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "srgan_kit", "finetune", str(photos), "--from", str(own), "--minutes", str(QUICK)]
    done = subprocess.run([*command, "-o", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " dB on 1 held-out photograph (bicubic " in done.stdout
    assert done.stdout.endswith(f"model in {tmp_path / 'run' / 'model.safetensors'}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["{photos}", "--minutes", "0"], "--minutes 0: expected a number above 0"),
        (["{photos}", "--from", "x9"], "model 'x9': neither a file nor a pretrained model"),
        (["{photos}", "--from", "dcgan-flowers"], "makes images and upscales none"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "srgan_kit", "finetune", *(each.format(photos=photos) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert not (tmp_path / "runs").exists()


def test_grey_models_and_those_that_do_not_enlarge_are_fine_tuned(photos: Path, tmp_path: Path) -> None:
    for name, config, degradation in (
        ("grey", ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1, image_channels=1), "bicubic"),
        ("clean", ResidualSRConfig(scale=1, channels=4, groups=1, convolutions=1), "light"),
    ):
        save_model(config.build(), config, tmp_path / f"{name}.safetensors", {"recipe": "not ours"})
        path = str(tmp_path / f"{name}.safetensors")
        recipe = starting_recipe(load_model(path), path, photos)
        assert (recipe.data.channels, recipe.data.degradation.name) == (config.image_channels, degradation)
    latent = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1, latent=4)
    save_model(latent.build(), latent, tmp_path / "latent.safetensors", {})
    path = str(tmp_path / "latent.safetensors")
    with pytest.raises(UserError, match=r"^model latent: cannot be fine-tuned: generator\.latent = 4"):
        starting_recipe(load_model(path), path, photos)


def test_a_checkpoint_that_was_added_is_fine_tuned_by_its_name(
    photos: Path, community: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRGAN_KIT_MODELS", str(tmp_path / "models"))
    add_model(community, "mine", "CC0-1.0")
    recipe = starting_recipe(load_model("mine"), "mine", photos)
    assert recipe.generator.model_dump()["file"] == tmp_path / "models" / "mine" / "model.pth"
    assert load_model("mine").metadata["licence"] == "CC0-1.0"


def test_networks_that_take_multiples_alone_are_validated_on_any_size(photos: Path, tmp_path: Path) -> None:
    config = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1)
    save_model(config.build(), config, tmp_path / "a.safetensors", {})
    recipe = starting_recipe(load_model(tmp_path / "a.safetensors"), str(tmp_path / "a.safetensors"), photos)
    task = SuperResolution(recipe, torch.device("cpu"), tmp_path / "run")

    class Picky(CommunityNetwork):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.multiple_of, self.minimum = 16, 20

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(image.shape[2:]))
            return nn.functional.interpolate(image, scale_factor=2)

    seen: list[tuple[int, ...]] = []
    model = build_model(recipe, None)
    model.decoder = Picky()
    assert task._upscaled(model, torch.zeros(3, 17, 40, dtype=torch.uint8)).shape == (1, 3, 34, 80)
    assert seen == [(32, 48)]


def test_a_resumed_run_still_says_where_it_comes_from(photos: Path, own: Path, tmp_path: Path) -> None:
    settings = ["steps=2", "data.batch=2", "data.patch=8", "validation.every=2", f"initialise_from={own}"]
    settings += ["generator={name='residual', scale=2, channels=16, groups=1, convolutions=2}"]
    recipe = load_recipe("smoke", settings, photos)
    train(recipe, tmp_path / "run")
    train(recipe.model_copy(update={"steps": 4}), tmp_path / "run", resume=True)
    model = load_model(tmp_path / "run")
    assert (model.licence, model.border, model.metadata["fine_tuned_from"]) == ("CC0-1.0", 2, "mine")


def test_a_folder_that_cannot_be_made_is_said_at_once(photos: Path, own: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/run: cannot be made: .*file is a file"):
        fine_tune(photos, str(own), QUICK, tmp_path / "file" / "run", lambda line: pytest.fail(line))
