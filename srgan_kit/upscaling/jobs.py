"""What an upscaling command makes of its inputs, and where it goes; nothing is opened here, and torch not imported."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from srgan_kit.errors import UserError
from srgan_kit.images.formats import FORMATS, readable_endings
from srgan_kit.upscaling.folders import STDIN, InputFile
from srgan_kit.video.formats import CONTAINERS, is_video

Size = tuple[int, int]
STDOUT = Path("/dev/stdout")
"""What the output - stands for."""


@dataclass
class Job:
    """One input and where its result goes."""

    source: Path
    target: Path | None = None
    """None where nothing is to be made of the source (`reason` says why)."""
    status: str = "waiting"
    """waiting, done, skipped or failed; a run that was stopped leaves some waiting."""
    reason: str = ""
    input_size: Size | None = None
    """(width, height) of the input."""
    size: Size | None = None
    """(width, height) of the result."""
    model: str = ""
    """Which made it."""
    choice: str = ""
    """Why that model, where it was chosen for this image."""
    seconds: float = 0.0
    redone_tiles: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Destination:
    """Where results go."""

    kind: Literal["beside", "folder", "file", "stdout"]
    """Beside their inputs, into a folder, into one file, to standard output."""
    path: Path = Path()
    """The folder or file."""

    @property
    def ending(self) -> str:
        """The suffix that the name of the one file asks for; nothing otherwise."""
        return self.path.suffix.lower() if self.kind == "file" else ""


def parse_output(output: str | None, inputs: list[str], found: list[InputFile]) -> Destination:
    """What -o says; without it results lie beside their inputs, and that of standard input goes to standard output.

    A name that ends with a slash, or has no ending of an image, is a folder's.

    Raises:
        UserError: an image's ending that is not written, or one file for several inputs.
    """
    if output is None:
        return Destination("stdout", STDOUT) if inputs == ["-"] else Destination("beside")
    is_one = len(found) == 1 and not any(map(os.path.isdir, inputs))
    path = Path(output)
    if output == "-" or path == STDOUT:
        if not is_one:
            raise UserError("-o -: standard output takes the result of one file; expected a folder for several inputs")
        return Destination("stdout", STDOUT)
    ending = path.suffix.lower()
    if path.is_dir() or output.endswith(("/", os.sep)):
        return Destination("folder", path)
    if ending in FORMATS or ending in CONTAINERS:
        if not is_one:
            raise UserError(f"-o {output}: one file for several inputs; expected a folder")
        if ending in CONTAINERS and not found[0].problem and not is_video(found[0].path):
            raise UserError(f"-o {output}: {inputs[0]} is no video; expected a name ending in {' '.join(FORMATS)}")
        return Destination("file", path)
    if ending in readable_endings() or (is_one and ending[1:].isalpha()):
        raise UserError(f"-o {output}: expected a name ending in {' '.join(FORMATS)}, or a folder's, ending in /")
    return Destination("folder", path)


def plan(
    found: list[InputFile],
    destination: Destination,
    ending: str,
    suffix: Callable[[Path], str],
    taken: Collection[Path] = (),
) -> list[Job]:
    """A job for each input, whose result is none of the `taken`.

    Where a.jpg and a.png would both become a_x4.png, they become a_jpg_x4.png and a_png_x4.png.

    `suffix` says the result's of each. Inputs that are called alike in this way too have their folder's name put
    before, and at last a number behind.
    """
    usable = [item for item in found if not item.problem and not item.aside]
    targets = _targets(usable, destination, ending, suffix, {path.absolute() for path in taken})
    jobs = []
    for item in found:
        if item.problem:
            jobs.append(Job(item.path, status="failed", reason=item.problem))
        elif item.aside:
            jobs.append(Job(item.path, status="skipped", reason=item.aside))
        else:
            jobs.append(Job(item.path, targets[item]))
    return jobs


def _targets(
    items: list[InputFile], destination: Destination, ending: str, suffix: Callable[[Path], str], taken: set[Path]
) -> dict[InputFile, Path]:
    """The path of each result, no two the same, and none that is taken."""
    if destination.kind in ("file", "stdout"):
        return dict.fromkeys(items, destination.path)
    suffixes = {item: suffix(item.path) for item in items}
    targets: dict[InputFile, Path] = {}
    for attempt in count():
        waiting = [item for item in items if item not in targets]
        if not waiting:
            return targets
        wished = {item: _target(item, destination, _stem(item, attempt) + ending + suffixes[item]) for item in waiting}
        alike = Counter(path.absolute() for path in wished.values())
        for item, path in wished.items():
            place = path.absolute()
            if place not in taken and (alike[place] == 1 or attempt > 2):
                targets[item] = path
                taken.add(place)
    raise AssertionError("count() does not end")


def _stem(item: InputFile, attempt: int) -> str:
    """The name of a result without its ending: more is put into it with every attempt to be different."""
    kind = item.path.suffix[1:].lower()
    names = item.path.stem, f"{item.path.stem}_{kind}", f"{item.path.absolute().parent.name}_{item.path.stem}_{kind}"
    return names[attempt] if attempt < len(names) else f"{names[1]}_{attempt - 1}"


def _target(item: InputFile, destination: Destination, name: str) -> Path:
    if destination.kind == "folder":
        return destination.path / item.relative.with_name(name)
    return Path(name) if item.path == STDIN else item.path.with_name(name)


def keep_inputs(jobs: list[Job]) -> None:
    """Before existing files are overwritten: jobs whose result would replace another input fail."""
    inputs = {job.source.resolve(): job for job in jobs if job.target is not None}
    for job in jobs:
        other = inputs.get(job.target.resolve()) if job.target is not None else None
        if other is not None and other is not job:
            job.status, job.reason = "failed", f"the result would replace {other.source}, which is an input too"


def check_apart(files: Mapping[str, Path | None], jobs: list[Job]) -> None:
    """What is written beside the results replaces no input, no result and nothing else of the kind.

    Args:
        files: paths by the options that name them.
        jobs: the inputs, and the results as far as they are known.

    Raises:
        UserError: one would.
    """
    taken = {path.resolve(): f"is {what} as well" for job in jobs for path, what in _files_of(job)}
    for option, file in files.items():
        if file is None:
            continue
        if file.resolve() in taken:
            raise UserError(f"{option} {file}: {taken[file.resolve()]}; give it a name of its own")
        taken[file.resolve()] = f"is what {option} names"


def _files_of(job: Job) -> list[tuple[Path, str]]:
    return [(job.source, "an input"), *([(job.target, "a result")] if job.target is not None else [])]
