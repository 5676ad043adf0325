"""How a file stores its samples, read from its header: what the decoders do not say, or get wrong."""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images.exif import Directories

FLOATING = "pixels are floating-point numbers; expected integers"
UNSIGNED, SIGNED, FLOAT, COMPLEX = 1, 2, 3, 6
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR = 0, 1, 2, 3, 5, 6
CIELAB, ICCLAB, ITULAB = 8, 9, 10
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3}
COLOURS |= dict.fromkeys((CIELAB, ICCLAB, ITULAB), 3)
"""Channels by TIFF's PhotometricInterpretation, without opacity."""
PSD_MODES = {0: "bitmap", 1: "grey", 2: "palette", 3: "RGB", 4: "CMYK", 7: "multichannel", 8: "duotone", 9: "Lab"}


@dataclass(frozen=True)
class Samples:
    """What a directory of a TIFF file says of its samples."""

    bits: int
    form: int
    """UNSIGNED, SIGNED, FLOAT or another of SampleFormat."""
    count: int
    """Channels."""
    photometric: int
    extra: tuple[int, ...]
    """What the channels beyond the colours are: 0 unspecified, 1 opacity that colours are multiplied by, 2 opacity."""
    compression: int
    is_raw: bool
    """Whether a camera wrote it raw: the first image in it is a preview."""

    @property
    def unknown_channels(self) -> bool:
        """Whether the channel beyond the colours is not opacity."""
        return self.extra[:1] == (0,)


def check_pixels(path: Path, width: int, height: int) -> None:
    """Raise a UserError for an image of more pixels than Pillow takes."""
    most = int(2 * (Image.MAX_IMAGE_PIXELS or 2**32))  # up to twice the number, Pillow only warns
    if width * height > most:
        said = f"{width * height} pixels, more than {most}; --max-pixels allows more"
        raise UserError(f"{path}: refused, it may be a decompression bomb: {said}")


_used = {"libvips": False}


def use_vips() -> None:
    """Remember that this process computes with libvips."""
    _used["libvips"] = True


def vips_used() -> bool:
    """Whether this process has used libvips. Its threads do not survive a fork: a child that reads images would wait
    for them without end."""
    return _used["libvips"]


def open_with_vips(path: Path, *, fail_on: str = "truncated", page: int = 0) -> Any:
    """A page of a file for libvips, opened by Python: libvips takes names for UTF-8, and brackets in them for options.

    Args:
        path: of the file.
        fail_on: the least that is a failure, when rows are asked for: truncated, error or warning.
        page: counted from 0.

    Raises:
        UserError: it has more pixels than Pillow takes.
        pyvips.Error: damaged, or of an unknown kind.
    """
    use_vips()
    with path.open("rb") as file:
        source = pyvips.Source.new_from_descriptor(file.fileno())
        which = {"page": page} if page else {}  # few loaders know pages
        image: Any = pyvips.Image.new_from_source(source, "", access="sequential", fail_on=fail_on, **which)
    check_pixels(path, image.width, image.height)
    return image


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file, read as they are looked at."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def tiff_samples(path: Path, page: int = 0) -> Samples | None:
    """How a page of a TIFF file stores its samples; None if it is none, or damaged."""
    try:
        with mapped(path) as content:
            tiff = Directories(content)
            fields = tiff.directory(tiff.page(page))

            def number(tag: int, default: int) -> int:
                return (tiff.numbers(fields, tag) or (default,))[0]

            bits = tiff.numbers(fields, 258) or (1,)
            is_raw = 50706 in fields or (330 in fields and bool(number(254, 0) & 1))
            extra = tiff.numbers(fields, 338)
            return Samples(max(bits), number(339, 1), number(277, 1), number(262, 1), extra, number(259, 1), is_raw)
    except ValueError:
        return None


def check_tiff(path: Path, samples: Samples) -> None:
    """Raise a UserError that says what a TIFF file holds, if it is not 1 to 4 channels of at most 16 bits."""
    reason = ""
    if samples.is_raw:
        reason = "a camera's raw file, whose first image is a preview; expected a developed photograph"
    elif samples.form == FLOAT:
        reason = FLOATING
    elif samples.form == COMPLEX or samples.form > COMPLEX:
        reason = "pixels are complex numbers; expected integers"
    elif samples.photometric not in COLOURS:
        reason = f"colours of kind {samples.photometric} (PhotometricInterpretation); expected grey, RGB, CMYK or Lab"
    elif samples.count > 4 or samples.count - COLOURS[samples.photometric] > 1:
        reason = f"{samples.count} channels; expected 1 (grey), 3 (RGB) or 4 (CMYK), and one of opacity up to 4"
    elif samples.bits not in (1, 2, 4, 8, 16, 32):
        reason = f"{samples.bits} bits a channel; expected 8 or 16"
    elif samples.photometric in (ICCLAB, ITULAB):
        reason = "colours are ICC or ITU Lab; expected grey, RGB, CMYK or CIE Lab"
    if reason:
        raise UserError(f"{path}: {reason}")


def why_not_decoded(path: Path) -> str:
    """What a file is that no decoder here reads; empty if nothing is known of it."""
    with path.open("rb") as file:
        start = file.read(2**20)
    if start[:2] == b"\xff\xd8":
        return _why_jpeg(start)
    if start[:4] == b"8BPS" and len(start) >= 26:
        channels, bits, mode = (*struct.unpack_from(">H", start, 12), *struct.unpack_from(">HH", start, 22))
        if bits == 8 and mode in PSD_MODES:
            return ""  # it is only damaged
        name = PSD_MODES.get(mode, f"kind {mode}")
        return f"a Photoshop file of {bits} bits a channel, {name}, {channels} channels; expected 8 bits, RGB or grey"
    if start[:2] in (b"PF", b"Pf") or start[:4] == b"\x76\x2f\x31\x01" or start[:10] in (b"#?RADIANCE", b"#?RGBE"):
        return FLOATING
    if start[:3] in (b"P7\n", b"P7\r"):
        return "a PAM file; expected PGM or PPM"
    return ""


def _why_jpeg(start: bytes) -> str:
    """What is unusual about a JPEG file, from its frame header."""
    place = 2
    while place + 5 < len(start) and start[place] == 0xFF:
        marker = start[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker in (0xC3, 0xC7, 0xCB, 0xCF):
                return "a lossless JPEG (of a scanner or a camera's raw file); expected an ordinary one"
            bits = start[place + 4]
            return f"a JPEG of {bits} bits a channel; expected 8" if bits != 8 else ""
        length = int.from_bytes(start[place + 2 : place + 4], "big")
        place += 1 if marker == 0xFF else 2 if 0xD0 <= marker <= 0xD8 else 2 + length
    return ""


def last_line(error: BaseException) -> str:
    """The last line of an error that says something, because libvips puts the cause there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
