"""Every run of the super-resolution matrix is a recipe that builds, rehearses and steps; the whole of it runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch.utils.data import default_collate

from scripts.experiments.sr_matrix import __main__ as experiment
from scripts.experiments.sr_matrix import page
from scripts.experiments.sr_matrix import rows as sr_matrix
from scripts.lib import paths
from srgan_kit.recipes.load import load_recipe
from srgan_kit.tasks import build_task
from srgan_kit.training.critic_view import has_batch_norm
from srgan_kit.training.dry_run import dry_run
from srgan_kit.training.run import Run

TINY = ["device=cpu", "precision=fp32", "data.patch=8", "data.batch=4", "labels.share=0.5", "validation.holdout=0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images and a VGG19 of random weights up to conv3_1."""
    root = tmp_path_factory.mktemp("matrix")
    random = np.random.default_rng(0)
    for number in range(4):
        folder = root / "images" / ("bsds" if number % 2 else "cc0")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for layer, (before, after) in {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256)}.items():
        state[f"features.{layer}.weight"] = 0.05 * torch.randn(after, before, 3, 3, generator=generator)
        state[f"features.{layer}.bias"] = torch.zeros(after)
    torch.save(state, root / "vgg.pth")
    return root


FIRST = [row for row in sr_matrix.rows() if row.share != sr_matrix.SHARES[1] and not row.seed]


@pytest.mark.parametrize("row", FIRST, ids=[row.name for row in FIRST])
def test_every_run_builds_rehearses_and_steps(row: sr_matrix.Row, data: Path, tmp_path: Path) -> None:
    few = ["labels.count=2", "critic.classes=2"] if "labels" in " ".join(row.settings) else []
    comparator = f"perceptual.weights={str(data / 'vgg.pth')!r}"
    recipe = load_recipe(sr_matrix.RECIPE, ["steps=9", *row.settings, *TINY, *few, comparator], data / "images")
    accelerator = Accelerator(cpu=True)
    run = Run(recipe, tmp_path, accelerator, build_task(recipe, accelerator.device, tmp_path))
    dry_run(run)
    before = [parameter.detach().clone() for parameter in run.model.decoder.parameters()]
    items = [run.task.examples[index] for index in range(recipe.data.batch)]
    batches = [run.task.batch(default_collate(items)) for _ in range(run.batches)]
    values = run.train_step(batches[-1], detailed=True, earlier=batches[:-1])
    assert all(np.isfinite(value) for value in values.values())
    moved = [not torch.equal(a, b) for a, b in zip(before, run.model.decoder.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    held = {name: values[f"share/{name}"] for name in recipe.shares}
    assert sum(held.values()) < 0.9
    if row.system is None:
        assert set(held) == {"phase_evenness", "phase_bias"}
    else:
        assert values[f"share/{row.system.held}"] > 0.02  # the system does move the generator
        assert not has_batch_norm(run.critic.network)  # pyright: ignore[reportOptionalMemberAccess]


def test_the_first_step_gives_a_term_its_share(data: Path, tmp_path: Path) -> None:
    row = FIRST[1]
    recipe = load_recipe(
        sr_matrix.RECIPE,
        ["steps=9", *row.settings, *TINY, f"perceptual.weights={str(data / 'vgg.pth')!r}"],
        data / "images",
    )
    accelerator = Accelerator(cpu=True)
    run = Run(recipe, tmp_path, accelerator, build_task(recipe, accelerator.device, tmp_path))
    for step in range(2):
        items = [run.task.examples[recipe.data.batch * step + index] for index in range(recipe.data.batch)]
        batch = run.task.batch(default_collate(items))
        values = run.train_step(batch, detailed=True, earlier=[batch] * (run.batches - 1))
        assert values["share/adversarial"] == pytest.approx(0.15, abs=0.1)


def test_every_system_has_two_shares_and_three_rows_two_seeds() -> None:
    rows = sr_matrix.rows()
    names = [row.name for row in rows if not row.seed]
    assert len(set(names)) == len(names) == 1 + 2 * len(sr_matrix.SYSTEMS)
    assert {row.name for row in rows if row.seed} == set(sr_matrix.AGAIN)
    assert len({row.folder for row in rows}) == len(rows)


def test_the_table_of_the_page_is_that_of_the_result_file(tmp_path: Path) -> None:
    committed = page.PAGE.read_text(encoding="utf-8")
    copy = tmp_path / "sr_matrix.md"
    copy.write_text(committed, encoding="utf-8")
    record = json.loads((paths.RESULTS / "sr_matrix.json").read_text(encoding="utf-8"))
    page.write(record, copy)
    assert copy.read_text(encoding="utf-8") == committed
    for name, found in record["references"].items():
        assert f"| {name} |" in committed
        assert f"| {found['detail']:.1f} |" in committed


def test_a_second_seed_stands_below_the_first() -> None:
    found = {"frechet": 0.5, "shown": {"auc": 0.625}}
    runs = {"b": {"name": "b", "seed": 0}, "a": {"name": "a", "seed": 0} | found, "b2": {"name": "b", "seed": 1}}
    lines = page.table({"references": {"HR": {"detail": 2.0}}, "rows": runs}).splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == ["HR", "b", "b, second seed", "a"]
    assert lines[-1].startswith("| a | 0.500 |")
    assert lines[-1].endswith("| 0.62 |")


def test_a_few_steps_of_everything(data_folder: Path, tmp_path: Path) -> None:
    experiment.main(["--smoke", "--work", str(tmp_path)])
    record = json.loads((tmp_path / "sr_matrix.json").read_text(encoding="utf-8"))
    assert {run["name"] for run in record["rows"].values()} == {row.name for row in FIRST}
    assert {figure["setting"] for figure in record["figures"]} >= {"content only", "bicubic", "x4-fidelity"}
    goals = [figure for figure in record["figures"] if figure["goal"] is not None]
    assert len(goals) == len(sr_matrix.SYSTEMS)
    assert (tmp_path / "sr_matrix.png").stat().st_size > 10_000
    for name in ("converged", FIRST[0].folder):
        shutil.rmtree(tmp_path / name)
    experiment.main(["--smoke", "--work", str(tmp_path)])
    assert not (tmp_path / "converged").exists()  # nor a row that is known, for which it would be trained
    again = json.loads((tmp_path / "sr_matrix.json").read_text(encoding="utf-8"))
    assert (again["rows"], again["references"]) == (record["rows"], record["references"])
