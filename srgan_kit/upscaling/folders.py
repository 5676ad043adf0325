"""Which files an upscaling command reads: named ones, those of globs, and the images in folders."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from srgan_kit.images.formats import readable_endings, why_unreadable
from srgan_kit.images.mark import read_mark
from srgan_kit.video.formats import is_video

STDIN = Path("/dev/stdin")
"""What the input - stands for."""
RESULT_NAME = re.compile(r"(.+)_(?:x[0-9]+(?:\.[0-9]+)?|[0-9]+x[0-9]+|[0-9]+[wh])")
"""What results are called: photo_x4, photo_1920x1080, photo_3840w, photo_jpg_x2.5."""
SHOWN_NAMES = 5


@dataclass(frozen=True)
class InputFile:
    """An input file, and its path below the folder or beside the files that were named."""

    path: Path
    relative: Path
    listed: bool
    """True where a folder or a glob brought it, not its own name."""
    problem: str = ""
    """Why it cannot be read."""
    aside: str = ""
    """Why it is left out, which is no mistake of anybody's."""


def find(inputs: list[str], recursive: bool) -> list[InputFile]:
    """All input files in order, each once, however it is spelled.

    What cannot be found or listed is there with its problem, and so are images in folders that cannot be decoded
    here. Results of earlier runs that a folder or a glob brings are left aside.
    """
    found: dict[Path, InputFile] = {}
    for name in inputs:
        try:
            items = list(_expand(name, recursive))
        except OSError as error:  # a folder that may not be searched
            items = [InputFile(Path(name), Path(name), listed=True, problem=f"cannot be read: {error.strerror}")]
        for item in items:
            place = _place(item.path)
            if place not in found or (found[place].listed and not item.listed):  # its own name counts more
                found[place] = item
    return _without_results(list(found.values()))


def _place(path: Path) -> Path:
    """The same for every spelling of a path; two links to one file stay two."""
    try:
        return path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    except (OSError, RuntimeError):  # a folder that may not be entered, a circle of links
        return path.absolute()


def _expand(name: str, recursive: bool) -> Iterator[InputFile]:
    path = Path(name)
    if name == "-":
        yield InputFile(STDIN, Path("stdin"), listed=False)
    elif path.is_dir():
        yield from _in_folder(path, recursive)
    elif os.path.lexists(path) or not glob.has_magic(name):
        yield InputFile(path, Path(path.name), listed=False, problem="" if path.exists() else "no such file")
    else:
        matches = sorted(Path(match) for match in glob.glob(name, recursive=True))
        yield from (InputFile(match, Path(match.name), listed=True) for match in matches if match.is_file())
        if not any(match.is_file() for match in matches):
            yield InputFile(path, path, listed=True, problem="no file matches")


def _in_folder(folder: Path, recursive: bool) -> Iterator[InputFile]:
    """Images in (and below) a folder, sorted, without what is hidden; then a word about what is no image."""
    found: list[InputFile] = []
    others: list[Path] = []

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        found.append(InputFile(path, path, listed=True, problem=f"cannot be read: {error.strerror}"))

    for place, folders, names in os.walk(folder, onerror=refuse):
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            reason = why_unreadable(path)
            if not _may_be_a_file(path) or not (reason or path.suffix.lower() in readable_endings()):
                others.append(path)
            else:
                found.append(InputFile(path, path.relative_to(folder), listed=True, problem=reason or ""))
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
    yield from sorted(found, key=lambda item: item.path)
    if not found:
        hint = "" if recursive else " (--recursive looks into its folders)"
        if any(map(is_video, others)):
            hint = "; name its videos to upscale them"
        yield InputFile(folder, folder, listed=True, problem=f"no image in this folder{hint}")
    elif others:
        hint = "; name the videos to upscale them" if any(map(is_video, others)) else ""
        yield InputFile(folder, folder, listed=True, aside=f"no images: {_names(sorted(others), folder)}{hint}")


def _names(paths: list[Path], folder: Path) -> str:
    names = [str(path.relative_to(folder)) for path in paths[:SHOWN_NAMES]]
    return ", ".join(names) + (f" and {len(paths) - SHOWN_NAMES} more" if len(paths) > SHOWN_NAMES else "")


def _may_be_a_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # reading it will say why
        return True


# --- results of earlier runs ----------------------------------------------------------------------------------------


def _without_results(found: list[InputFile]) -> list[InputFile]:
    """Results that were listed are left aside: those that say so themselves, and those called as an input's result.

    One that was named is left aside where both hold: then a shell has expanded a glob, and its original is named too.
    """
    usable = {item for item in found if not item.problem and not item.aside}
    every, named = (
        {path for item in some for path in (item.relative, item.relative.with_suffix(""))}
        for some in (usable, [item for item in usable if not item.listed])
    )
    return [_aside_if_result(item, every if item.listed else named) if item in usable else item for item in found]


def _aside_if_result(item: InputFile, originals: set[Path]) -> InputFile:
    if not item.listed and not _is_called_as_a_result(item, originals):
        return item  # not looked into: it may be a pipe
    try:
        mark = read_mark(item.path)
    except OSError:  # reading it as an image will say why
        mark = None
    if not item.listed:
        if mark is None:
            return item
        return replace(item, aside=f"a result of an earlier run ({mark}); name it alone to upscale it again")
    if mark is not None:
        return replace(item, aside=f"a result of an earlier run ({mark}); name the file itself to upscale it again")
    if _is_called_as_a_result(item, originals):
        return replace(item, aside="called as the result of another input; name the file itself to upscale it")
    return item


def _is_called_as_a_result(item: InputFile, originals: set[Path]) -> bool:
    """Whether there is an input that it could be made from: beside it, or mirrored by an output folder inside."""
    parts, stem = item.relative.parent.parts, item.relative.stem
    while (name := RESULT_NAME.fullmatch(stem)) is not None:  # a result of a result too
        stem = name[1]
        for original in (stem, ".".join(stem.rsplit("_", 1))):
            if any(Path(*parts[start:], original) in originals for start in range(len(parts) + 1)):
                return True
    return False
