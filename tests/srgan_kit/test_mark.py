"""The mark by which results are known again: in every format that has room for it, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import FORMATS, missing_extra
from srgan_kit.images.mark import ENDS, marked, read_mark, software_tag
from srgan_kit.images.metadata import Metadata
from srgan_kit.images.read import Picture, read_image

NOISE = np.random.default_rng(0).integers(0, 256, (700, 800, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("with_exif", [False, True])
def test_every_format_but_bmp_keeps_the_mark(tmp_path: Path, suffix: str, with_exif: bool) -> None:
    if missing_extra(FORMATS[suffix]):
        pytest.skip("the extra is not installed")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    block = exif.tobytes().removeprefix(b"Exif\0\0") if with_exif else None
    picture = Picture(NOISE, metadata=Metadata(block))
    path = tmp_path / f"renamed{suffix}"
    write_image(picture, path, software=software_tag("my model", "x2.5"))
    assert path.stat().st_size > 2 * ENDS  # found at either end of a file that is not read whole
    assert read_mark(path) == (None if suffix == ".bmp" else "my_model, x2.5")
    assert read_image(path).size == (800, 700)
    write_image(picture, path)
    assert read_mark(path) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_other_programs_read_the_software_tag(tmp_path: Path, suffix: str, dtype: type) -> None:
    write_image(Picture(NOISE.astype(dtype)), tmp_path / f"a{suffix}", software=software_tag("x4-photo", "x4"))
    with Image.open(tmp_path / f"a{suffix}") as image:
        packet = image.tag_v2[700] if suffix == ".tif" else image.info["xmp"]  # pyright: ignore[reportAttributeAccessIssue]
    assert b'tiff:Software="srgan-kit ' in packet
    assert b"(x4-photo, x4)" in packet


def test_a_packet_changes_in_its_software_alone() -> None:
    before, after = b'<x:xmpmeta><rdf:RDF><rdf:Description xmp:Rating="5"/>', b"</rdf:RDF></x:xmpmeta>"
    first = marked(before + after, software_tag("a", "x2"))
    second = marked(first, software_tag("b", "x4"))
    for packet, model in ((first, b"(a, x2)"), (second, b"(b, x4)")):
        assert packet.startswith(before)
        assert packet.endswith(after)
        assert packet.count(b"srgan-kit") == packet.count(model) == 1
    other = b'<rdf:RDF><rdf:Description tiff:Software="Editor 9" xmp:Rating="5"/></rdf:RDF>'
    packet = marked(other, software_tag("a", "x2"))
    assert packet.count(b"tiff:Software") == 1
    assert b'<rdf:Description xmp:Rating="5"/>' in packet
    assert marked(b"\xff\xfe broken", software_tag("a", "x2")) == b"\xff\xfe broken"


def test_files_of_others_have_no_mark(tmp_path: Path) -> None:
    for content in (b"", b"srgan-kit is a program", b"(x4-fidelity, x4)", b"x" * (2 * ENDS)):
        (tmp_path / "a.png").write_bytes(content)
        assert read_mark(tmp_path / "a.png") is None
    with pytest.raises(FileNotFoundError):
        read_mark(tmp_path / "missing")
