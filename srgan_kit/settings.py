"""What all settings of a recipe have in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Depth = Annotated[int, Field(ge=1, le=300)]
"""Layers or blocks of a network; more cannot be trained, and would take minutes to build."""


class Settings(BaseModel):
    """Typed values, immutable and strict about their keys; each field is explained below it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def table_of(value: object) -> object:
    """A name alone is short for a table of it."""
    return {"name": value} if isinstance(value, str) else value


NAMED = BeforeValidator(table_of)
"""Of settings whose kind is chosen by `name`."""
