"""Every `srgan-kit train` of the documentation, but for its data, names a recipe and settings that there are."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from srgan_kit.recipes.load import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> list[tuple[str, str]]:
    """(page, command) of every shell block."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        found += [(page.name, line.strip()) for line in re.findall(r"^\s*srgan-kit train .*$", text, re.MULTILINE)]
    return found


COMMANDS = commands()


def test_there_are_commands_of_many_recipes() -> None:
    assert {"dcgan", "infogan", "srgan-x4"} <= {command.split()[2] for _, command in COMMANDS}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_the_command_names_a_recipe_and_settings_that_there_are(page: str, command: str) -> None:
    words = shlex.split(command, comments=True)[2:]
    if words[0].endswith(".toml") or "..." in words:
        pytest.skip("the reader's own recipe")
    settings = [after for word, after in itertools.pairwise(words) if word == "--set"]
    recipe = Path(words[1]).name if words[0] == "--resume" else words[0]  # whose run folder is called after it
    assert load_recipe(recipe, settings).name == recipe
