"""PGM and PPM files of more than 8 bits a channel, which Pillow reduces to 8 where they have colour."""

import re
from pathlib import Path

import numpy as np

from srgan_kit.errors import UserError
from srgan_kit.images.depth import check_pixels

HEADER = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+?(\d{1,9})" + rb"(?:#[^\r\n]*[\r\n])*\s")
"""Kind, width, height, largest value; comments run to the end of their line. One white space ends it."""
LONGEST_HEADER = 65536


def largest_value(path: Path) -> int:
    """The number that a file's white has; 0 if it is no PGM or PPM."""
    header = _header(path)
    return int(header[4]) if header else 0


def read_netpbm(path: Path) -> np.ndarray:
    """(H, W, 1 or 3) uint16 of a file whose white is 1 ... 65535, scaled so that white is 65535.

    Raises:
        UserError: truncated, numbers above white, more pixels than Pillow thinks safe.
    """
    header = _header(path)
    assert header is not None
    kind, width, height, peak = (int(header[number]) for number in range(1, 5))
    if not (width and height and 0 < peak <= 65535):
        raise UserError(f"{path}: {width}x{height} pixels up to {peak}; expected some, up to 65535")
    check_pixels(path, width, height)
    channels = 1 if kind in (2, 5) else 3
    count = width * height * channels
    if kind in (2, 3):
        words = re.sub(rb"#[^\r\n]*", b"", path.read_bytes()[header.end() :]).split(maxsplit=count)[:count]
        if not all(word.isdigit() and len(word) <= 9 for word in words):
            raise UserError(f"{path}: expected only whole numbers after its header")
        values = np.array([int(word) for word in words], np.uint32)
    else:
        values = np.fromfile(path, ">u2" if peak > 255 else "u1", count, offset=header.end())
    if len(values) < count:
        raise UserError(f"{path}: cannot be read: it ends after {len(values)} of {count} values")
    if values.max() > peak:
        raise UserError(f"{path}: a value of {values.max()}; expected at most {peak}, its white")
    return scaled(values.reshape(height, width, channels), peak)


def scaled(values: np.ndarray, peak: int) -> np.ndarray:
    """Whole numbers from 0 to `peak` as uint16 from 0 to 65535, rounded."""
    if peak == 65535:
        return values.astype(np.uint16)
    levels = (np.arange(peak + 1, dtype=np.uint32) * 65535 + peak // 2) // peak
    return levels.astype(np.uint16)[values]


def _header(path: Path) -> re.Match[bytes] | None:
    with path.open("rb") as file:
        return HEADER.match(file.read(LONGEST_HEADER))
