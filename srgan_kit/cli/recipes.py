"""`srgan-kit recipes`: the shipped recipes, one of them with its values, every key, or the JSON schema of all."""

import json
from typing import Annotated

import typer

from srgan_kit.cli.console import print_table
from srgan_kit.errors import UserError

HEADINGS = ("recipe", "what it trains", "paper", "data", "time")

recipes = typer.Typer(invoke_without_command=True)


@recipes.callback()
def list_recipes(
    context: typer.Context,
    keys: Annotated[bool, typer.Option("--keys", help="Explain every key that a recipe can have.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of recipes, for editors.")] = False,
) -> None:
    """List the shipped recipes with paper, data and cost; `show` prints one."""
    if context.invoked_subcommand is not None:
        if keys or schema:
            raise UserError(f"{'--keys' if keys else '--schema'}: is of all recipes; `show NAME --keys` is of one")
    elif keys and schema:
        raise UserError("--keys, --schema: expected one of the two")
    elif schema:
        from srgan_kit.recipes.schema import Recipe

        print(json.dumps(Recipe.model_json_schema(), indent=2))
    elif keys:
        from srgan_kit.recipes.explain import all_keys

        print(all_keys(), end="")
    else:
        from srgan_kit.recipes.catalogue import catalogue, measured_on

        rows = [(each.name, each.description, each.paper, each.needs, each.cost) for each in catalogue()]
        print_table(HEADINGS, [tuple(cell or "-" for cell in row) for row in rows])
        print(f"\ntime: of the whole run on {measured_on()}; `srgan-kit train RECIPE --data DIR --dry-run` says yours")


@recipes.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a recipe, or a .toml file.", show_default=False)],
    keys: Annotated[bool, typer.Option("--keys", help="Explain each key above its value.")] = False,
    file: Annotated[
        bool, typer.Option("--file", help="Print its file as it is, comments and all, to start one's own from.")
    ] = False,
) -> None:
    """Print a recipe with the values of all its keys, as TOML; what it does not set itself is marked as default."""
    from srgan_kit.recipes.explain import recipe_as_toml
    from srgan_kit.recipes.load import load_recipe, recipe_text

    if keys and file:
        raise UserError("--keys, --file: expected one of the two")
    recipe = load_recipe(name)
    print(recipe_text(name) if file else recipe_as_toml(recipe.model_dump(mode="json"), explained=keys), end="")
