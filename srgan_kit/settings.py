"""What all settings of a recipe have in common."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

DEEPEST = 300
"""Layers or blocks of a network; more cannot be trained, and would take minutes to build."""
Depth = Annotated[int, Field(ge=1, le=DEEPEST)]
"""Layers or blocks of a network that has at least one."""


class Settings(BaseModel):
    """Typed values, immutable and strict about their keys; each field is explained below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def table_of(value: object) -> object:
    """A name alone is short for a table of it."""
    return {"name": value} if isinstance(value, str) else value


class Named:
    """A setting whose kind is chosen by `name`: the name alone may stand for a table of it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(table_of, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        table = handler(schema)
        names = [kind["mapping"] for kind in _tables(table) if "mapping" in kind]
        return {"anyOf": [{"enum": [*names[0]]} if names else {"type": "string"}, table]}


def _tables(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What says how a kind is chosen, in a schema or in those it is one of."""
    return [schema.get("discriminator", {}), *(each.get("discriminator", {}) for each in schema.get("anyOf", []))]


NAMED = Named()
