"""What `srgan-kit upscale` is asked for, read and checked before any work."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from srgan_kit.cli.console import say
from srgan_kit.cli.output_files import STDOUT, check_image
from srgan_kit.errors import UserError
from srgan_kit.images.formats import FORMATS, Format, missing_extra
from srgan_kit.models.pretrained import AUTO, default_model
from srgan_kit.upscaling.choice import Dials
from srgan_kit.upscaling.folders import STDIN
from srgan_kit.upscaling.jobs import Destination, Job
from srgan_kit.video.formats import CODECS, CONTAINERS, is_video, video_suffix

KINDS = {"detail": "perceptual", "denoise": "photo"}
"""The models that the dials lead to."""


def parse_tile(tile: str) -> int | None:
    """The side of a tile; None for auto."""
    if tile == "auto":
        return None
    if not (tile.isascii() and tile.isdigit() and int(tile) >= 1):
        raise UserError(f"--tile {tile}: expected auto or a number of pixels")
    return int(tile)


def parse_format(format: str | None, destination: Destination) -> str:
    """The suffix of the results, from --format or the output's name."""
    named = destination.ending
    suffix = (named or ".png") if format is None else "." + format.lower().removeprefix(".")
    if suffix not in FORMATS and suffix not in CONTAINERS:
        known = ", ".join(ending[1:] for ending in (*FORMATS, *CONTAINERS))
        raise UserError(f"--format {format}: expected one of {known}")
    if named and FORMATS.get(named, named) != FORMATS.get(suffix, suffix):
        raise UserError(f"--format {format}: the output is called {destination.path}")
    suffix = named or suffix  # .jpeg where jpg is asked for
    if suffix in CONTAINERS:
        return ".png"  # of images
    missing = missing_extra(FORMATS[suffix])
    if missing:
        raise UserError(f"{suffix}: cannot be written: {missing}")
    return suffix


def suffix_of(format: str | None, suffix: str, destination: Destination) -> Callable[[Path], str]:
    """The suffix of each input's result: `suffix`, but that videos stay videos; and where none was asked for,
    animations and documents of several pages keep their own."""
    from srgan_kit.images.frames import frames_format

    keeps_own = format is None and not destination.ending
    asked = f".{(format or '').lower().removeprefix('.')}"

    def of(path: Path) -> str:
        if is_video(path):
            return asked if asked in CONTAINERS else video_suffix(path)
        return (keeps_own and frames_format(path)) or suffix

    return of


def check_codec(codec: str | None) -> None:
    """Raise a UserError for a codec that is not written."""
    if codec is not None and codec not in CODECS:
        raise UserError(f"--codec {codec}: expected {', '.join(CODECS)}")


def check_model(model: str, fast: bool, dials: Dials) -> None:
    """Raise a UserError for options that choose a model beside another one that does."""
    if fast and model != AUTO:
        raise UserError(f"--fast and -m {model}: --fast chooses the model; leave one of them out")
    if dials and (fast or model != AUTO):
        dial, other = f"--{next(iter(dials.settings))}", "--fast" if fast else f"-m {model}"
        raise UserError(f"{dial} and {other}: {dial} chooses its own models; leave one of them out")


def check_one_of(options: Mapping[str, bool]) -> None:
    """Raise a UserError where both of two options are given that exclude each other."""
    if all(options.values()):
        raise UserError(f"{' and '.join(options)}: expected one of them, got both")


def check_nothing_written(files: Mapping[str, Path | None]) -> None:
    """Raise a UserError where a dry run is to write one of these files, each by its option."""
    for option, file in files.items():
        if file is not None:
            raise UserError(f"--dry-run and {option}: nothing is written; leave one of them out")


def check_folders(inputs: list[str]) -> None:
    """Raise a UserError unless all inputs are folders, which can be watched."""
    for name in inputs:
        if not os.path.isdir(name):
            raise UserError(f"--watch {name}: expected a folder")


def check_map(file: Path, overwrite: bool, inputs: int) -> None:
    """Raise a UserError unless there is one input, which a map is drawn of, and the map may be written."""
    if inputs != 1:
        raise UserError(f"--explain {file}: expected one input, got {inputs or 'folders to watch'}")
    check_image(file, overwrite)


def check_stdout(destination: Destination, report: Path | None) -> None:
    """Raise a UserError where an image would go to a terminal, or to where the report goes."""
    if destination.kind == "stdout" and sys.stdout.isatty():
        raise UserError("-o -: standard output is a terminal; send it to a file or a program")
    if destination.kind == "stdout" and report in STDOUT:
        raise UserError("-o - and --report -: standard output takes one of them")


def check_comparable(compare: Path, jobs: list[Job], destination: Destination) -> None:
    """Raise a UserError unless inputs and results are files that can be read again."""
    if destination.kind == "stdout" or any(job.source == STDIN for job in jobs):
        raise UserError(f"--compare {compare}: reads inputs and results again; expected files, got - for one of them")


def check_inputs_stay(compare: Path, jobs: list[Job]) -> None:
    """Raise a UserError where a result takes its own input's place, which could not be shown any more."""
    for job in jobs:
        if job.target is not None and job.target.resolve() == job.source.resolve():
            raise UserError(f"--compare {compare}: {job.source} would be replaced by its result; give it another name")


def note_what_has_no_effect(
    format: Format, quality: int | None, consistent: bool, fast_scale: float | None, image_codec: str | None
) -> None:
    """Say which options change nothing; `image_codec` is a codec where there are images alone."""
    if image_codec is not None:
        say("note: --codec has no effect on images", error=True)
    if quality is not None and format.quality is None:
        why = ", which loses nothing" if format.most_colours is None else ""
        say(f"note: --quality has no effect on {format.name}{why}", error=True)
    if consistent and (format.quality, format.most_colours) != (None, None):
        say(f"note: --consistent holds until {format.name} compresses; png, tif and bmp keep it", error=True)
    if fast_scale is not None and fast_scale <= 3:
        say("note: --fast has no effect up to 3 times: the fast model is for 4", error=True)


def note_reduced(dials: Dials, scale: float | None) -> None:
    """Say where the dials' models are of a larger scale than the fidelity model would be."""
    if dials and scale is not None:
        plain, used = (name.split("-")[0] for name in (default_model(scale), dials.choose(scale).model))
        if plain != used:
            kinds = " and ".join(KINDS[name] for name in dials.settings)
            say(f"note: there is no {kinds} model of {plain}: those of {used} are used, and reduced", error=True)
