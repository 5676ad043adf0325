"""What the numbers mean goes with them: profiles, PNG's colour tags, AVIF's code points, CMYK."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms

from srgan_kit.images import avif
from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import HEIF, JPEG_XL, missing_extra
from srgan_kit.images.read import LoadedImage, read_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PATCHES = np.array([(200, 100, 50), (40, 160, 90), (128, 128, 128), (20, 20, 220)], np.uint8)
PIXELS = PATCHES[None].repeat(16, 1).repeat(16, 0)
GAMMA_1 = {"gAMA": struct.pack(">I", 100000)}
GAMMA_18 = {"gAMA": struct.pack(">I", round(100000 / 1.8))}
DISPLAY_P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
P3_TAGS = {"gAMA": struct.pack(">I", 45455), "cHRM": struct.pack(">8I", *DISPLAY_P3)}
P3 = {"cICP": bytes((12, 13, 0, 1))}
PQ = {"cICP": bytes((9, 16, 0, 1))}
P3_PATCHES = np.array([(215, 93, 31), (0, 163, 82), (128, 128, 128), (20, 20, 229)])
"""PATCHES of Display P3 in sRGB, worked out from the primaries and the curve of sRGB."""


def shown(path: Path) -> np.ndarray:
    """The patches as a program that minds profiles shows them, in sRGB."""
    with Image.open(path) as image:
        icc = image.info.get("icc_profile")
        if icc is not None:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert converted is not None
            image = converted
        return np.asarray(image.convert("RGB"))[8, 8::16].astype(int)


def tagged(path: Path, tags: dict[str, bytes], pixels: np.ndarray = PIXELS) -> LoadedImage:
    """A PNG file with tags, read again."""
    write_image(LoadedImage(pixels, tags=tags), path)
    return read_image(path)


@pytest.mark.parametrize(
    "tags", [GAMMA_1, P3_TAGS, P3, PQ, {"sRGB": b"\1"}], ids=["gamma", "cHRM", "cICP", "PQ", "sRGB"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_its_colour_tags(tmp_path: Path, tags: dict[str, bytes], dtype: type) -> None:
    image = tagged(tmp_path / "in.png", tags, PIXELS.astype(dtype))
    assert image.tags == tags
    assert write_image(image, tmp_path / "out.png") == []
    content = (tmp_path / "out.png").read_bytes()
    for name, value in tags.items():
        assert content.index(name.encode() + value) < content.index(b"IDAT")


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tif", "avif", "bmp"])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (GAMMA_1, np.round(255 * (1.055 * (PATCHES / 255) ** (1 / 2.4) - 0.055))),
        (GAMMA_18, np.round(255 * (1.055 * (PATCHES / 255) ** (1.8 / 2.4) - 0.055))),
        (P3, P3_PATCHES),
        (P3_TAGS, P3_PATCHES),
    ],
    ids=["gamma", "gamma of 1.8", "cICP", "cHRM"],
)
def test_elsewhere_the_picture_looks_the_same(
    tmp_path: Path, suffix: str, tags: dict[str, bytes], expected: np.ndarray
) -> None:
    image = tagged(tmp_path / "in.png", tags)
    notes = write_image(image, tmp_path / f"out.{suffix}", 100)
    if suffix == "avif" and tags == P3:
        assert avif.code_points(tmp_path / "out.avif") == tags["cICP"]  # as it is, not as a profile
    else:
        assert np.abs(shown(tmp_path / f"out.{suffix}") - expected).max() <= (4 if suffix != "tif" else 2)
    bmp = ["colours are converted to sRGB, as BMP has no place for a colour profile"]
    assert notes == (bmp if suffix == "bmp" else [])


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tif", "bmp"])
def test_hdr_is_named_where_it_cannot_be_kept(tmp_path: Path, suffix: str) -> None:
    notes = write_image(tagged(tmp_path / "in.png", PQ), tmp_path / f"out.{suffix}")
    assert len(notes) == 1
    assert "no place for BT.2020 PQ (cICP)" in notes[0]


def test_hdr_goes_from_png_to_avif_and_back(tmp_path: Path) -> None:
    pixels = np.linspace(0, 65535, 32).round().astype(np.uint16)[None, :, None].repeat(3, 2).repeat(32, 0)
    image = tagged(tmp_path / "in.png", PQ | {"cLLI": bytes(8)}, pixels)
    notes = write_image(image, tmp_path / "a.avif", 100)
    assert any("cLLI" in note for note in notes)
    back = read_image(tmp_path / "a.avif")
    assert back.tags == PQ
    assert np.abs(back.pixels.astype(int) - pixels).max() < 3 * 65535 / 4095
    assert write_image(back, tmp_path / "out.png") == []
    assert b"cICP" + PQ["cICP"] in (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_plain_srgb_needs_no_profile(tmp_path: Path, suffix: str) -> None:
    tags = {"sRGB": b"\0", "gAMA": struct.pack(">I", 45455)}
    assert write_image(tagged(tmp_path / "in.png", tags), tmp_path / f"out.{suffix}") == []
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp", "avif", "bmp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_of_another_gamma_looks_the_same(tmp_path: Path, suffix: str, dtype: type) -> None:
    grey = np.full((32, 32, 1), 128 * (np.iinfo(dtype).max // 255), dtype)
    image = tagged(tmp_path / "in.png", GAMMA_1, grey)
    write_image(image, tmp_path / f"out.{suffix}", 100)
    if suffix == "tif" and dtype == np.uint16:
        assert read_image(tmp_path / "out.tif").icc is not None  # Pillow converts no 16 bits
        return
    assert np.abs(shown(tmp_path / f"out.{suffix}")[0] - 188).max() <= 2


@pytest.mark.parametrize(
    ("pixels", "icc", "reason"),
    [
        (PIXELS[:, :, :1], SRGB, "it is for RGB, the image is GRAY"),
        (PIXELS, b"no profile at all", "it is damaged"),
        (PIXELS, SRGB[:200], "it is damaged"),
    ],
)
def test_a_profile_that_does_not_fit_is_left_out_with_a_note(
    tmp_path: Path, pixels: np.ndarray, icc: bytes, reason: str
) -> None:
    Image.fromarray(pixels.squeeze()).save(tmp_path / "a.png", icc_profile=icc)
    image = read_image(tmp_path / "a.png")
    assert image.icc is None
    assert image.notes == [f"the colour profile is not kept: {reason}"]


# --- CMYK -----------------------------------------------------------------------------------------------------------

INKS = np.array([(200, 60, 20, 10), (0, 0, 0, 0), (255, 255, 255, 255), (30, 120, 240, 60)], np.uint8)


def cmyk(path: Path, dtype: type, profile: bytes | None = None) -> LoadedImage:
    inks = INKS[None].repeat(4, 0).astype(dtype) * (np.iinfo(dtype).max // 255)
    tags = [] if profile is None else [(34675, 7, len(profile), profile, True)]
    tifffile.imwrite(path, inks, photometric="separated", extratags=tags)
    return read_image(path)


def test_cmyk_without_a_profile_is_the_same_in_8_and_16_bits(tmp_path: Path) -> None:
    low, high = cmyk(tmp_path / "8.tif", np.uint8), cmyk(tmp_path / "16.tif", np.uint16)
    expected = (255 - INKS[:, :3].astype(float)) * (255 - INKS[:, 3:].astype(float)) / 255
    assert low.pixels.dtype == np.uint8
    assert high.pixels.dtype == np.uint16
    assert np.abs(low.pixels[0] - expected).max() <= 0.5
    assert np.abs(high.pixels[0] / 257 - expected).max() <= 0.01
    assert low.notes == high.notes == ["CMYK without a profile is converted as if its inks were perfect"]


def test_cmyk_with_a_profile_is_the_same_in_8_and_16_bits(tmp_path: Path) -> None:
    printed = pyvips.Image.new_from_array(PIXELS, interpretation="srgb").icc_export(output_profile="cmyk")
    profile = printed.get("icc-profile-data")
    assert isinstance(profile, bytes)
    low, high = cmyk(tmp_path / "8.tif", np.uint8, profile), cmyk(tmp_path / "16.tif", np.uint16, profile)
    assert np.abs(high.pixels[0] / 257 - low.pixels[0]).max() <= 1
    assert low.notes == high.notes == []
    without = cmyk(tmp_path / "none.tif", np.uint8).pixels[0].astype(int)
    assert np.abs(without - low.pixels[0]).max() > 20  # the profile matters


@pytest.mark.parametrize(
    ("profile", "reason"), [(SRGB, "it is for RGB, the image is CMYK"), (b"none", "it is damaged")]
)
def test_cmyk_with_a_profile_of_another_kind_says_so(tmp_path: Path, profile: bytes, reason: str) -> None:
    image = cmyk(tmp_path / "a.tif", np.uint16, profile)
    assert image.notes == [f"CMYK whose profile cannot be used ({reason}) is converted as if its inks were perfect"]
    assert np.array_equal(image.pixels, cmyk(tmp_path / "b.tif", np.uint16).pixels)


def test_the_profile_of_a_bmp_is_read(tmp_path: Path) -> None:
    header = struct.pack("<IiiHHIIiiII", 124, 4, 4, 1, 24, 0, 48, 2835, 2835, 0, 0) + bytes(16) + b"DEBM"
    header = header.ljust(112, b"\0") + struct.pack("<III", 124 + 48, len(SRGB), 0)
    file = struct.pack("<2sIHHI", b"BM", 14 + 124 + 48 + len(SRGB), 0, 0, 14 + 124)
    (tmp_path / "a.bmp").write_bytes(file + header + bytes(48) + SRGB)
    assert read_image(tmp_path / "a.bmp").icc == SRGB


@pytest.mark.parametrize(
    "tags",
    [
        {"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 0, 15000, 6000)},
        {"cHRM": struct.pack(">8I", *[1] * 8)},
        {"gAMA": struct.pack(">I", 1)},
    ],
    ids=["y = 0", "one point", "gamma 100000"],
)
@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp", "avif", "bmp"])
def test_colours_that_cannot_be_are_named(tmp_path: Path, tags: dict[str, bytes], suffix: str) -> None:
    image = tagged(tmp_path / "in.png", tags)
    assert write_image(image, tmp_path / "out.png") == []
    assert read_image(tmp_path / "out.png").tags == tags
    (note,) = write_image(image, tmp_path / f"out.{suffix}")
    assert note.startswith("what its colours are is not kept, as ")
    assert np.abs(shown(tmp_path / f"out.{suffix}") - PATCHES).max() <= 4


def test_a_png_profile_that_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    write_image(LoadedImage(PIXELS), tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    body = b"iCCP" + b"name\0\0no zlib stream"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "in.png").write_bytes(content[:33] + chunk + content[33:])
    image = read_image(tmp_path / "in.png")
    assert (image.icc, image.notes) == (None, ["the colour profile is not kept: it is damaged"])


def test_a_jpeg_profile_of_which_a_part_is_missing_is_named(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "in.jpg", icc_profile=SRGB + bytes(100_000))
    content = (tmp_path / "in.jpg").read_bytes()
    start = content.index(b"ICC_PROFILE\0\2\2") - 4
    (length,) = struct.unpack_from(">H", content, start + 2)
    (tmp_path / "in.jpg").write_bytes(content[:start] + content[start + 2 + length :])
    image = read_image(tmp_path / "in.jpg")
    assert (image.icc, image.notes) == (None, ["the colour profile is not kept: it is damaged"])


@pytest.mark.skipif(missing_extra(JPEG_XL) is not None, reason="needs the extra jxl")
def test_colours_are_converted_for_jpeg_xl_whose_plugin_writes_no_profile(tmp_path: Path) -> None:
    notes = write_image(LoadedImage(PIXELS, tags=P3), tmp_path / "a.jxl", quality=100)
    assert notes == ["colours are converted to sRGB, as the JPEG XL plugin writes no colour profile"]
    assert np.abs(read_image(tmp_path / "a.jxl").pixels[8, 8::16].astype(int) - P3_PATCHES).max() <= 1


@pytest.mark.skipif(missing_extra(HEIF) is not None, reason="needs the extra heif")
def test_code_points_of_heif_are_read_and_written(tmp_path: Path) -> None:
    assert write_image(LoadedImage(PIXELS, tags=PQ), tmp_path / "a.heic", quality=100) == []
    image = read_image(tmp_path / "a.heic")
    assert image.tags == PQ
    assert np.abs(image.pixels[8, 8::16].astype(int) - PATCHES).max() <= 4
    assert write_image(image, tmp_path / "a.png") == []
    assert read_image(tmp_path / "a.png").tags == PQ
    assert write_image(LoadedImage(PIXELS), tmp_path / "b.heic") == []
    assert read_image(tmp_path / "b.heic").tags == {}  # sRGB
