"""The study of the grid: its runs are recipes, and its page holds what was measured."""

from pathlib import Path

import pytest

from scripts.experiments import checkerboard as grid_study
from scripts.lib.results import Results
from srgan_kit.recipes.load import load_recipe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", grid_study.RUNS)
def test_every_run_is_a_recipe_of_other_terms(name: str) -> None:
    recipe = load_recipe("perceptual-x4", [*grid_study.SHORT, *grid_study.RUNS[name]])
    on = {term for term, weight in recipe.weights.items() if weight}
    assert on >= {"pixel", "consistency"}
    assert on & {"lpips", "perceptual"}
    assert (recipe.steps, recipe.initialise_from) == (200, grid_study.START_MODEL)


def test_the_page_is_what_the_script_writes(tmp_path: Path) -> None:
    committed = (ROOT / grid_study.PAGE).read_text(encoding="utf-8")
    page = tmp_path / "grid.md"
    page.write_text(committed, encoding="utf-8")
    grid_study.render(Results(ROOT / grid_study.RESULTS), page)
    assert page.read_text(encoding="utf-8") == committed
    measured = {row["name"] for row in Results(ROOT / grid_study.RESULTS).rows()}
    assert measured <= {grid_study.START_MODEL, "originals", *grid_study.RUNS}
    assert all(f"| {name} |" in committed for name in measured)
