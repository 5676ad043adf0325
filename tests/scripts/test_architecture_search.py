"""The architecture search: its candidates are recipes, its split is clean, its budget equal, its page what it found."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from scripts.experiments.architectures import page as architectures_page
from scripts.experiments.architectures import search as search_architecture
from scripts.lib import holdout
from srgan_kit.errors import UserError
from srgan_kit.generators.super_resolution.reparameterised import ReparameterisedConfig
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import UpscalingModel, generator_config


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs of BSDS, and three crops of each of two CC0 photographs."""
    folder = tmp_path_factory.mktemp("sources")
    names = ["bsds/1.png", "bsds/2.png", *(f"cc0/{name}_1400_0_{left}.png" for name in "ab" for left in (0, 8, 16))]
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (136, 140, 3), dtype=np.uint8)
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)).save(folder / name)
    return folder


# --- what is compared -----------------------------------------------------------------------------------------------


def test_every_candidate_is_a_recipe_and_every_kind_is_there() -> None:
    kinds = {"residual", "reparameterised", "large-kernel", "depthwise", "attention"}
    recipes = [
        search_architecture.recipe_of(network, search_architecture.Study(), Path("images"))
        for network in search_architecture.ARCHITECTURES.values()
    ]
    assert {recipe.generator.name for recipe in recipes} == kinds
    assert {recipe.generator.channels for recipe in recipes} >= {32, 48, 64}
    assert all(recipe.scale == 4 and recipe.optimizer == recipes[0].optimizer for recipe in recipes)
    assert all(recipe.data == recipes[0].data for recipe in recipes)


def test_every_study_of_data_pays_for_as_many_pixels() -> None:
    plain = search_architecture.ARCHITECTURES[search_architecture.PLAIN]
    base = search_architecture.recipe_of(plain, search_architecture.Study(), Path("images"), 200)
    assert base.optimizer.warmup == 6
    folders = set()
    for name, study in search_architecture.DATA.items():
        recipe = search_architecture.recipe_of(plain, study, Path("images"), 200)
        assert recipe.data.batch * recipe.data.patch**2 == base.data.batch * base.data.patch**2, name
        assert recipe != base, name
        folders.add(str(recipe.data.folder))
    assert folders == {str(Path("images/training") / part) for part in ("", "bsds", "cc0")}
    assert not search_architecture.DATA.keys() & search_architecture.ARCHITECTURES.keys()


def test_no_photograph_is_on_both_sides() -> None:
    paths = [
        Path(f"{name}_{side}_{top}_384.jpg")
        for name in "abcdefghijklmnopqrst"
        for side in (1400, 2600)
        for top in (0, 384)
    ]
    paths += [Path(f"{number}.jpg") for number in range(20)]
    assert holdout.photograph_of(paths[0]) == "a"
    assert holdout.photograph_of(paths[-1]) == "19"
    training, validation = holdout.training_and_measured(paths)
    assert not {holdout.photograph_of(path) for path in training} & {holdout.photograph_of(path) for path in validation}
    assert len({holdout.photograph_of(path) for path in validation}) == 4  # a tenth of 40
    assert len(training) + len(validation) == len(paths)
    assert holdout.training_and_measured(paths[::-1])[1] == validation
    many = [Path(f"a_1400_{top}_0.jpg") for top in range(50)]
    assert len(holdout.training_and_measured(many)[1]) == holdout.MEASURED


# --- what is done ---------------------------------------------------------------------------------------------------


def test_results_are_there_at_once_and_a_torn_line_is_none(tmp_path: Path) -> None:
    results = search_architecture.Results(tmp_path / "found.jsonl")
    assert results.rows() == []
    here = search_architecture.conditions()
    elsewhere = here | {"threads": 64}
    results.add({"kind": "run", "name": "a", "budget": 6.0, **here})
    results.add({"kind": "run", "name": "b", "budget": 6.0, **elsewhere})
    with results.path.open("a") as file:
        file.write('{"kind": "run", "na\n')
    results.add({"kind": "step", "name": "a", "seconds": 0.1, **elsewhere})
    results.add({"kind": "step", "name": "a", "seconds": 0.5, **here})
    assert [row["kind"] for row in results.rows()] == ["run", "run", "step", "step"]
    assert list(search_architecture.missing(["a", "b", "c"], 6.0, (1, 1), results)) == ["b", "c"]
    assert list(search_architecture.missing(["a", "b", "c"], 1.0, (1, 2), results)) == ["a", "c"]
    assert list(search_architecture.missing(["a", "b", "c"], 1.0, (2, 2), results)) == ["b"]
    assert search_architecture.steps_for("a", 6.0, results) == 720
    with pytest.raises(UserError, match=r"b: the cost of its step in .* is not in .*run with --costs first"):
        search_architecture.steps_for("b", 6.0, results)
    assert search_architecture.share("2/3") == (2, 3)
    for wrong in ("0/2", "3/2", "half"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected i/n"):
            search_architecture.share(wrong)


def test_costs_are_measured_and_a_run_is_cut_and_goes_on(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {
        search_architecture.PLAIN: ResidualSRConfig(channels=4, groups=1),
        "branched": ReparameterisedConfig(channels=4, groups=1),
    }
    monkeypatch.setattr(search_architecture, "ARCHITECTURES", small)
    monkeypatch.setattr(search_architecture, "SIDE", 32)
    monkeypatch.setattr(search_architecture, "cpu_has_bf16", lambda: False)
    network = generator_config('{"name": "residual", "channels": 8}').build().eval()
    monkeypatch.setattr(
        search_architecture, "load_model", lambda path: UpscalingModel("compact", network, 4, 3, "x", "none")
    )
    images, results = tmp_path / "images", search_architecture.Results(tmp_path / "found.jsonl")
    search_architecture.link_images(sources, images)
    search_architecture.link_images(sources, images)
    assert len(list((images / "training").rglob("*.png"))) == 1 + 3
    assert len(list((images / "validation").rglob("*.png"))) == 1 + 3
    search_architecture.measure_costs(list(small), images, sources, results)
    before = len(results.rows())
    search_architecture.measure_costs(list(small), images, sources, results)
    assert len(results.rows()) == before
    (plain, branched) = results.rows(kind="inference", precision="fp32")
    assert plain["parameters"] == branched["parameters"]  # exported, they are the same network
    assert all(row["seconds"] > 0 for row in results.rows(kind="step"))
    monkeypatch.undo()
    monkeypatch.setattr(search_architecture, "ARCHITECTURES", small)
    results = search_architecture.Results(tmp_path / "runs.jsonl")
    results.add(
        {"kind": "step", "name": search_architecture.PLAIN, "seconds": 20.0, **search_architecture.conditions()}
    )
    more = 1.0, images, tmp_path / "runs", results
    assert not search_architecture.train_one("CC0 alone", *more, minutes=0.0)
    assert results.rows(kind="run") == []
    assert search_architecture.train_one("CC0 alone", *more, minutes=5.0)
    (row,) = results.rows(kind="run")
    assert (row["name"], row["steps"], row["crops"]) == ("CC0 alone", 3, 24)
    assert all(10 < row["psnr"][source] < 60 for source in ("bsds", "cc0"))
    assert (tmp_path / "runs" / "cc0-alone-1" / "model.safetensors").is_file()


# --- what is written ------------------------------------------------------------------------------------------------


def test_the_front_is_what_nothing_beats() -> None:
    points = {
        "fast": (1.0, 30.0),
        "slow and good": (3.0, 32.0),
        "beaten": (2.0, 30.0),
        "tie": (3.0, 32.0),
        "bad": (4.0, 31.0),
    }
    assert architectures_page.front(points) == {"fast", "slow and good", "tie"}
    assert architectures_page.front({}) == set()


def rows_of(names: list[str], budget: float) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [{"kind": "bicubic", "psnr": {"bsds": 26.0, "cc0": 28.0}}]
    for number, name in enumerate(names):
        cost = {"milliseconds": 4000.0 * (number + 1), "compact": 16000.0, "parameters": 1234}
        found.append({"kind": "inference", "name": name, "precision": "fp32", "threads": 1, **cost})
        psnr = {"bsds": 27.0 - number, "cc0": 29.0 - number}
        found.append(
            {
                "kind": "run",
                "name": name,
                "budget": budget,
                "steps": 10,
                "crops": 80,
                "psnr": psnr,
                "precision": "fp32",
                "threads": 1,
            }
        )
    return found


def test_the_tables_say_what_was_found(tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    written.write_text(architectures_page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    plain, second = architectures_page.PLAIN, list(architectures_page.ARCHITECTURES)[2]
    architectures_page.render(rows_of([plain, second, "BSDS alone"], 6.0), written)
    lines = written.read_text(encoding="utf-8").splitlines()
    assert f"| {plain} | 1,234 | 10 | 80 | 27.000 | 29.000 | 28.000 | 4,000 | 0.25 | 0.25 | – | – | – | fp32 |" in lines
    assert f"| {second} | 1,234 | 10 | 80 | 26.000 | 28.000 | 27.000 | 8,000 | 0.50 | 0.00 | – | – | – |  |" in lines
    assert "| BSDS alone | 10 | 80 | 25.000 | 27.000 | 26.000 |" in lines
    assert lines.count("6 minutes of steps in fp32 on 1 CPU thread(s):") == 2
    said = "Bicubic: 26.000 / 28.000 / 27.000 dB. Compact checkpoint in fp32: 16,000 ms/MP. bf16 was not timed"
    assert any(line.startswith(said) for line in lines)
    architectures_page.render([], written)
    assert written.read_text(encoding="utf-8").count("Not run yet.") == 2


def test_the_page_is_what_the_script_writes(tmp_path: Path) -> None:
    committed = architectures_page.PAGE.read_text(encoding="utf-8")
    written = tmp_path / "page.md"
    written.write_text(committed, encoding="utf-8")
    architectures_page.render(search_architecture.Results(search_architecture.RESULTS).rows(), written)
    assert written.read_text(encoding="utf-8") == committed
