"""Which files an upscaling command reads and which it writes; nothing is opened here, and torch is not imported."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from srgan_kit.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif")
"""What is looked for in folders, and what can be written."""
Size = tuple[int, int]


@dataclass
class Job:
    """One input and where its result goes."""

    source: Path
    target: Path | None = None
    """None where the source is no picture at all (`reason` says why)."""
    status: str = "waiting"
    """waiting, done, skipped or failed."""
    reason: str = ""
    size: Size | None = None
    """(width, height) of the result."""
    seconds: float = 0.0
    redone_tiles: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """An input file, and its path below the folder or beside the files that were named."""

    path: Path
    relative: Path
    listed: bool
    """True where a folder or a glob brought it, not its own name."""
    problem: str = ""


def find(inputs: list[str], recursive: bool) -> list[Found]:
    """All input files in order, each once; what cannot be found is there with its problem."""
    found: dict[Path, Found] = {}
    for name in inputs:
        for item in _expand(name, recursive):
            found.setdefault(item.path.absolute(), item)
    return list(found.values())


def _expand(name: str, recursive: bool) -> Iterator[Found]:
    path = Path(name)
    if path.is_dir():
        files = sorted(f for f in (path.rglob("*") if recursive else path.iterdir()) if f.suffix.lower() in SUFFIXES)
        yield from (Found(file, file.relative_to(path), listed=True) for file in files if file.is_file())
        if not any(file.is_file() for file in files):
            hint = "" if recursive else " (--recursive looks into its folders)"
            yield Found(path, path, listed=True, problem=f"no picture in this folder{hint}")
    elif path.exists() or not glob.has_magic(name):
        yield Found(path, Path(path.name), listed=False, problem="" if path.exists() else "no such file")
    else:
        matches = sorted(Path(match) for match in glob.glob(name, recursive=True))
        yield from (Found(match, Path(match.name), listed=True) for match in matches if match.is_file())
        if not any(match.is_file() for match in matches):
            yield Found(path, path, listed=True, problem="no file matches")


def plan(found: list[Found], inputs: list[str], output: Path | None, ending: str, suffix: str) -> list[Job]:
    """Where each result goes.

    Raises:
        UserError: two inputs would write the same file, or one file is named for several inputs.
    """
    to_file = output is not None and not output.is_dir() and output.suffix.lower() in SUFFIXES
    if output is not None and not to_file and output.suffix and not output.is_dir():
        raise UserError(f"-o {output}: expected a folder or a name ending in {' '.join(SUFFIXES)}")
    if to_file and (len(found) > 1 or any(Path(name).is_dir() for name in inputs)):
        raise UserError(f"-o {output}: one file for {len(found)} inputs; expected a folder")
    targets: dict[Path, Found] = {}
    jobs = []
    planned = {_target(item, output, to_file, ending, suffix).absolute() for item in found if not item.problem}
    for item in found:
        if item.problem:
            jobs.append(Job(item.path, status="failed", reason=item.problem))
            continue
        if item.listed and item.path.absolute() in planned:  # a result of an earlier run in the same folder
            continue
        target = _target(item, output, to_file, ending, suffix)
        other = targets.setdefault(target.absolute(), item)
        if other is not item:
            raise UserError(f"{other.path} and {item.path} would both become {target}: upscale them into two folders")
        jobs.append(Job(item.path, target))
    return jobs


def _target(item: Found, output: Path | None, to_file: bool, ending: str, suffix: str) -> Path:
    if output is not None and to_file:
        return output
    name = f"{item.path.stem}{ending}{suffix}"
    return item.path.with_name(name) if output is None else output / item.relative.with_name(name)
