"""Recipes as text: one with all its values, or every key there is, each with its explanation.

Everything is read from the JSON schema, which has the explanations that stand below the settings.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from srgan_kit.recipes.schema import Recipe

WIDTH = 110
BARE = re.compile(r"[A-Za-z0-9_-]+")
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
"""What JSON schema calls the ends of a range."""

Values = Mapping[str, Any]


def recipe_as_toml(values: Values, explained: bool = False) -> str:
    """A recipe in TOML with the value of every key; those that are the default are marked.

    Args:
        values: the recipe's, as `Recipe.model_dump(mode="json")` has them. Keys that this version does not know, of a
            recipe of another one, stand there without an explanation.
        explained: whether what each key means, and what it takes, stands above it.
    """
    return "\n".join(_lines(values, explained)).strip() + "\n"


def changed_settings(values: Values) -> list[tuple[str, str]]:
    """The dotted keys of a recipe whose values are not the default, and these in TOML."""
    changed: list[tuple[str, str]] = []
    for path, settings in _tables("", values, _schema()):
        prefix = f"{path}." if path else ""
        changed += [(f"{prefix}{each.key}", toml_value(each.value)) for each in settings if not each.is_default]
    return changed


def all_keys() -> str:
    """Every key of recipes with its default and its explanation; of a table that is chosen by its name, each kind."""
    return "\n".join(_keys("", _schema())).strip() + "\n"


def toml_value(value: object) -> str:
    """A value in TOML; a table is written on one line.

    >>> print(toml_value([1e-3, True, {"a b": "x"}]))
    [0.001, true, {"a b" = "x"}]
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False)  # TOML writes text, numbers and truth as JSON does


# --- a recipe ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Setting:
    """A key with its value in a recipe."""

    key: str
    value: Any
    schema: Values
    is_default: bool


def _lines(values: Values, explained: bool) -> Iterator[str]:
    for path, settings in _tables("", values, _schema()):
        if path and settings:
            yield from ("", f"[{path}]")
        for each in settings:
            if explained and "description" in each.schema:
                yield from ("", *_explanation(each.schema))
            if each.value is None:
                yield f"# {_key(each.key)}: not set"
            else:
                yield f"{_key(each.key)} = {toml_value(each.value)}{' # default' if each.is_default else ''}"


def _tables(path: str, values: Values, schema: Values, whole: bool = False) -> Iterator[tuple[str, list[_Setting]]]:
    """The settings of a table, then those of the tables in it, each with its dotted path.

    Where a table is given, its defaults are those of its kind; `whole` says that the whole table is a default, which
    may have others.
    """
    properties = _kind(schema, values.get("name")).get("properties", {})
    settings: list[_Setting] = []
    inner: list[tuple[str, Values, Values, bool]] = []
    for key, value in values.items():
        own = properties.get(key, {})
        default = whole or value == own.get("default", ...)
        if isinstance(value, Mapping):
            inner.append((f"{path}.{key}" if path else key, value, own, default))
        else:
            settings.append(_Setting(key, value, own, default and (whole or "const" not in own)))
    yield path, settings
    for each in inner:
        yield from _tables(*each)


# --- every key --------------------------------------------------------------------------------------------------------


def _keys(path: str, schema: Values, name: str | None = None, title: str = "[{}]") -> Iterator[str]:
    """The keys of a table, then those of the tables in it, each kind of them; `title` is how TOML writes its path."""
    inner: list[tuple[str, Values, str]] = []
    if path:
        yield from ("", "", title.format(path) + (f" name = {toml_value(name)}" if name else ""))
    yield from _comment(_flat(schema.get("description", "")))
    for key, own in schema.get("properties", {}).items():
        dotted, items = f"{path}.{key}" if path else key, own.get("items", {})
        if _kinds(own):
            inner.append((dotted, own, "[{}]"))
        elif _kinds(items):
            inner.append((dotted, items, "[[{}]]"))
        elif not (name and key == "name"):
            default = own.get("default", ...)
            yield from ("", *_explanation(own))
            yield _key(key) + (f" = {toml_value(default)}" if default is not ... and default is not None else "")
    for dotted, own, form in inner:
        for kind, table in _kinds(own).items():
            yield from _keys(dotted, table, kind or None, form)


@cache
def _schema() -> Values:
    return Recipe.model_json_schema()


def _kinds(schema: Values) -> dict[str, Values]:
    """The tables that a value may be, by the name that chooses each; "" where there is but one; none for no table."""
    schema = _resolved(schema)
    options = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    kinds = {name: table for option in options for name, table in _kinds(option).items()}
    if "properties" in schema:
        name = schema["properties"].get("name", {})
        kinds[name.get("const", "") if "const" in name else ""] = schema
    return kinds


def _kind(schema: Values, name: object) -> Values:
    """The table of that name, or the only one."""
    kinds = _kinds(schema)
    return kinds.get(str(name), kinds.get("", {}))


def _resolved(schema: Values) -> Values:
    reference = schema.get("$ref")
    return schema if reference is None else _schema()["$defs"][reference.rpartition("/")[2]]


def _explanation(schema: Values) -> list[str]:
    """What a key means, and what it takes, as comments."""
    takes = _takes(schema)
    return _comment(_flat(schema.get("description", ""))) + (_comment(f"Takes: {takes}") if takes else [])


def _takes(schema: Values) -> str:
    """What values a key may have, in words."""
    schema = _resolved(schema)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    options = [_takes(option) for option in schema.get("anyOf", []) if option.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(filter(None, options)))
    limits = [f"{sign} {schema[bound]}" for bound, sign in BOUNDS.items() if bound in schema]
    match schema.get("type"):
        case "array":
            items = schema.get("items") or next(iter(schema.get("prefixItems", [])), {})
            return f"list of {_takes(items)}" if items else "list"
        case "object":
            inner = schema.get("additionalProperties")
            return f"table of {_takes(inner)}" if isinstance(inner, Mapping) else "table"
        case "boolean":
            return "true | false"
        case "string":
            pattern = schema.get("pattern", "")
            return "path" if schema.get("format") == "path" else 'text "share:X"' if "share" in pattern else "text"
        case kind:
            return " ".join([*([str(kind)] if kind else []), *limits])


def _flat(text: str) -> str:
    return " ".join(text.split())


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else json.dumps(name)
