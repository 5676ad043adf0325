"""Pixels per inch, and the unit they are said in, go from file to file."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.images.density import NONE, Density
from srgan_kit.images.encode import write_image
from srgan_kit.images.read import LoadedImage, read_image

PIXELS = np.full((24, 40, 3), (90, 120, 150), np.uint8)


def jpeg(path: Path, exif: bytes = b"", **options: object) -> Path:
    Image.fromarray(PIXELS).save(path, "JPEG", exif=exif, **options)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "bmp"])
@pytest.mark.parametrize(
    ("unit", "number", "per_inch"), [(1, 300, 300.0), (2, 118, 299.72), (1, 72, 72.0)], ids=["inch", "cm", "usual"]
)
def test_density_and_its_unit_are_kept(tmp_path: Path, suffix: str, unit: int, number: int, per_inch: float) -> None:
    content = bytearray(jpeg(tmp_path / "in.jpg", dpi=(9, 9)).read_bytes())
    content[13:18] = struct.pack(">BHH", unit, number, number)
    (tmp_path / "in.jpg").write_bytes(content)
    assert write_image(read_image(tmp_path / "in.jpg"), tmp_path / f"out.{suffix}") == []
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.info["dpi"] == pytest.approx((per_inch, per_inch), abs=0.02)
        if suffix == "jpg":
            assert (image.info["jfif_unit"], image.info["jfif_density"]) == (unit, (number, number))
        if suffix == "tif":
            tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
            assert (tags[296], tags[282]) == ({1: 2, 2: 3}[unit], number)
    write_image(read_image(tmp_path / f"out.{suffix}"), tmp_path / "back.jpg")
    with Image.open(tmp_path / "back.jpg") as image:
        assert image.info["dpi"] == pytest.approx((per_inch, per_inch), abs=0.5)


@pytest.mark.parametrize(("suffix", "kind"), [("webp", "WebP"), ("avif", "AVIF")])
def test_density_is_named_where_only_exif_could_hold_it(tmp_path: Path, suffix: str, kind: str) -> None:
    image = read_image(jpeg(tmp_path / "in.jpg", dpi=(300, 300)))
    notes = write_image(image, tmp_path / f"out.{suffix}")
    assert notes == [f"not kept, as {kind} has no place for it: density (300 pixels per inch)"]
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 300.0, 2
    image = read_image(jpeg(tmp_path / "in.jpg", exif.tobytes(), dpi=(300, 300)))
    assert write_image(image, tmp_path / f"out.{suffix}") == []
    assert read_image(tmp_path / f"out.{suffix}").density == Density(Fraction(300), Fraction(300), "inch")


def test_density_of_exif_alone_goes_to_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 200.0, 100.0, 2
    exif[0x0112] = 6
    loaded = read_image(jpeg(tmp_path / "in.jpg", exif.tobytes()))
    write_image(loaded, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["dpi"] == pytest.approx((100, 200), abs=0.02)  # turned with the image


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_the_shape_of_pixels_is_kept(tmp_path: Path, suffix: str) -> None:
    image = LoadedImage(PIXELS, density=Density(Fraction(2), Fraction(1), ""))
    write_image(image, tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / f"a.{suffix}").density == image.density


def test_no_density_is_invented(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "tif", "bmp"):
        write_image(LoadedImage(PIXELS), tmp_path / f"a.{suffix}")
        assert read_image(tmp_path / f"a.{suffix}").density is None


def test_bmp_has_no_place_for_the_shape_alone(tmp_path: Path) -> None:
    wide = LoadedImage(PIXELS, density=Density(Fraction(2), Fraction(1), NONE))
    assert write_image(wide, tmp_path / "a.bmp") == [
        "not kept, as BMP has no place for it: density (pixels of shape 2:1)"
    ]
