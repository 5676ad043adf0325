"""`srgan-kit recipes`: the list, a recipe in full, and the JSON schema that is committed."""

import json
from pathlib import Path

import pytest

from srgan_kit.cli import main
from srgan_kit.critics import CRITICS
from srgan_kit.generators import GENERATORS
from srgan_kit.recipes.load import load_recipe, recipe_names
from srgan_kit.variants import VARIANTS

COMMITTED = Path(__file__).parents[3] / "srgan_kit" / "recipes" / "schema.json"


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the command in this process."""
    monkeypatch.setattr("sys.argv", ["srgan-kit", "recipes", *arguments])
    with pytest.raises(SystemExit) as end:
        main.run()
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def test_every_recipe_is_listed_with_its_description(monkeypatch, capsys) -> None:
    status, out, _ = run(monkeypatch, capsys)
    assert status == 0
    listed = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert listed == {name: load_recipe(name).description for name in recipe_names()}


def test_a_recipe_is_printed_as_its_file(monkeypatch, capsys, tmp_path: Path) -> None:
    status, out, _ = run(monkeypatch, capsys, "smoke")
    assert status == 0
    (tmp_path / "copy.toml").write_text(out, encoding="utf-8")
    assert load_recipe(str(tmp_path / "copy.toml")) == load_recipe("smoke")


def test_mistakes_are_one_line(monkeypatch, capsys) -> None:
    status, _, err = run(monkeypatch, capsys, "smok")
    assert (status, err.count("\n")) == (2, 1)
    assert "did you mean smoke?" in err
    status, _, err = run(monkeypatch, capsys, "smoke", "--schema")
    assert (status, err) == (2, "error: --schema: is of all recipes; remove smoke\n")


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
