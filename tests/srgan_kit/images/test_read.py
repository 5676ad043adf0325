"""Images survive the way from file to file: every format, mode, bit depth, transparency and tag."""

import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from srgan_kit.errors import UserError
from srgan_kit.images.density import from_jfif
from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import FORMATS, missing_extra
from srgan_kit.images.metadata import Metadata, with_iptc
from srgan_kit.images.read import LoadedImage, read_image
from srgan_kit.upscaling.image import fitted_size, scaled_size
from srgan_kit.upscaling.resampling import resample
from srgan_kit.upscaling.transparency import fill_hidden

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(height: int = 24, width: int = 40, channels: int = 3) -> np.ndarray:
    """A gradient that lossy formats keep well."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = (40 + 3 * rows, 60 + 3 * columns, 220 - 2 * rows - columns)
    return np.stack(planes[:channels], axis=2).astype(np.uint8)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_round_trips(tmp_path: Path, suffix: str, channels: int) -> None:
    if missing_extra(FORMATS[suffix]):
        pytest.skip("the extra is not installed")
    pixels = smooth(channels=channels)
    few = FORMATS[suffix].most_colours
    expected = [] if few is None else [f"colours are reduced to {few}, as {FORMATS[suffix].name} needs"]
    assert write_image(LoadedImage(pixels), tmp_path / f"a{suffix}", 100) == expected
    back = read_image(tmp_path / f"a{suffix}")
    assert back.alpha is None
    result = back.pixels if back.pixels.shape == pixels.shape else back.pixels[:, :, :1]  # WebP and AVIF have no grey
    most = {"PNG": 0, "BMP": 0, "TIFF": 0, "GIF": 20}.get(FORMATS[suffix].name, 6)
    assert np.abs(result.astype(int) - pixels).max() <= most
    if suffix in (".png", ".tif", ".jpg", ".bmp"):
        assert back.pixels.shape == pixels.shape


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_transparency_round_trips(tmp_path: Path, suffix: str) -> None:
    alpha = smooth(channels=1)
    write_image(LoadedImage(smooth(), alpha), tmp_path / f"a{suffix}", 100)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.alpha is not None
    assert np.abs(back.alpha.astype(int) - alpha).max() <= 6


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparency_is_laid_on_white_where_it_cannot_be_kept(tmp_path: Path, suffix: str) -> None:
    alpha = np.full((24, 40, 1), 255, np.uint8)
    alpha[:12] = 0
    notes = write_image(LoadedImage(np.full((24, 40, 3), 80, np.uint8), alpha), tmp_path / f"a{suffix}")
    assert "white" in notes[0]
    pixels = read_image(tmp_path / f"a{suffix}").pixels
    assert pixels[4, 20].min() >= 254
    assert np.abs(pixels[20, 20].astype(int) - 80).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_stay_16_bits(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 7, channels)).astype(np.uint16)
    alpha = np.random.default_rng(1).integers(0, 65536, (9, 7, 1)).astype(np.uint16)
    write_image(LoadedImage(pixels, alpha), tmp_path / f"a{suffix}")
    back = read_image(tmp_path / f"a{suffix}")
    assert back.alpha is not None
    assert np.array_equal(back.pixels, pixels)
    assert np.array_equal(back.alpha, alpha)


def test_16_bits_are_said_to_become_8(tmp_path: Path) -> None:
    pixels = np.full((20, 20, 3), 65535, np.uint16)
    assert "16 bits" in write_image(LoadedImage(pixels), tmp_path / "a.jpg")[0]
    assert read_image(tmp_path / "a.jpg").pixels.min() == 255


def save(image: Image.Image, path: Path, **options: object) -> LoadedImage:
    image.save(path, **options)  # pyright: ignore[reportArgumentType]
    return read_image(path)


def test_palettes_bits_and_grey(tmp_path: Path) -> None:
    colour = Image.fromarray(smooth())
    palette = colour.quantize(16)
    assert np.array_equal(save(palette, tmp_path / "p.png").pixels, np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(smooth(channels=1)[:, :, 0]).convert("1")
    assert set(np.unique(save(bits, tmp_path / "b.png").pixels)) == {0, 255}
    assert save(colour.convert("L"), tmp_path / "l.png").pixels.shape == (24, 40, 1)
    both = save(colour.convert("LA"), tmp_path / "la.png")
    assert both.pixels.shape == (24, 40, 1)
    assert both.alpha is None  # all opaque
    transparent = save(palette, tmp_path / "t.png", transparency=3)
    assert transparent.alpha is not None
    assert np.array_equal(transparent.alpha[:, :, 0] == 0, np.asarray(palette) == 3)
    deep = Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40) * 60)
    assert np.array_equal(save(deep, tmp_path / "d.png").pixels[:, :, 0], np.asarray(deep))


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    image = save(Image.fromarray(smooth()).convert("CMYK"), tmp_path / f"c{suffix}")
    assert np.abs(image.pixels.astype(int) - smooth()).mean() < 3
    assert image.icc is None


def test_16_bit_cmyk_becomes_srgb_and_loses_its_profile(tmp_path: Path) -> None:
    dull = 90 + smooth() // 4  # inside the printer's gamut
    rgb = pyvips.Image.new_from_array(dull, interpretation="srgb")
    cmyk = rgb.icc_transform("cmyk", input_profile="srgb", depth=16)
    cmyk.tiffsave(str(tmp_path / "c.tif"))
    with Image.open(tmp_path / "c.tif") as image:
        assert image.mode == "CMYK"
        assert image.info["icc_profile"]
    loaded = read_image(tmp_path / "c.tif")
    assert loaded.pixels.dtype == np.uint16
    assert np.abs(loaded.pixels / 257 - dull).mean() < 3
    assert loaded.icc is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(tmp_path: Path, orientation: int) -> None:
    image = Image.fromarray(smooth())
    exif = image.getexif()
    exif[0x0112] = orientation
    exif[ExifTags.Base.Make] = "Camera"
    loaded = save(image, tmp_path / "o.png", exif=exif)
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # the EXIF standard, in Image.Transpose's numbers
    expected = image.transpose(Image.Transpose(turned[orientation])) if orientation > 1 else image
    assert np.array_equal(loaded.pixels, np.asarray(expected))
    assert loaded.metadata.exif is not None
    assert b"Camera" in loaded.metadata.exif
    write_image(loaded, tmp_path / "again.png")
    assert np.array_equal(read_image(tmp_path / "again.png").pixels, loaded.pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_exif_and_profile_are_kept(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(smooth())
    exif = image.getexif()
    exif[0x0112] = 6
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2024:01:02 03:04:05",
        ExifTags.Base.ISOSpeedRatings: 200,
    }
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 8.0, 30.0)}
    loaded = save(image, tmp_path / "in.jpg", exif=exif, icc_profile=SRGB)
    assert write_image(loaded, tmp_path / f"out{suffix}") == []
    with Image.open(tmp_path / f"out{suffix}") as result:
        assert result.info["icc_profile"] == SRGB
        kept = result.getexif()
        assert kept[ExifTags.Base.Make] == "Camera"
        assert kept.get(0x0112, 1) == 1
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2024:01:02 03:04:05"
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[2] == (48.0, 8.0, 30.0)
        assert result.size == (24, 40)


def test_animations_give_their_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (10, 200)]
    image = save(frames[0], tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert image.pixels.max() <= 12
    assert "2 frames" in image.notes[0]


# --- bad input ------------------------------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    Image.effect_noise((200, 200), 50).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:5000])


def truncated_16_bit(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (99, 99, 3)).astype(np.uint16)
    write_image(LoadedImage(pixels), path.with_suffix(".png"))
    path.write_bytes(path.with_suffix(".png").read_bytes()[:20000])


def bomb(path: Path) -> None:
    pyvips.Image.black(20000, 20000).pngsave(str(path), compression=9)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("no image"), "not an image"),
        (truncated, "cannot be read"),
        (truncated_16_bit, "cannot be read"),
        (bomb, "400000000 pixels"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50), "read|not an image"),
        (lambda path: Image.new("F", (5, 5)).save(path, "TIFF"), "floating"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    path = tmp_path / "bad.img"
    make(path)
    with pytest.raises(UserError, match=reason) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each format, with all that can be said in it."""
    folder = tmp_path_factory.mktemp("intact")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "somebody", 1
    exif[ExifTags.IFD.Exif] = {0xA002: 24, 0xA003: 20}
    xmp = b"<x:xmpmeta tiff:Orientation='1'/>"
    texts = (("tEXt", b"Title\0a title"), ("zTXt", b"Comment\0\0" + zlib.compress(b"said")))
    said = Metadata(exif.tobytes().removeprefix(b"Exif\0\0"), xmp, (), with_iptc(b"\x1c\x02\x50\0\x01N"), texts)
    image = LoadedImage(pixels, None, SRGB, said, density=from_jfif(1, 300, 300), tags={"gAMA": b"\0\1\0\0"})
    for suffix in ("png", "jpg", "webp", "bmp", "tif", "avif"):
        write_image(image, folder / f"a.{suffix}")
    wide = LoadedImage(pixels.astype(np.uint16) * 257, metadata=said, tags={"cICP": bytes((9, 16, 0, 1))})
    for name in ("deep.png", "deep.tif", "deep.avif"):
        write_image(wide, folder / name)
    (folder / "deep.ppm").write_bytes(b"P6 # comment\n24 20 65535\n" + wide.pixels.astype(">u2").tobytes())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_read_or_refused_in_one_line(
    intact: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(intact[data.draw(st.sampled_from(sorted(intact)))])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.getbasetemp() / "damaged.img"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))] if content else b"")
    reason = ""
    try:
        write_image(read_image(path), path.with_suffix(data.draw(st.sampled_from(sorted(FORMATS)))))
    except UserError as error:
        reason = str(error)
    assert "\n" not in reason


@pytest.mark.parametrize("size", [(1, 1), (60000, 1), (1, 60000)])
def test_extreme_shapes_work(tmp_path: Path, size: tuple[int, int]) -> None:
    assert save(Image.new("RGB", size, (9, 8, 7)), tmp_path / "thin.png").size == size


def test_formats_have_their_limits(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="16383"):
        write_image(LoadedImage(np.zeros((1, 16384, 3), np.uint8)), tmp_path / "a.webp")
    with pytest.raises(UserError, match="known"):
        write_image(LoadedImage(np.zeros((1, 1, 3), np.uint8)), tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []


def test_more_than_4_gib_is_one_line(tmp_path: Path) -> None:
    try:
        pixels = np.zeros((65537, 65536, 1), np.uint8)  # nobody touches these pages
    except MemoryError:
        pytest.skip("no 4 GiB of address space")
    with pytest.raises(UserError, match="65536x65537 cannot be written as") as caught:
        write_image(LoadedImage(pixels), tmp_path / "a.bmp")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_reading_leaves_the_warning_filters_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)  # the image has 960: a warning, not yet a refusal
    with pytest.warns(Image.DecompressionBombWarning):  # a caller in threads must silence it once, around all of them
        read_image(tmp_path / "a.png")


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_image(LoadedImage(smooth()), tmp_path / "missing" / "a.png")


FULL_DISK = """
import sys, numpy as np
from pathlib import Path
from srgan_kit.errors import UserError
from srgan_kit.images.encode import write_image
from srgan_kit.images.read import LoadedImage
noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
try:
    write_image(LoadedImage(noise), Path(sys.argv[1]))
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    if missing_extra(FORMATS[suffix]):
        pytest.skip("the extra is not installed")

    def full() -> None:  # no file may grow beyond 4 kB: what a full disk looks like to a process
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-B", "-c", FULL_DISK, str(tmp_path / f"a{suffix}")]
    done = subprocess.run(command, preexec_fn=full, capture_output=True, text=True, env=os.environ, check=False)
    assert "cannot be written: " in done.stdout, done.stderr
    assert "File too large" in done.stdout  # the cause, in the words of the system
    assert list(tmp_path.iterdir()) == []


# --- sizes and transparency -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [(80, 48), (33, 17), (41, 100), (1, 1)])
def test_resampling_keeps_a_constant(dtype: type, value: float, size: tuple[int, int]) -> None:
    level = int(value * np.iinfo(dtype).max)
    result = resample(np.full((31, 43, 3), level, dtype), size)
    assert result.shape == (size[1], size[0], 3)
    assert (result == level).all()


def test_resampling_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, 1::4] = stripes[:, 2::4] = 200  # four taps without antialiasing see the bright pair only
    assert np.abs(resample(stripes, (16, 16))[:, 2:-2].astype(int) - 100).max() <= 3


def test_resampling_matches_pillow() -> None:
    pixels = smooth(48, 60)
    expected = np.asarray(Image.fromarray(pixels).resize((37, 29), Image.Resampling.BICUBIC))
    assert np.abs(resample(pixels, (37, 29)).astype(int) - expected).max() <= 2


def test_sizes() -> None:
    assert scaled_size((101, 3), 2.5) == (252, 8)
    assert scaled_size((3, 3), 0.01) == (1, 1)
    assert fitted_size((400, 300), (1000, 600)) == (800, 600)
    assert fitted_size((60000, 1), (100, 100)) == (100, 1)
    with pytest.raises(UserError, match="too many"):
        scaled_size((60000, 60000), 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_colour_is_never_seen(dtype: type) -> None:
    peak = np.iinfo(dtype).max
    alpha = np.zeros((37, 50, 1), dtype)
    alpha[10:20, 10:20] = peak
    alpha[20:25, 10:20] = peak // 9
    green = np.full((37, 50, 3), (0, peak, 0), dtype)
    hidden = np.where(alpha > 0, green, np.array((peak, 0, peak), dtype))
    assert np.array_equal(fill_hidden(hidden, alpha), green)


def test_opaque_colour_stays_as_it_is() -> None:
    alpha = np.full((24, 40, 1), 255, np.uint8)
    alpha[:, 20:] = 0
    assert np.array_equal(fill_hidden(smooth(), alpha)[:, :20], smooth()[:, :20])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("opacity", [8, 128, 254])
def test_texture_behind_transparency_stays_as_it_is(dtype: type, opacity: int) -> None:
    peak = np.iinfo(dtype).max
    noise = np.random.default_rng(0).integers(0, peak, (37, 50, 3), endpoint=True).astype(dtype)
    alpha = np.full((37, 50, 1), opacity * (peak // 255), dtype)
    assert np.array_equal(fill_hidden(noise, alpha), noise)
    alpha[:9] = 0
    assert np.array_equal(fill_hidden(noise, alpha)[9:], noise[9:])


def test_a_picture_with_nothing_visible() -> None:
    assert fill_hidden(smooth(), np.zeros((24, 40, 1), np.uint8)).shape == (24, 40, 3)


def test_colours_converted_to_rgb_leave_their_profile_behind(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (4, 3), (200, 100, 50)).convert("LAB").save(tmp_path / "a.tif", icc_profile=lab)
    image = read_image(tmp_path / "a.tif")
    assert image.icc is None
    assert np.abs(image.pixels.astype(int) - (200, 100, 50)).max() <= 2


@pytest.mark.parametrize(("value", "is_read"), [(65535, True), (65536, False), (-1, False)])
def test_32_bit_integers_are_read_only_where_16_bits_hold_them(tmp_path: Path, value: int, is_read: bool) -> None:
    Image.fromarray(np.array([[0, value]], np.int32)).save(tmp_path / "a.tif")
    if is_read:
        assert read_image(tmp_path / "a.tif").pixels[:, :, 0].tolist() == [[0, value]]
    else:
        with pytest.raises(UserError, match="pixels are signed 32-bit numbers from"):
            read_image(tmp_path / "a.tif")


def test_a_single_grey_pixel_of_16_bits_is_read(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        write_image(LoadedImage(np.full((1, 1, 1), 30000, np.uint16)), tmp_path / name)
        assert read_image(tmp_path / name).pixels.tolist() == [[[30000]]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_grey_that_is_transparent_is_so_at_every_depth(tmp_path: Path, bits: int) -> None:
    """tRNS names a stored grey, 1 here."""
    row = np.packbits(np.array([[0, 1] * (8 // bits)], np.uint8).repeat(bits, axis=1) & _lowest(bits)).tobytes()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = (16 // bits).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([bits, 0, 0, 0, 0])
    parts = [chunk(b"IHDR", header), chunk(b"tRNS", b"\0\1"), chunk(b"IDAT", zlib.compress(b"\0" + row))]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    image = read_image(tmp_path / "a.png")
    assert image.alpha is not None
    assert image.alpha[0, :, 0].tolist() == [255, 0] * (8 // bits)
    assert image.pixels[0, :, 0].tolist() == [0, 255 // (2**bits - 1)] * (8 // bits)


def _lowest(bits: int) -> np.ndarray:
    """Of the bits of 16 / bits numbers, those that say 1: (1, 16)."""
    return np.array([[*[0] * (bits - 1), 1] * (16 // bits)], np.uint8)
