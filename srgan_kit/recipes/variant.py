"""The recipe's variant: read from a name or a table, written as a table."""

import dataclasses
import math
from typing import Annotated, Any, cast

from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema

from srgan_kit.contracts import Variant
from srgan_kit.problems import first_problem
from srgan_kit.suggestions import did_you_mean
from srgan_kit.variants import VARIANTS


def variant_name(variant: Variant) -> str:
    """The name it is chosen by."""
    return next(name for name, kind in VARIANTS.items() if type(variant) is kind)


def _read_variant(value: object) -> Variant:
    """A name, or a table of its name and settings; a variant stays as it is."""
    if type(value) in VARIANTS.values():
        return cast(Variant, value)
    table = {"name": value} if isinstance(value, str) else value
    name = table.get("name") if isinstance(table, dict) else value
    if not isinstance(table, dict) or not isinstance(name, str) or name not in VARIANTS:
        hint = did_you_mean(name, VARIANTS) if isinstance(name, str) else ""
        nameless = isinstance(table, dict) and "name" not in table
        got = f"{table!s:.80}, a table without a name" if nameless else repr(name)
        raise ValueError(f"expected one of {', '.join(VARIANTS)}; got {got:.110}{hint}")
    kind = VARIANTS[table["name"]]
    settings = {key: setting for key, setting in table.items() if key != "name"}
    known = [field.name for field in dataclasses.fields(cast(Any, kind))]
    for key in settings:
        if key not in known:
            of = f"its settings are {', '.join(known)}" if known else "it has no settings"
            raise ValueError(f"{table['name']} has no setting {key!r}; {of}")
        given: object = settings[key]
        if isinstance(given, float) and not math.isfinite(given):
            raise ValueError(f"{key}: expected a finite number, got {given}")
    try:
        return TypeAdapter(kind).validate_python(settings)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def _write_variant(variant: Variant) -> dict[str, object]:
    return {"name": variant_name(variant), **dataclasses.asdict(cast(Any, variant))}


def _schema() -> dict[str, Any]:
    tables: list[dict[str, Any]] = []
    for name, kind in VARIANTS.items():
        own = TypeAdapter(kind).json_schema()
        properties = {"name": {"const": name}, **own.get("properties", {})}
        table = {"type": "object", "description": own["description"], "properties": properties}
        tables.append({**table, "required": ["name"], "additionalProperties": False})
    return {"anyOf": [{"enum": list(VARIANTS)}, *tables]}


VariantSetting = Annotated[
    Variant, PlainValidator(_read_variant), PlainSerializer(_write_variant), WithJsonSchema(_schema())
]
"""A `Variant`, read from a recipe."""
