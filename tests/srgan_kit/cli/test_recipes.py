"""`srgan-kit recipes`: the list, a recipe in full, every key, and the JSON schema that is committed."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from srgan_kit.cli import main
from srgan_kit.critics import CRITICS
from srgan_kit.generators import GENERATORS
from srgan_kit.problems import known_keys
from srgan_kit.recipes.load import load_recipe, recipe_names, recipe_text
from srgan_kit.recipes.schema import Recipe
from srgan_kit.variants import VARIANTS

COMMITTED = Path(__file__).parents[3] / "srgan_kit" / "recipes" / "schema.json"

ROUNDS = {"first", "second", "blur", "resize", "noise", "jpeg", "final_sinc", "layers"}
"""Tables in tables, which have no line of their own."""


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the command in this process."""
    monkeypatch.setattr("sys.argv", ["srgan-kit", "recipes", *arguments])
    with pytest.raises(SystemExit) as end:
        main.run()
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def test_every_recipe_is_listed_with_what_it_is_for_its_paper_data_and_time(monkeypatch, capsys) -> None:
    status, out, _ = run(monkeypatch, capsys)
    assert status == 0
    heading, *rows = out.split("\n\n")[0].splitlines()
    assert heading.split()[0] == "recipe"
    assert [row.split()[0] for row in rows] == recipe_names()
    for row, name in zip(rows, recipe_names(), strict=True):
        recipe = load_recipe(name)
        assert recipe.description in row
        assert recipe.paper in row
        assert not row.endswith(" -"), "python -m scripts.bench.recipes measures its time"
    assert "srgan-kit train RECIPE --data DIR --dry-run" in out


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_shown_with_all_its_values(name: str, monkeypatch, capsys, tmp_path: Path) -> None:
    for explained in ([], ["--keys"]):
        status, out, _ = run(monkeypatch, capsys, "show", name, *explained)
        assert status == 0
        assert tomllib.loads(out)["optimizer"]["clip_gradient"] == load_recipe(name).optimizer.clip_gradient
        (tmp_path / "copy.toml").write_text(out, encoding="utf-8")
        assert load_recipe(str(tmp_path / "copy.toml")) == load_recipe(name)


def test_what_a_recipe_does_not_set_is_marked_as_default(monkeypatch, capsys, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'name="own"\nsteps=7\nvariant="gan"\ncritic="dcgan"\n[weights]\npixel="share:0.5"\n[critic_optimizer]\nwarmup=200',
        encoding="utf-8",
    )
    _, out, _ = run(monkeypatch, capsys, "show", str(file))
    assert {
        'name = "own"',
        "steps = 7",
        "seed = 0 # default",
        'name = "gan"',
        'name = "dcgan"',
        'pixel = "share:0.5"',
    } <= {*out.splitlines()}
    assert "# folder: not set" in out
    rate = {table: out.split(f"[{table}]\n")[1].partition("\n")[0] for table in ("optimizer", "critic_optimizer")}
    assert rate == dict.fromkeys(
        rate, "learning_rate = 0.001 # default"
    )  # of a table that is given, of one that is not
    _, out, _ = run(monkeypatch, capsys, "show", "fidelity-x4")
    assert out.split("[critic_optimizer]\n")[1].startswith("learning_rate = 0.0001 # default")


def test_a_recipes_file_is_printed_as_it_is(monkeypatch, capsys) -> None:
    status, out, _ = run(monkeypatch, capsys, "show", "srgan-x4", "--file")
    assert (status, out) == (0, recipe_text("srgan-x4"))


def test_every_key_is_explained(monkeypatch, capsys) -> None:
    """Each setting of each table, under the explanation that stands below it in the code."""
    status, out, _ = run(monkeypatch, capsys, "--keys")
    assert status == 0
    blocks = [block.splitlines() for block in re.split(r"\n\n+", out)]
    keys = [block[-1].partition(" = ")[0] for block in blocks if not block[-1].startswith(("#", "["))]
    assert {name.rpartition(".")[2] for name in known_keys(Recipe)} - {*keys} <= {
        *Recipe.model_fields,
        "degradation",
        "sources",
    } | ROUNDS
    assert "[[data.sources]]" in out
    for kind in CRITICS:
        assert f'[critic] name = "{kind}"' in out
    explained = next(block for block in blocks if block[-1] == 'objective = "non-saturating"')
    assert explained[0].startswith('# Which: "non-saturating" and "minimax" are sec. 3')
    assert "| hinge | wasserstein |" in explained[-3]
    bare = [
        block for block in blocks if len(block) == 1 and not block[0].startswith(("[", "#")) and "name" not in block[0]
    ]
    assert bare == []


def test_mistakes_are_one_line(monkeypatch, capsys) -> None:
    status, _, err = run(monkeypatch, capsys, "show", "smok")
    assert (status, err.count("\n")) == (2, 1)
    assert "did you mean smoke?" in err
    for arguments, reason in (
        (["--schema", "--keys"], "--keys, --schema: expected one of the two"),
        (["--schema", "show", "smoke"], "--schema: is of all recipes; `show NAME --keys` is of one"),
        (["show", "smoke", "--keys", "--file"], "--keys, --file: expected one of the two"),
    ):
        assert run(monkeypatch, capsys, *arguments) == (2, "", f"error: {reason}\n")


def test_the_schema_is_the_committed_one_and_knows_every_name(monkeypatch, capsys) -> None:
    status, out, _ = run(monkeypatch, capsys, "--schema")
    assert status == 0
    assert out == COMMITTED.read_text(encoding="utf-8")
    properties = json.loads(out)["properties"]
    for key, known in (("variant", VARIANTS), ("generator", GENERATORS), ("critic", CRITICS)):
        assert properties[key]["anyOf"][0]["enum"] == [*known], key
    tables = properties["variant"]["anyOf"][1:]
    assert {table["properties"]["name"]["const"] for table in tables} == {*VARIANTS}
    assert properties["steps"]["exclusiveMinimum"] == 0
