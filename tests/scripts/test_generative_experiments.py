"""The experiments on InfoGAN and DCGAN: a few steps of everything, and what their figures are made of."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from scripts.experiments import dcgan, infogan
from scripts.lib.experiment import Experiment
from srgan_kit.contracts import Batch, Critique


def experiment(tmp_path: Path) -> Experiment:
    return Experiment("name", "Title", "Source", tmp_path, tmp_path, False, tmp_path, tmp_path)


# --- DCGAN ----------------------------------------------------------------------------------------------------------


class Maps(nn.Module):
    """A critic that shows the image and its middle position."""

    def forward(self, image: torch.Tensor) -> Critique:
        return Critique(image.mean(), [image, image[..., 4:5, 4:5]])


def test_critic_features_are_the_largest_of_each_sixteenth() -> None:
    images = torch.rand(3, 2, 8, 8)
    expected = images.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5)).flatten(1)
    features = dcgan.critic_features(Maps())(images)
    torch.testing.assert_close(features, torch.cat([expected, images[..., 4, 4]], dim=1))


@pytest.mark.parametrize(("train", "test"), [(4000, 100), (3000, 1000)])
def test_splits_never_test_on_what_was_learned_from(train: int, test: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the test set is large it alone is tested on; else all images are mixed. Images carry their number."""
    numbers = torch.arange(train + test)
    batches = [Batch(part[:, None, None, None].float(), label=part % 7) for part in numbers.split([train, test])]
    monkeypatch.setattr(dcgan, "training_batch", lambda run: batches[0])
    monkeypatch.setattr(dcgan, "held_out", lambda run: batches[1])
    images, labels, parts = dcgan.splits(None, False)  # pyright: ignore[reportArgumentType]
    assert torch.equal(images.flatten().long() % 7, labels)
    assert len(parts) == dcgan.SPLITS
    for learned, chosen, tested in parts:
        sets = [set(images[rows].flatten().long().tolist()) for rows in (learned, chosen, tested)]
        assert [len(each) for each in sets] == [len(learned), len(chosen), len(tested)]
        assert len(set().union(*sets)) == sum(map(len, sets))
        if test == 1000:
            assert sets[2] == set(range(train, train + test))
            assert (len(learned), len(chosen)) == (1000, 500)
        else:
            assert (len(learned), len(chosen), len(tested)) == (train + test - 1500, 500, 1000)
    assert not torch.equal(images[parts[0][0]], images[parts[1][0]])


def test_a_critics_features_are_to_be_better_than_pixels(tmp_path: Path) -> None:
    record = experiment(tmp_path)
    dcgan.state(record, "flowers", {"critic features": [22.0, dcgan.deviation([20.0, 24.0])], "pixels": [30.5, None]})
    critic, pixels = record.figures
    assert (critic.ours, critic.goal, critic.status) == (22, 30.5, "reached")
    assert critic.spread == pytest.approx(8**0.5)
    assert dcgan.deviation([1.0]) is None
    assert (pixels.goal, pixels.status) == (None, None)


@pytest.mark.parametrize("module", [dcgan, infogan])
def test_a_few_steps_of_everything(module, data_folder: Path, tmp_path: Path) -> None:
    if not (data_folder / "gan").is_dir():
        pytest.skip("no gan/ in SRGAN_KIT_DATA")
    module.main(["--smoke", "--work", str(tmp_path)])
    name = module.__name__.rpartition(".")[2]
    record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert (tmp_path / f"{name}.png").stat().st_size > 1000
    assert record["training_hours"] >= 0
    figures = {(figure["measure"], figure["setting"]): figure for figure in record["figures"]}
    assert len(figures) == len(record["figures"])  # each says of what it is
    if module is dcgan:
        assert sum(measure.startswith("error of a linear") for measure, _ in figures) == 6
        assert all(0 <= figure["ours"] <= 100 for (name, _), figure in figures.items() if name.startswith("error"))
    else:
        assert set(record["runs"]) == {"narrow-0", "paper-0"}
        assert record["shown"].startswith("narrow")
        assert sum("%" in measure and "shown" in setting for measure, setting in figures) == 1


# --- InfoGAN --------------------------------------------------------------------------------------------------------


def test_the_run_that_is_shown_is_chosen_without_labels() -> None:
    runs = {
        "narrow-0": {"real_information": 2.0, "error_percent": 4.0},
        "narrow-1": {"real_information": 2.1, "error_percent": 9.0},
        "paper-0": {"real_information": 2.2, "error_percent": 5.0},
    }
    assert infogan.shown_run(runs).name == "narrow-1"
    assert infogan.shown_run({"paper-0": runs["paper-0"]}).name == "paper-0"


def test_figures_name_the_mean_of_the_seeds(tmp_path: Path) -> None:
    record = experiment(tmp_path)
    shapes = {f"{shape} of number {number}": 3.0 * (-number) for shape in infogan.SHAPES for number in (1, 2)}
    runs = {
        f"narrow-{seed}": {"information": 2.25, "real_information": 1.0, "error_percent": error} | shapes
        for seed, error in enumerate([4.0, 8.0])
    }
    infogan.state(record, runs, infogan.shown_run(runs))
    found = {(figure.measure.split(",")[0], figure.setting): figure for figure in record.figures}
    mean = found["error of the code of classes", "narrow networks, 2 seeds"]
    assert (mean.ours, mean.paper, mean.goal, mean.status) == (6, 5, 6, "reached")
    assert mean.spread == pytest.approx(8**0.5)
    assert found["error of the code of classes", "narrow networks, seed 1"].status == "not reached"
    assert found["change of slant", "shown run, number 2 from -1 to 1"].ours == 6  # the number that moves it most
