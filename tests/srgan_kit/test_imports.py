"""Imports between the packages of srgan_kit flow one way; those for type checkers and inside functions count too."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "srgan_kit"
FLOORS = (
    "layers images; data metrics generators critics variants; recipes; tasks models; training upscaling; serve;"
    "cli __main__"
)
FLOOR = {name: number for number, names in enumerate(FLOORS.split(";"), 1) for name in names.split()}
"""What is not named lies below all floors: contracts, losses, errors and the like."""


def test_imports_flow_one_way() -> None:
    found: set[tuple[str, str]] = set()
    for file in {*PACKAGE.rglob("*.py")} - {PACKAGE / "__init__.py"}:
        user = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {(user, name.split(".")[1]) for name in modules if name.startswith("srgan_kit.")}
    between = {(user, used) for user, used in found if user != used}
    assert [each for each in between if FLOOR.get(each[1], 0) > FLOOR.get(each[0], 0) or each[::-1] in between] == []
