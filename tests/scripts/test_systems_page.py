"""docs/systems/systems.md: every variant has its rows, and what they say to set is enough to train."""

import json
import math
import re
from pathlib import Path

import pytest

from scripts.experiments.systems import page as systems_page
from scripts.experiments.systems.run import RUNS
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.variants import VARIANTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "systems" / "systems.md"


def tables() -> list[list[list[str]]]:
    """The page's tables: rows of cells, the head first, without the line below it."""
    found: list[list[list[str]]] = []
    inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            found += [] if inside else [[]]
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found[-1] += [] if set(cells[0]) == {"-"} else [cells]
        inside = line.startswith("|")
    return found


MEANINGS, SETTINGS = tables()
CELLS = [
    (row[0].strip("`"), head.strip("`"), cell)
    for row in SETTINGS[1:]
    for head, cell in zip(SETTINGS[0][1:], row[1:], strict=True)
]
TASKS = {"dcgan": "unconditional", "perceptual-x4": "super-resolution", "autoencoder": "reconstruction"}


def test_both_tables_have_a_row_for_every_variant() -> None:
    for table in (MEANINGS, SETTINGS):
        assert sorted(row[0].split("`")[1] for row in table[1:]) == sorted(VARIANTS)
        assert all(all(row) for row in table)


def test_measured_lines_are_those_of_the_results_file() -> None:
    results = json.loads(systems_page.RESULTS.read_text(encoding="utf-8"))
    assert results.keys() == RUNS.keys()
    filled: set[str] = set()
    for page in sorted(PAGE.parent.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        assert systems_page.rendered(text, results) == text, page.name
        filled |= set(re.findall(r"<!-- measured ([\w-]+):", text))
    assert filled == RUNS.keys()
    name = next(iter(results))
    changed = results | {name: results[name] | {"steps": 9999}}
    page = next(text for text in map(_text, sorted(PAGE.parent.glob("*.md"))) if f"<!-- measured {name}:" in text)
    expected = page.replace(f"\n{results[name]['steps']} steps on", "\n9999 steps on", 1)
    assert systems_page.rendered(page, changed).split() == expected.split()  # lines may break elsewhere
    assert expected != page


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_pages_that_the_table_names_exist() -> None:
    links = set(re.findall(r"\]\((\w+\.\w+)\)", PAGE.read_text(encoding="utf-8")))
    assert {"gan.md", "f_gan.md", "vae_gan.md"} <= links
    assert [link for link in sorted(links) if not (PAGE.parent / link).exists()] == []


@pytest.mark.parametrize(("variant", "column", "cell"), [cell for cell in CELLS if cell[2] != "-"])
def test_what_a_cell_says_is_enough_to_train(variant, column, cell, two_classes, vgg_file, train_two_steps) -> None:
    own = re.findall(r"recipe `([\w-]+)`", cell)
    settings = [each for each in re.findall(r"`([^`]+)`", cell) if each not in own]
    recipe_name = own[0] if own else column
    shipped = load_recipe(recipe_name)
    small = ["data.batch=4", "validation.holdout=0", "precision=fp32", f"perceptual.weights={vgg_file}"]
    small += ["perceptual.layers={conv1_2=1.0}", "data.patch=8"]
    small += ["data.size=32"] if shipped.data.size > 32 else []
    small += ["reconstruction.layer=conv1_2"] if shipped.reconstruction.layer else []
    recipe = load_recipe(recipe_name, [f"variant={variant}", *settings, *small], two_classes)
    assert (variant_name(recipe.variant), recipe.task) == (variant, TASKS[column])
    run, values = train_two_steps(recipe)
    assert run.step == 2
    assert all(math.isfinite(value) for value in values.values())
