"""The architecture search: its candidates are recipes, its split is clean, its budget equal, its page what it found."""

import argparse
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageFilter

from srgan_kit.config import generator_config
from srgan_kit.errors import UserError
from srgan_kit.generators import build_generator
from srgan_kit.upscaling.models import UpscalingModel

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("search_architecture")


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


def test_every_candidate_is_a_recipe_and_every_kind_is_there(script: ModuleType) -> None:
    kinds = {"residual", "reparameterised", "large-kernel", "depthwise", "attention"}
    recipes = [script.recipe_of(network, script.Study(), Path("images")) for network in script.ARCHITECTURES.values()]
    assert {recipe.generator.name for recipe in recipes} == kinds
    assert {recipe.generator.channels for recipe in recipes} >= {32, 48, 64}
    assert all(recipe.scale == 4 and recipe.optimizer == recipes[0].optimizer for recipe in recipes)
    assert all(recipe.data == recipes[0].data for recipe in recipes)


def test_every_study_of_data_pays_for_as_many_pixels(script: ModuleType) -> None:
    plain = script.ARCHITECTURES[script.PLAIN]
    base = script.recipe_of(plain, script.Study(), Path("images"), 200)
    assert base.optimizer.warmup == 6
    folders = set()
    for name, study in script.DATA.items():
        recipe = script.recipe_of(plain, study, Path("images"), 200)
        assert recipe.data.batch * recipe.data.patch**2 == base.data.batch * base.data.patch**2, name
        assert recipe != base, name
        folders.add(str(recipe.data.folder))
    assert folders == {str(Path("images/training") / part) for part in ("", "bsds", "cc0")}
    assert not script.DATA.keys() & script.ARCHITECTURES.keys()


def test_no_photograph_is_on_both_sides(script: ModuleType) -> None:
    paths = [
        Path(f"{name}_{side}_{top}_384.jpg")
        for name in "abcdefghijklmnopqrst"
        for side in (1400, 2600)
        for top in (0, 384)
    ]
    paths += [Path(f"{number}.jpg") for number in range(20)]
    assert script.photograph_of(paths[0]) == "a"
    assert script.photograph_of(paths[-1]) == "19"
    training, validation = script.split(paths)
    assert not {script.photograph_of(path) for path in training} & {script.photograph_of(path) for path in validation}
    assert len({script.photograph_of(path) for path in validation}) == 4  # a tenth of 40
    assert len(training) + len(validation) == len(paths)
    assert script.split(paths[::-1])[1] == validation
    many = [Path(f"a_1400_{top}_0.jpg") for top in range(50)]
    assert len(script.split(many)[1]) == script.MEASURED


# --- what is done ---------------------------------------------------------------------------------------------------


def test_results_are_there_at_once_and_a_torn_line_is_none(script: ModuleType, tmp_path: Path) -> None:
    results = script.Results(tmp_path / "found.jsonl")
    assert results.rows() == []
    results.add({"kind": "run", "name": "a", "budget": 6.0})
    with results.path.open("a") as file:
        file.write('{"kind": "run", "na\n')
    results.add({"kind": "step", "name": "a", "seconds": 0.5})
    assert [row["kind"] for row in results.rows()] == ["run", "step"]
    assert list(script.missing(["a", "b", "c"], 6.0, (1, 1), results)) == ["b", "c"]
    assert list(script.missing(["a", "b", "c"], 1.0, (1, 2), results)) == ["a", "c"]
    assert list(script.missing(["a", "b", "c"], 1.0, (2, 2), results)) == ["b"]
    assert script.steps_for("a", 6.0, results) == 720
    with pytest.raises(UserError, match=r"b: the cost of its step is not in .*run with --costs first"):
        script.steps_for("b", 6.0, results)
    assert script.share("2/3") == (2, 3)
    for wrong in ("0/2", "3/2", "half"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected i/n"):
            script.share(wrong)


def test_costs_are_measured_and_a_run_is_cut_and_goes_on(
    script: ModuleType, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {
        script.PLAIN: "name='residual', channels=4, groups=1",
        "branched": "name='reparameterised', channels=4, groups=1",
    }
    monkeypatch.setattr(script, "ARCHITECTURES", small)
    monkeypatch.setattr(script, "SIDE", 32)
    monkeypatch.setattr(script, "cpu_has_bf16", lambda: False)
    network = build_generator(generator_config('{"name": "residual", "channels": 8}')).eval()
    monkeypatch.setattr(script, "load_model", lambda path: UpscalingModel("compact", network, 4, 3, "x", "none"))
    images, results = tmp_path / "images", script.Results(tmp_path / "found.jsonl")
    script.link_images(sources, images)
    script.link_images(sources, images)
    assert len(list((images / "training").rglob("*.png"))) == 1 + 3
    assert len(list((images / "validation").rglob("*.png"))) == 1 + 3
    script.measure_costs(list(small), images, sources, results)
    before = len(results.rows())
    script.measure_costs(list(small), images, sources, results)
    assert len(results.rows()) == before
    (plain, branched) = results.rows(kind="inference", precision="fp32")
    assert plain["parameters"] == branched["parameters"]  # exported, they are the same network
    assert all(row["seconds"] > 0 for row in results.rows(kind="step"))
    monkeypatch.undo()
    monkeypatch.setattr(script, "ARCHITECTURES", small)
    results = script.Results(tmp_path / "runs.jsonl")
    results.add({"kind": "step", "name": script.PLAIN, "seconds": 20.0})
    more = 1.0, images, tmp_path / "runs", results
    assert not script.train_one("CC0 alone", *more, minutes=0.0)
    assert results.rows(kind="run") == []
    assert script.train_one("CC0 alone", *more, minutes=5.0)
    (row,) = results.rows(kind="run")
    assert (row["name"], row["steps"], row["crops"]) == ("CC0 alone", 3, 24)
    assert all(10 < row["psnr"][source] < 60 for source in ("bsds", "cc0"))
    assert (tmp_path / "runs" / "cc0-alone-1" / "model.safetensors").is_file()


# --- what is written ------------------------------------------------------------------------------------------------


@pytest.fixture
def page(script: ModuleType) -> ModuleType:
    return importlib.import_module("architectures_page")


def test_the_front_is_what_nothing_beats(page: ModuleType) -> None:
    points = {
        "fast": (1.0, 30.0),
        "slow and good": (3.0, 32.0),
        "beaten": (2.0, 30.0),
        "tie": (3.0, 32.0),
        "bad": (4.0, 31.0),
    }
    assert page.front(points) == {"fast", "slow and good", "tie"}
    assert page.front({}) == set()


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


def test_the_tables_say_what_was_found(page: ModuleType, tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    written.write_text((ROOT / "docs" / "architectures.md").read_text(encoding="utf-8"), encoding="utf-8")
    plain, second = page.PLAIN, list(page.ARCHITECTURES)[2]
    page.render(rows_of([plain, second, "BSDS alone"], 6.0), written)
    lines = written.read_text(encoding="utf-8").splitlines()
    assert f"| {plain} | 1,234 | 10 | 80 | 27.000 | 29.000 | 28.000 | 4,000 | 0.25 | 0.25 | – | – | – | fp32 |" in lines
    assert f"| {second} | 1,234 | 10 | 80 | 26.000 | 28.000 | 27.000 | 8,000 | 0.50 | 0.00 | – | – | – |  |" in lines
    assert "| BSDS alone | 10 | 80 | 25.000 | 27.000 | 26.000 |" in lines
    assert lines.count("6 minutes of steps in fp32 on 1 CPU thread(s):") == 2
    said = "Bicubic: 26.000 / 28.000 / 27.000 dB. Compact checkpoint in fp32: 16,000 ms/MP. bf16 was not timed"
    assert any(line.startswith(said) for line in lines)
    page.render([], written)
    assert written.read_text(encoding="utf-8").count("Not run yet.") == 2


def test_the_page_is_what_the_script_writes(script: ModuleType, page: ModuleType, tmp_path: Path) -> None:
    committed = (ROOT / page.PAGE).read_text(encoding="utf-8")
    written = tmp_path / "page.md"
    written.write_text(committed, encoding="utf-8")
    page.render(script.Results(ROOT / script.RESULTS).rows(), written)
    assert written.read_text(encoding="utf-8") == committed
