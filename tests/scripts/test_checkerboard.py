"""The study of the checkerboard: its runs are recipes, and its page holds what was measured."""

from pathlib import Path

import pytest

from scripts.experiments import checkerboard
from scripts.lib.results import Results
from srgan_kit.recipes.load import load_recipe


@pytest.mark.parametrize("name", checkerboard.RUNS)
def test_every_run_is_a_recipe_of_other_terms(name: str) -> None:
    recipe = load_recipe("perceptual-x4", [*checkerboard.SHORT, *checkerboard.RUNS[name]])
    on = {term for term, weight in recipe.weights.items() if weight}
    assert on >= {"pixel", "consistency"}
    assert on & {"lpips", "perceptual"}
    assert (recipe.steps, recipe.initialise_from) == (200, checkerboard.START_MODEL)


def test_the_page_is_what_the_script_writes(tmp_path: Path) -> None:
    committed = checkerboard.PAGE.read_text(encoding="utf-8")
    page = tmp_path / "grid.md"
    page.write_text(committed, encoding="utf-8")
    checkerboard.render(Results(checkerboard.RESULTS), page)
    assert page.read_text(encoding="utf-8") == committed
    measured = {row["name"] for row in Results(checkerboard.RESULTS).rows()}
    assert measured <= {checkerboard.START_MODEL, "originals", *checkerboard.RUNS}
    assert all(f"| {name} |" in committed for name in measured)
