"""`srgan-kit recipes`: the shipped recipes, one of them in full, or the JSON schema of all."""

import json
from typing import Annotated

import typer

from srgan_kit.errors import UserError


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this recipe's file.", show_default=False)] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of recipes, for editors.")] = False,
) -> None:
    """List the shipped recipes."""
    from srgan_kit.recipes.load import load_recipe, recipe_names, recipe_text

    if schema and name is not None:
        raise UserError(f"--schema: is of all recipes; remove {name}")
    if schema:
        from srgan_kit.recipes.schema import Recipe

        print(json.dumps(Recipe.model_json_schema(), indent=2))
    elif name is not None:
        print(recipe_text(name), end="")
    else:
        width = max(map(len, recipe_names()))
        for each in recipe_names():
            print(f"{each:{width}}  {load_recipe(each).description}")
