"""What the commands share about the files that they write."""

import json
import stat
import sys
from pathlib import Path

from srgan_kit.atomic import atomic_write
from srgan_kit.errors import UserError
from srgan_kit.images.formats import FORMATS

STDOUT = (Path("-"), Path("/dev/stdout"))
"""What stands for standard output, where a report goes."""
SMALLEST_SIDE = 64
"""Smaller images are shown larger in grids of many, so that they can be looked at."""


def check_output(file: Path, overwrite: bool) -> None:
    """Before the work, not after it: may this file be written?

    Raises:
        UserError: it exists and `overwrite` is false, it is a folder, its folder does not exist or may not be entered,
            or its name is too long.
    """
    try:
        if file.is_dir():
            raise UserError(f"{file}: is a folder; expected the name of a file")
        if file.exists() and not overwrite:
            raise UserError(f"{file}: exists already; --overwrite replaces it")
        if not file.parent.is_dir():
            raise UserError(f"{file}: there is no folder {file.parent}")
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None


def check_image(file: Path, overwrite: bool) -> None:
    """`check_output` of an image: is its ending one that is written?

    Raises:
        UserError: it is not, or as in `check_output`.
    """
    if file.suffix.lower() not in FORMATS:
        raise UserError(f"{file}: expected a name ending in {' '.join(FORMATS)}")
    check_output(file, overwrite)


def check_page(file: Path, overwrite: bool) -> None:
    """`check_output` of a page for browsers.

    Raises:
        UserError: its ending is not that of HTML, or as in `check_output`.
    """
    if file.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{file}: expected a name ending in .html")
    check_output(file, overwrite)


def check_report(file: Path, overwrite: bool) -> None:
    """`check_output` of a report, which may go to standard output (-), a pipe or a device too."""
    if not is_stream(file):
        check_output(file, overwrite)


def is_stream(file: Path) -> bool:
    """Whether a path is written to as it is, never replaced: standard output, a pipe, a device."""
    try:
        return file in STDOUT or stat.S_IFMT(file.stat().st_mode) in (stat.S_IFCHR, stat.S_IFIFO)
    except OSError:
        return False


def write_json(file: Path, value: object) -> None:
    """Write a report, - for standard output; paths become text, NaN and infinity are a ValueError.

    Raises:
        UserError: the file cannot be written.
    """
    text = json.dumps(value, indent=2, allow_nan=False, default=str) + "\n"
    if file in STDOUT:
        sys.stdout.write(text)
        return
    try:
        if is_stream(file):
            sys.stdout.flush()  # which may be the same
            file.write_text(text, encoding="utf-8")
            return
        with atomic_write(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from None
