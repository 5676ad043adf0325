"""Pixels per inch or centimetre: how large an image is meant to be, and how each format writes it."""

import struct
from dataclasses import dataclass
from fractions import Fraction

from srgan_kit.images.exif import RESOLUTION_TAGS, Directories, Entry, Field

INCH, CENTIMETRE, NONE = "inch", "cm", ""
CENTIMETRES_PER_INCH = Fraction(254, 100)
USUAL = (72, 96)
"""Pixels per inch that programs write where nobody chose them."""


@dataclass(frozen=True)
class Density:
    """Pixels across and down in one unit."""

    x: Fraction
    y: Fraction
    unit: str
    """INCH, CENTIMETRE, or NONE: then only the pixels' shape is known."""

    def per(self, unit: str) -> tuple[Fraction, Fraction]:
        """The two numbers in INCH or CENTIMETRE."""
        factor = {(INCH, CENTIMETRE): 1 / CENTIMETRES_PER_INCH, (CENTIMETRE, INCH): CENTIMETRES_PER_INCH}
        return self.x * factor.get((self.unit, unit), 1), self.y * factor.get((self.unit, unit), 1)

    def turned(self) -> "Density":
        """The density of the image turned by a quarter."""
        return Density(self.y, self.x, self.unit)

    @property
    def is_usual(self) -> bool:
        """True where it says nothing about the image."""
        return self.unit != NONE and self.x == self.y and round(self.per(INCH)[0]) in USUAL

    def __str__(self) -> str:
        x, y = (f"{float(value):g}" for value in (self.x, self.y))
        return f"{x if x == y else f'{x}x{y}'} pixels per {self.unit}" if self.unit else f"pixels of shape {x}:{y}"


def _density(x: float | Fraction, y: float | Fraction, unit: str) -> Density | None:
    if x <= 0 or y <= 0 or (unit == NONE and x == y):
        return None
    return Density(Fraction(x), Fraction(y), unit)


# --- JFIF ---


def from_jfif(unit: int, x: int, y: int) -> Density | None:
    """The three numbers of a JFIF header."""
    return _density(x, y, {1: INCH, 2: CENTIMETRE}.get(unit, NONE))


def to_jfif(density: Density | None) -> tuple[int, int, int]:
    """unit, x, y of a JFIF header: whole numbers, in centimetres only if they are whole there."""
    if density is None:
        return 0, 1, 1
    if density.unit == NONE:
        ratio = (density.x / density.y).limit_denominator(0xFFFF)
        return 0, min(ratio.numerator, 0xFFFF), ratio.denominator
    whole = density.unit == CENTIMETRE and density.x.denominator == density.y.denominator == 1
    unit = CENTIMETRE if whole else INCH
    x, y = (min(max(1, round(value)), 0xFFFF) for value in density.per(unit))
    return 2 if unit == CENTIMETRE else 1, x, y


# --- PNG and BMP ---


def from_metre(x: int, y: int, unit: int = 1) -> Density | None:
    """Pixels per metre, with the unit of PNG's pHYs: 1, or 0 for none."""
    return _density(Fraction(x, 100), Fraction(y, 100), CENTIMETRE) if unit == 1 else _density(x, y, NONE)


def to_metre(density: Density) -> tuple[int, int, int]:
    """Pixels per metre and the unit of PNG's pHYs."""
    if density.unit == NONE:
        ratio = (density.x / density.y).limit_denominator(2**31 - 1)
        return ratio.numerator, ratio.denominator, 0
    x, y = (min(max(1, round(100 * value)), 2**31 - 1) for value in density.per(CENTIMETRE))
    return x, y, 1


# --- TIFF and EXIF ---


def from_tiff(tiff: Directories, fields: dict[int, Field]) -> Density | None:
    """XResolution, YResolution and ResolutionUnit of a directory, if they are there."""
    values = []
    for tag in RESOLUTION_TAGS[:2]:
        field = fields.get(tag)
        if field is None or field.type != 5 or field.count < 1:
            return None
        numerator, denominator = struct.unpack_from(tiff.order + "II", tiff.value(field).ljust(8, b"\0"))
        values.append(Fraction(numerator, denominator) if denominator else Fraction(0))
    unit = tiff.numbers(fields, RESOLUTION_TAGS[2]) or (2,)
    return _density(values[0], values[1], {2: INCH, 3: CENTIMETRE}.get(unit[0], NONE))


def to_tiff(density: Density, order: str) -> list[Entry]:
    """The three entries of a directory."""
    unit = {INCH: 2, CENTIMETRE: 3}.get(density.unit, 1)
    rationals = []
    for value in (density.x, density.y):
        short = value.limit_denominator(10000)
        rationals.append(struct.pack(order + "II", min(short.numerator, 2**32 - 1), short.denominator))
    x, y, unit_tag = RESOLUTION_TAGS
    return [(x, 5, 1, rationals[0]), (y, 5, 1, rationals[1]), (unit_tag, 3, 1, struct.pack(order + "H", unit))]


def of_exif(exif: bytes) -> Density | None:
    """What EXIF says of the density.

    Raises:
        ValueError: damaged.
    """
    tiff = Directories(exif)
    return from_tiff(tiff, tiff.directory(tiff.first))


def from_inch(x: Fraction, y: Fraction) -> Density | None:
    """Pixels per inch."""
    return _density(x, y, INCH)


def from_dpi(dpi: object) -> Density | None:
    """Pillow's pair of numbers per inch, of formats that write pixels per metre."""
    if not isinstance(dpi, tuple) or len(dpi) != 2 or not all(0 < value < 1e7 for value in dpi):
        return None
    return from_metre(*(round(float(value) / 0.0254) for value in dpi))
