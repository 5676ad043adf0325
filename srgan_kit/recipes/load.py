"""Reading recipes: `load_recipe("fidelity-x4")` or `load_recipe("my.toml", ["steps=100", "data.batch=8"])`."""

import json
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from srgan_kit.errors import UserError
from srgan_kit.problems import first_problem
from srgan_kit.recipes.schema import Recipe
from srgan_kit.settings import table_of
from srgan_kit.suggestions import did_you_mean

SHORT = ("variant", "generator", "critic", "data.degradation")
"""Keys of tables whose name alone may stand for them."""


def recipe_names() -> list[str]:
    """The shipped recipes."""
    return sorted(f.name.removesuffix(".toml") for f in _shipped().iterdir() if f.name.endswith(".toml"))


def recipe_text(name_or_file: str) -> str:
    """A recipe's TOML as it stands in its file.

    Raises:
        UserError: no such recipe, or a file that cannot be read.
    """
    if name_or_file in recipe_names():
        return (_shipped() / f"{name_or_file}.toml").read_text(encoding="utf-8")
    if not name_or_file.endswith(".toml"):
        names, hint = recipe_names(), did_you_mean(name_or_file, recipe_names())
        raise UserError(f"recipe {name_or_file!r}: expected one of {', '.join(names)}, or a .toml file{hint}")
    try:
        return Path(name_or_file).read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UserError(f"recipe {name_or_file}: cannot be read ({reason})") from None


def load_recipe(name_or_file: str, overrides: list[str] | None = None, data: Path | None = None) -> Recipe:
    """The recipe of that name or in that TOML file, with `key=value` overrides applied (dotted keys, TOML values).

    `data` replaces `data.folder`.

    Raises:
        UserError: no such recipe, TOML that does not parse, an unknown key, a value of the wrong type or range.
    """
    recipe = _recipe_of(_read_toml(name_or_file), name_or_file, overrides, data)
    if (
        recipe.name in ("", ".", "..")
        or Path(recipe.name).name != recipe.name
        or "\\" in recipe.name
        or not recipe.name.isprintable()
    ):
        got = f"got {recipe.name!r}"
        raise UserError(f"recipe {name_or_file}: name: expected a name of one folder, which the run gets, {got}")
    return recipe


def load_recipe_again(
    values: dict[str, Any], source: str, overrides: list[str] | None = None, data: Path | None = None
) -> Recipe:
    """A recipe that a run was saved with, with overrides, as in `load_recipe`."""
    return _recipe_of(values, source, overrides, data)


def _recipe_of(values: dict[str, Any], source: str, overrides: list[str] | None, data: Path | None) -> Recipe:
    for override in overrides or []:
        _apply(values, override)
    if data is not None and isinstance(values.get("data", {}), dict):  # else the recipe is refused for that
        _apply(values, f"data.folder={json.dumps(str(data))}")
    try:
        return Recipe.model_validate(values)
    except RecursionError:
        raise UserError(f"recipe {source}: nested too deeply") from None
    except ValidationError as error:
        raise UserError(f"recipe {source}: {first_problem(error, Recipe)}") from None


def _shipped() -> Traversable:
    return resources.files("srgan_kit") / "recipes"


def _read_toml(name_or_file: str) -> dict[str, object]:
    text = recipe_text(name_or_file)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UserError(f"recipe {name_or_file}: not valid TOML ({reason})") from None


def _apply(values: dict[str, object], override: str) -> None:
    """Set one dotted key in place. A value that is not TOML is taken as text, so that paths need no quotes."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UserError(f"--set {override!r}: expected key=value, such as steps=100 or data.batch=8")
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except RecursionError:
        raise UserError(f"--set {override[:80]!r}...: nested too deeply") from None
    except ValueError:  # TOMLDecodeError is one, and what Python says of numbers of thousands of digits
        value = text
    *parents, last = key.split(".")
    table: dict[str, Any] = values
    for depth, parent in enumerate(parents):
        inner = table.setdefault(parent, {})
        if ".".join(parents[: depth + 1]) in SHORT:
            inner = table[parent] = table_of(inner)
        if not isinstance(inner, dict):
            raise UserError(f"--set {override!r}: {parent} is a value, not a table")
        table = inner
    table[last] = value
