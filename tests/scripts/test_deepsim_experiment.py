"""The experiment on DeePSiM: what it measures has known answers, and all of it runs."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from scripts.experiments.deepsim import __main__ as experiment
from scripts.experiments.deepsim.measures import fit_seen, normalised_error, unrest
from scripts.experiments.deepsim.plans import ALL, IMAGE_ALONE, NO_CRITIC, NO_FEATURES, NO_IMAGE
from scripts.experiments.deepsim.statements import goals, statements


def test_an_error_of_100_is_a_strangers() -> None:
    corners = torch.eye(3)  # each sqrt(2) from the others
    assert normalised_error(corners, corners) == 0
    assert normalised_error(corners.roll(1, dims=0), corners) == pytest.approx(100)
    assert normalised_error(torch.zeros(3, 3), corners) == pytest.approx(100 / math.sqrt(2))


def test_unrest_is_the_size_of_the_changes_late_in_a_run(tmp_path: Path) -> None:
    validated = {40: 3.0, 50: 12.0, 60: 12.5, 70: 12.0, 80: 12.5}
    lines = [json.dumps({"step": step, "validation/psnr": value}) for step, value in validated.items()]
    lines += [json.dumps({"step": step, "image": 9.0, "paused/decoder": 0.5}) for step in (70, 90)]
    lines += [json.dumps({"step": 75, "warning": "a line without terms"})]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    found = unrest(tmp_path / "log.jsonl", 100)
    assert found["unrest"] == pytest.approx(0.5)
    assert found["paused_percent"] == 50


@pytest.mark.parametrize("hidden", [0, 64])
def test_a_critic_that_adds_what_image_and_features_say_cannot_see_whether_they_fit(
    hidden: int, tiny, tmp_path: Path
) -> None:
    settings = ["reconstruction.source=features", "generator={name='inversion', channels=4}", "latent.noise=0"]
    settings += ["critic.conditional=true", f"critic.condition_hidden={hidden}"]
    run = tiny.run(tiny.recipe("reconstruction", "deepsim", *settings), tmp_path)
    assert run.critic is not None
    for parameter in run.critic.network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    seen = fit_seen(run, tiny.batch(run))
    assert (abs(seen) > 1e-2) if hidden else (abs(seen) < 1e-4)


def errors(image: float, feature: float, judge: float, unrest: float = 10) -> dict[str, float]:
    return {
        "image_error": image,
        "feature_error": feature,
        "judge_error": judge,
        "unrest": unrest,
        "sharpness": 1.0,
    }


def test_statements_are_confirmed_by_figures_alone() -> None:
    found = {
        ALL: errors(55, 48, 60),
        NO_CRITIC: errors(55, 40, 80),
        NO_FEATURES: errors(56, 70, 75),
        NO_IMAGE: errors(58, 47, 61, unrest=21),
    }
    confirmed = statements("a network", found)
    assert [sentence.count("is confirmed") for sentence in confirmed] == [1, 1, 2]
    found |= {NO_CRITIC: errors(55, 40, 62), NO_FEATURES: errors(80, 70, 75), NO_IMAGE: errors(58, 47, 90)}
    assert [sentence.count("is not confirmed") for sentence in statements("a network", found)] == [1, 1, 2]
    assert statements("a network", {NO_CRITIC: errors(1, 1, 1)}) == []


def test_the_goals_are_the_papers_order() -> None:
    found = {ALL: errors(55, 48, 0), IMAGE_ALONE: errors(46, 79, 0)}
    wanted = {(ALL, "feature_error"): 79, (IMAGE_ALONE, "image_error"): 55, (IMAGE_ALONE, "feature_error"): 48}
    assert goals(found) == pytest.approx(wanted | {(ALL, "image_error"): 55})
    assert goals({ALL: errors(55, 48, 0)}) == {}


def test_all_of_it_runs_and_goes_on(data_folder: Path, tmp_path: Path) -> None:
    experiment.main(["--smoke", "--work", str(tmp_path)])
    found = json.loads((tmp_path / "deepsim.json").read_text())
    assert len(found["found"]["squeezenet"]) == 7
    assert len(found["found"]["vgg16"]) == 5
    assert found["figures"][0]["paper"] == 55
    assert len(found["notes"]) == 7
    assert (tmp_path / "deepsim.png").stat().st_size
    written = (tmp_path / "vgg16-111" / "model.safetensors").stat().st_mtime_ns
    shutil.rmtree(tmp_path / "vgg16-101")
    experiment.main(["--smoke", "--work", str(tmp_path)])
    assert (tmp_path / "vgg16-111" / "model.safetensors").stat().st_mtime_ns == written
    assert not (tmp_path / "vgg16-101").exists()  # it is known
    again = json.loads((tmp_path / "deepsim.json").read_text())
    assert again["found"]["vgg16"]["101"] == found["found"]["vgg16"]["101"]
