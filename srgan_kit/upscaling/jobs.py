"""Which files an upscaling command reads and which it writes; nothing is opened here, and torch is not imported."""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from srgan_kit.errors import UserError
from srgan_kit.upscaling.formats import FORMATS

Size = tuple[int, int]


@dataclass
class Job:
    """One input and where its result goes."""

    source: Path
    target: Path | None = None
    """None where nothing is to be made of the source (`reason` says why)."""
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
    """All input files in order, each once; what cannot be found or listed is there with its problem."""
    found: dict[Path, Found] = {}
    for name in inputs:
        try:
            items = list(_expand(name, recursive))
        except OSError as error:  # a folder that may not be searched
            items = [Found(Path(name), Path(name), listed=True, problem=f"cannot be read: {error.strerror}")]
        for item in items:
            found.setdefault(item.path.absolute(), item)
    return list(found.values())


def _expand(name: str, recursive: bool) -> Iterator[Found]:
    path = Path(name)
    if path.is_dir():
        found = _in_folder(path, recursive)
        hint = "" if recursive else " (--recursive looks into its folders)"
        yield from found or [Found(path, path, listed=True, problem=f"no picture in this folder{hint}")]
    elif path.exists() or not glob.has_magic(name):
        yield Found(path, Path(path.name), listed=False, problem="" if path.exists() else "no such file")
    else:
        matches = sorted(Path(match) for match in glob.glob(name, recursive=True))
        yield from (Found(match, Path(match.name), listed=True) for match in matches if match.is_file())
        if not any(match.is_file() for match in matches):
            yield Found(path, path, listed=True, problem="no file matches")


def _in_folder(folder: Path, recursive: bool) -> list[Found]:
    """Pictures in (and below) a folder, sorted, without hidden files; below it also folders that cannot be listed."""
    found: list[Found] = []

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        found.append(Found(path, path, listed=True, problem=f"cannot be read: {error.strerror}"))

    for place, folders, names in os.walk(folder, onerror=refuse):
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in FORMATS and _may_be_a_picture(path):
                found.append(Found(path, path.relative_to(folder), listed=True))
        if not recursive:
            folders.clear()
    return sorted(found, key=lambda item: item.path)


def _may_be_a_picture(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # reading it will say why
        return True


def plan(found: list[Found], inputs: list[str], output: Path | None, ending: str, suffix: str) -> list[Job]:
    """Where each result goes; where a.jpg and a.png would both become a_x4.png, a_jpg_x4.png and a_png_x4.png.

    Raises:
        UserError: two inputs would write the same file even so, or one file is named for several inputs.
    """
    to_file = output is not None and not output.is_dir() and output.suffix.lower() in FORMATS
    if output is not None and not to_file and output.suffix and not output.is_dir():
        raise UserError(f"-o {output}: expected a folder or a name ending in {' '.join(FORMATS)}")
    if to_file and (len(found) > 1 or any(Path(name).is_dir() for name in inputs)):
        raise UserError(f"-o {output}: one file for {len(found)} inputs; expected a folder")
    named = Counter(_target(item, output, ending, suffix).absolute() for item in found if not item.problem)
    shared = {target for target, inputs_of_it in named.items() if inputs_of_it > 1}

    def target_of(item: Found) -> Path:
        if output is not None and to_file:
            return output
        target = _target(item, output, ending, suffix)
        if target.absolute() not in shared:
            return target
        return _target(item, output, f"_{item.path.suffix[1:].lower()}{ending}", suffix)

    targets: dict[Path, Found] = {}
    jobs = []
    planned = named.keys() | {target_of(item).absolute() for item in found if not item.problem}
    for item in found:
        if item.problem:
            jobs.append(Job(item.path, status="failed", reason=item.problem))
            continue
        if item.listed and item.path.absolute() in planned:
            jobs.append(Job(item.path, status="skipped", reason="it is the result of another input in an earlier run"))
            continue
        target = target_of(item)
        other = targets.setdefault(target.absolute(), item)
        if other is not item:
            raise UserError(f"{other.path} and {item.path} would both become {target}: upscale them into two folders")
        jobs.append(Job(item.path, target))
    return jobs


def check_inputs_survive(jobs: list[Job]) -> None:
    """Before existing files are overwritten: no result may replace another input.

    Raises:
        UserError: one would.
    """
    inputs = {job.source.resolve(): job for job in jobs if job.target is not None}
    for job in jobs:
        other = inputs.get(job.target.resolve()) if job.target is not None else None
        if other is not None and other is not job:
            raise UserError(f"{other.source}: an input, and {job.source} would replace it; leave one of them out")


def check_report_apart(report: Path, jobs: list[Job]) -> None:
    """The report replaces no input and no result.

    Raises:
        UserError: it would.
    """
    for job in jobs:
        for path, what in ((job.source, "an input"), (job.target, "a result")):
            if path is not None and path.resolve() == report.resolve():
                raise UserError(f"--report {report}: is {what} as well; give it a name of its own")


def _target(item: Found, output: Path | None, ending: str, suffix: str) -> Path:
    name = f"{item.path.stem}{ending}{suffix}"
    return item.path.with_name(name) if output is None else output / item.relative.with_name(name)
