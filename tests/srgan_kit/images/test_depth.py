"""Depth: more than 8 bits are kept where a format can hold them, and a refusal says what the file is."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images import avif
from srgan_kit.images.encode import write_image
from srgan_kit.images.read import LoadedImage, read_image

RANDOM = np.random.default_rng(0)


def scaled(values: np.ndarray, peak: int) -> np.ndarray:
    return np.floor(values * (65535 / peak) + 0.5).astype(np.uint16)


# --- PGM and PPM ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peak", [256, 1000, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("is_text", [True, False])
def test_pgm_and_ppm_keep_16_bits(tmp_path: Path, peak: int, channels: int, is_text: bool) -> None:
    values = RANDOM.integers(0, peak + 1, (5, 4, channels))
    values[0, 0] = peak
    kind = {(1, True): 2, (3, True): 3, (1, False): 5, (3, False): 6}[channels, is_text]
    body = " ".join(map(str, values.ravel())).encode() if is_text else values.astype(">u2").tobytes()
    (tmp_path / "a.ppm").write_bytes(b"P%d\n# a comment\n4 # width\n5\n%d\n" % (kind, peak) + body)
    pixels = read_image(tmp_path / "a.ppm").pixels
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels, scaled(values, peak))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"P6 2 2 65535\n" + bytes(23), "it ends after 11 of 12 values"),
        (b"P3 1 1 300 1 2 301", "a value of 301; expected at most 300"),
        (b"P3 1 1 300 1 2 three", "expected only whole numbers"),
        (b"P6 100000 100000 65535\n" + bytes(99), "may be a decompression bomb"),
        (b"PF\n2 2\n-1.0\n" + bytes(48), "pixels are floating-point numbers"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabc", "a PAM file"),
    ],
)
def test_damaged_and_odd_netpbm_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.ppm").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_image(tmp_path / "a.ppm")


# --- AVIF -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "channels"), [(10, 3), (12, 3), (12, 4)])
def test_avif_keeps_its_depth(tmp_path: Path, bits: int, channels: int) -> None:
    steps = np.linspace(0, 2**bits - 1, 32).round().astype(np.uint16)
    stored = np.broadcast_to(steps[None, :, None], (32, 32, channels)) << (16 - bits)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(stored), interpretation="rgb16")
    image.heifsave(str(tmp_path / "a.avif"), compression="av1", lossless=True, bitdepth=bits)
    loaded = read_image(tmp_path / "a.avif")
    assert (loaded.pixels.dtype, loaded.bits) == (np.uint16, bits)
    tolerance = 3 * 65535 / 2**bits  # its colours are YCbCr
    assert np.abs(loaded.pixels.astype(int) - scaled(steps, 2**bits - 1)[None, :, None]).max() <= tolerance
    assert loaded.pixels.max() == 65535  # white is white
    assert write_image(loaded, tmp_path / "b.avif", 100) == []
    assert avif.depth(tmp_path / "b.avif") == bits
    assert write_image(loaded, tmp_path / "b.png") == []
    assert write_image(loaded, tmp_path / "b.jpg")[0] == f"{bits} bits a channel are reduced to 8, as JPEG needs"


def test_16_bits_become_12_in_avif_with_a_note(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 3), 65535, np.uint16)
    pixels[16:] = 30000
    assert write_image(LoadedImage(pixels), tmp_path / "a.avif") == [
        "16 bits a channel are reduced to 12, as AVIF needs"
    ]
    back = read_image(tmp_path / "a.avif").pixels
    assert np.abs(back.astype(int) - pixels).max() < 65535 / 255 / 2


# --- JPEG 2000 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "channels"), [(16, 3), (12, 3), (12, 1), (16, 1)])
def test_jpeg_2000_keeps_16_bits(tmp_path: Path, bits: int, channels: int) -> None:
    utils = pytest.importorskip("openjpeg.utils")
    values = RANDOM.integers(0, 2**bits, (40, 48, channels)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    array = values[:, :, 0] if channels == 1 else values
    interpretation = 2 if channels == 1 else 1
    content = utils.encode_array(array, bits_stored=bits, photometric_interpretation=interpretation, codec_format=1)
    (tmp_path / "a.jp2").write_bytes(content)
    assert np.array_equal(read_image(tmp_path / "a.jp2").pixels, scaled(values, 2**bits - 1))


def test_deep_jpeg_2000_without_its_decoder_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    utils = pytest.importorskip("openjpeg.utils")
    values = RANDOM.integers(0, 65536, (40, 48, 3)).astype(np.uint16)
    (tmp_path / "a.jp2").write_bytes(utils.encode_array(values, photometric_interpretation=1, codec_format=1))
    monkeypatch.setitem(sys.modules, "openjpeg", None)
    with pytest.raises(UserError, match=r"a JPEG 2000 file of 16 bits a channel; .* install srgan-kit\[jp2\]"):
        read_image(tmp_path / "a.jp2")


# --- TIFF, JPEG, Photoshop ------------------------------------------------------------------------------------------


def tiff(path: Path, pixels: np.ndarray, **options: object) -> None:
    tifffile.imwrite(path, pixels, **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.ones((4, 4), np.float16), {}, "pixels are floating-point numbers"),
        (np.ones((4, 4, 3), np.float32), {"photometric": "rgb"}, "pixels are floating-point numbers"),
        (np.ones((4, 4), np.float64), {}, "pixels are floating-point numbers"),
        (np.ones((4, 4), np.complex64), {}, "pixels are complex numbers"),
        (np.full((4, 4), 2**32 - 1, np.uint32), {}, "unsigned 32-bit numbers from 4294967295 to 4294967295"),
        (np.full((4, 4, 3), 70000, np.uint32), {"photometric": "rgb"}, "unsigned 32-bit numbers from 70000 to 70000"),
        (np.full((4, 4), -3, np.int16), {}, "signed 16-bit numbers from -3 to -3; expected 0 to 65535"),
        (np.full((4, 4), -3, np.int8), {}, "signed 8-bit numbers from -3 to -3; expected 0 to 255"),
        (np.ones((4, 4, 3), np.uint8), {"photometric": "icclab"}, "ICC or ITU Lab"),
        (np.ones((4, 4), np.uint16), {"photometric": "cfa"}, "colours of kind 32803"),
        (np.ones((4, 4, 5), np.uint8), {"photometric": "rgb", "planarconfig": "contig"}, "5 channels"),
        (np.ones((4, 4, 5), np.uint16), {"photometric": "rgb", "planarconfig": "contig"}, "5 channels"),
        (np.ones((4, 4, 5), np.uint16), {"photometric": "separated", "planarconfig": "contig"}, "5 channels"),
        (np.ones((4, 4, 5), np.uint8), {"photometric": "separated", "planarconfig": "contig"}, "5 channels"),
        (np.ones((4, 4, 6), np.uint16), {"photometric": "minisblack", "planarconfig": "contig"}, "6 channels"),
    ],
)
def test_a_refused_tiff_is_called_what_it_is(
    tmp_path: Path, pixels: np.ndarray, options: dict[str, object], reason: str
) -> None:
    tiff(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(UserError, match=reason):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_numbers_that_16_bits_hold_are_read_whatever_their_type(tmp_path: Path, dtype: type) -> None:
    pixels = RANDOM.integers(0, 32768, (5, 4, 3)).astype(dtype)
    tiff(tmp_path / "a.tif", pixels, photometric="rgb")
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_channel_that_is_not_opacity_is_left_out_with_a_note(tmp_path: Path, dtype: type) -> None:
    pixels = RANDOM.integers(0, 256, (5, 4, 4)).astype(dtype)
    tiff(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unspecified"])
    image = read_image(tmp_path / "a.tif")
    assert image.alpha is None
    assert np.array_equal(image.pixels, pixels[:, :, :3])
    assert "does not call opacity" in image.notes[0]


def test_lab_is_the_same_in_8_and_16_bits(tmp_path: Path) -> None:
    tiff(tmp_path / "8.tif", np.full((4, 4, 3), (128, 10, 20), np.uint8), photometric="cielab")
    tiff(tmp_path / "16.tif", np.full((4, 4, 3), (32896, 2560, 5120), np.uint16), photometric="cielab")
    low, high = (read_image(tmp_path / f"{bits}.tif").pixels for bits in (8, 16))
    assert (low.dtype, high.dtype) == (np.uint8, np.uint16)
    assert np.abs(high / 257 - low).max() <= 0.5


def test_a_tiff_compressed_as_webp_is_read(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(np.full((16, 16, 3), 77, np.uint8), interpretation="srgb")
    image.tiffsave(str(tmp_path / "a.tif"), compression="webp", lossless=True)
    assert (read_image(tmp_path / "a.tif").pixels == 77).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_turned_tiff_is_turned_once(tmp_path: Path, dtype: type, orientation: int) -> None:
    pixels = RANDOM.integers(0, 256, (5, 4)).astype(dtype)
    tiff(tmp_path / "a.tif", pixels, extratags=[(274, "H", 1, orientation, True)])
    turned = {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1]}
    turned |= {5: pixels.T, 6: pixels[::-1].T, 7: pixels[::-1, ::-1].T, 8: pixels[:, ::-1].T}
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels[:, :, 0], turned[orientation])


@pytest.mark.parametrize(
    ("marker", "bits", "reason"), [(0xC1, 12, "a JPEG of 12 bits a channel; expected 8"), (0xC3, 8, "a lossless JPEG")]
)
def test_a_jpeg_of_another_kind_is_called_what_it_is(tmp_path: Path, marker: int, bits: int, reason: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    place = content.find(b"\xff\xc0\0\x11")
    content[place + 1], content[place + 4] = marker, bits
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("channels", "bits", "mode", "reason"),
    [(3, 16, 3, "16 bits a channel, RGB, 3 channels"), (1, 32, 1, "32 bits a channel, grey, 1 channels")],
)
def test_a_deep_photoshop_file_is_called_what_it_is(
    tmp_path: Path, channels: int, bits: int, mode: int, reason: str
) -> None:
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, 4, 4, bits, mode) + bytes(12) + b"\0\0"
    (tmp_path / "a.psd").write_bytes(head + bytes(channels * bits * 2))
    with pytest.raises(UserError, match=f"a Photoshop file of {reason}"):
        read_image(tmp_path / "a.psd")
