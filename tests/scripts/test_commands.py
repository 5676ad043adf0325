"""Every script that the documentation or a docstring names is there, and has the options that it names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "pretrained").rglob("*.md")]
SOURCES = [path for folder in ("scripts", "srgan_kit", "losses", "tests") for path in (ROOT / folder).rglob("*.py")]
COMMAND = re.compile(r"python -m (scripts(?:\.[a-z0-9_]+)+)(?!\w*\.[A-Z{])([^\n`#]*)")  # not scripts.experiments.NAME


def mentions() -> list[tuple[Path, str]]:
    """(file, its text with continued lines joined)."""
    return [(path, re.sub(r"\\+\n\s*", " ", path.read_text(encoding="utf-8"))) for path in [*PAGES, *SOURCES]]


def commands() -> list[tuple[str, str, str]]:
    """(file, module, the rest of the line) of every command."""
    return [
        (str(path.relative_to(ROOT)), match[1], match[2])
        for path, text in mentions()
        if path != Path(__file__)
        for match in COMMAND.finditer(text)
    ]


COMMANDS = commands()


def test_there_are_commands_of_every_folder() -> None:
    folders = {path.name for path in (ROOT / "scripts").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert {module.split(".")[1] for _, module, _ in COMMANDS} == folders - {"lib"}


@pytest.mark.parametrize(("file", "module", "rest"), COMMANDS)
def test_a_command_names_a_script_and_options_that_there_are(file: str, module: str, rest: str) -> None:
    paths = [ROOT / f"{module.replace('.', '/')}{end}" for end in (".py", "/__main__.py")]
    path = next((path for path in paths if path.is_file()), None)
    assert path is not None, f"{file}: python -m {module}"
    source = path.read_text(encoding="utf-8")
    for word, readers in {"fuzzing import": "reliability/fuzzing.py", "open_experiment": "lib/experiment.py"}.items():
        if word in source:  # which reads its arguments
            source += (ROOT / "scripts" / readers).read_text(encoding="utf-8")
    for option in re.findall(r"(?<![\w-])--[a-z-]+", rest):
        assert f'"{option}"' in source, f"{file}: {module} {option}"


def test_every_path_of_a_script_is_one() -> None:
    """And none is given to `python`: as a file a script finds no other."""
    lost = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in mentions()
        if path.name not in ("CHANGELOG.md", Path(__file__).name)
        for start, name in re.findall(r"(python )?(?<![\w/])(scripts/[\w/]+\.py)\b", text)
        if start or not (ROOT / name).is_file()
    }
    assert not lost


def test_scripts_share_code_through_lib_alone() -> None:
    found: set[str] = set()
    for path in (ROOT / "scripts").rglob("*.py"):
        here = path.relative_to(ROOT / "scripts").parts
        for name in re.findall(r"^(?:from|import) scripts\.([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            there = name.split(".")
            allowed = there[0] == "lib" or (there[0] == here[0] and (there[0] != "experiments" or there[1] == here[1]))
            if not allowed:
                found.add(f"{'/'.join(here)}: {name}")
    assert not found
