"""docs/systems/systems.md: every variant has its rows, and what a cell says to set is what the variant needs."""

import re
from pathlib import Path

import pytest

from srgan_kit.errors import UserError
from srgan_kit.recipes.load import load_recipe
from srgan_kit.recipes.variant import variant_name
from srgan_kit.variants import VARIANTS

PAGE = Path(__file__).parents[1] / "docs" / "systems" / "systems.md"
TASKS = {"dcgan": "unconditional", "perceptual-x4": "super-resolution", "autoencoder": "reconstruction"}
SMALL = ("data.batch=2", "data.patch=8", "validation.holdout=2", "precision=fp32", "device=cpu", "labels.count=2")


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
    if cell != "-"
]


def test_both_tables_have_a_row_for_every_variant() -> None:
    for table in (MEANINGS, SETTINGS):
        names = [row[0].split("`")[1] for row in table[1:]]
        assert sorted(names) == sorted(VARIANTS)
        assert all(all(row) for row in table)


@pytest.mark.parametrize(("variant", "head", "cell"), CELLS, ids=[f"{cell[0]}-{cell[1]}" for cell in CELLS])
def test_a_cells_settings_are_enough(variant: str, head: str, cell: str, tiny, tmp_path: Path) -> None:
    own = re.match(r"recipe `([\w-]+)`", cell)
    name = own[1] if own else head
    settings = [] if cell == "nothing" else re.findall(r"`([^`]+)`", cell[own.end() if own else 0 :])
    more = [*SMALL, f"perceptual.weights={tiny.root / 'vgg.pth'}", "perceptual.layers={conv1_1=1.0}"]
    if name == "deepsim":
        more.append("reconstruction.layer=conv1_1")
    recipe = load_recipe(name, [f"variant={variant}", *settings, *more], tiny.images)
    assert recipe.task == TASKS[head]
    assert variant_name(recipe.variant) == variant
    tiny.run(recipe, tmp_path)
    if settings:
        with pytest.raises(UserError):  # without them
            tiny.run(load_recipe(name, [f"variant={variant}", *more], tiny.images), tmp_path)
