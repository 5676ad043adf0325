"""What is wrong with a recipe, in one line: where, what, what came, and the key that was meant."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from srgan_kit.suggestions import did_you_mean

LONGEST = 80
"""Characters of a value that a message repeats."""
CHOSEN_BY_NAME = ("generator", "critic", "degradation")
"""Tables whose kind is chosen by their name, which pydantic puts into the place of an error."""


def first_problem(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first thing wrong, as `where: what, got ...`; with a model, an unknown key's nearest known one."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(_place(problem["loc"]))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(where, known_keys(model)) if model is not None else ""
        kinds = [part for part in map(str, problem["loc"]) if part not in where.split(".")]
        return f"unknown key {where!r}{f' of {kinds[-1]}' if kinds else ''}{hint}{more}"
    if problem["type"] == "union_tag_invalid":
        context: dict[str, str] = problem.get("ctx", {})
        expected, got = context["expected_tags"].replace("'", ""), context["tag"]
        return f"{where}: expected one of {expected}; got {got!r:.80}{did_you_mean(got, expected.split(', '))}{more}"
    if problem["type"] == "union_tag_not_found":
        return f"{where}: expected a table with a name, or a name, got {_short(problem['input'])}{more}"
    message = problem["msg"].removeprefix("Value error, ")
    got = "" if problem["type"] in ("missing", "value_error") else f", got {_short(problem['input'])}"
    return f"{where + ': ' if where else ''}{message}{got}{more}"


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted keys of a model and of the models in it, whichever is chosen by name."""
    keys: dict[str, None] = {}
    for name, field in model.model_fields.items():
        keys[f"{prefix}{name}"] = None
        keys |= dict.fromkeys(key for kind in _models(field.annotation) for key in known_keys(kind, f"{prefix}{name}."))
    return list(keys)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _models(part)


def _place(loc: tuple[int | str, ...]) -> list[str]:
    """The keys of a place, without the name of the kind that a table is."""
    parts = list(map(str, loc))
    after = [number for number, part in enumerate(parts) if part in CHOSEN_BY_NAME]
    return [part for number, part in enumerate(parts) if number - 1 not in after or number == len(parts) - 1]


def _short(value: object) -> str:
    try:
        text = json.dumps(value, default=str)
    except (RecursionError, TypeError, ValueError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
