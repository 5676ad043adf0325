"""The mark by which results are known again: in every format that has room for it, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.images.encode import write_image
from srgan_kit.images.exif import pack
from srgan_kit.images.formats import FORMATS, missing_extra
from srgan_kit.images.mark import ENDS, marked, read_mark, software_tag
from srgan_kit.images.metadata import Metadata, with_iptc
from srgan_kit.images.read import LoadedImage, read_image

NOISE = np.random.default_rng(0).integers(0, 256, (700, 800, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("with_exif", [False, True])
def test_every_format_but_bmp_keeps_the_mark(tmp_path: Path, suffix: str, with_exif: bool) -> None:
    if missing_extra(FORMATS[suffix]):
        pytest.skip("the extra is not installed")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    block = exif.tobytes().removeprefix(b"Exif\0\0") if with_exif else None
    pixels = NOISE // 64 * 64 if suffix == ".gif" else NOISE  # of fewer colours GIF's palette is found sooner
    image = LoadedImage(pixels, metadata=Metadata(block))
    path = tmp_path / f"renamed{suffix}"
    write_image(image, path, software=software_tag("my model", "x2.5"))
    assert path.stat().st_size > 2 * ENDS  # found at either end of a file that is not read whole
    assert read_mark(path) == (None if suffix == ".bmp" else "my_model, x2.5")
    assert read_image(path).size == (800, 700)
    write_image(image, path)
    assert read_mark(path) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_other_programs_read_the_software_tag(tmp_path: Path, suffix: str, dtype: type) -> None:
    write_image(LoadedImage(NOISE.astype(dtype)), tmp_path / f"a{suffix}", software=software_tag("x4-photo", "x4"))
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
    comment = f"<!-- {software_tag('b', 'x4')} -->".encode()
    assert marked(marked(b"\xff broken", software_tag("a", "x2")), software_tag("b", "x4")) == b"\xff broken" + comment


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_packets_of_wide_letters_become_utf_8(encoding: str) -> None:
    text = '<x:xmpmeta><rdf:RDF><rdf:Description dc:title="Käse"/></rdf:RDF></x:xmpmeta>'
    packet = marked(text.encode(encoding), software_tag("a", "x2"))
    assert packet == marked(text.encode(), software_tag("a", "x2"))
    assert "Käse" in packet.decode()


def test_the_mark_may_come_first() -> None:
    packet = marked(b'<rdf:RDF xmlns:rdf="a"><rdf:Description/></rdf:RDF>', software_tag("a", "x2"), first=True)
    assert packet.startswith(b'<rdf:RDF xmlns:rdf="a"><rdf:Description rdf:about="" xmlns:tiff=')
    assert packet.endswith(b'"/><rdf:Description/></rdf:RDF>')


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_long_metadata_does_not_hide_the_mark(tmp_path: Path, suffix: str) -> None:
    letters = b"a" * (2 * ENDS)
    xmp = b'<x:xmpmeta><rdf:RDF><rdf:Description dc:title="%b"/></rdf:RDF></x:xmpmeta>' % letters
    exif = pack("<", [(0x010E, 2, len(letters), letters)])
    photoshop = with_iptc(letters)
    for said in (Metadata(exif), Metadata(exif, xmp), Metadata(exif, photoshop=photoshop)):
        path = tmp_path / f"a{suffix}"
        write_image(LoadedImage(NOISE, metadata=said), path, software=software_tag("a", "x2"))
        assert read_mark(path) == "a, x2"
        found = read_image(path).metadata
        assert found.exif == exif
        if said.xmp is not None:
            assert found.xmp is not None
            assert letters in found.xmp


def test_files_of_others_have_no_mark(tmp_path: Path) -> None:
    for content in (b"", b"srgan-kit is a program", b"(x4-fidelity, x4)", b"x" * (2 * ENDS)):
        (tmp_path / "a.png").write_bytes(content)
        assert read_mark(tmp_path / "a.png") is None
    with pytest.raises(FileNotFoundError):
        read_mark(tmp_path / "missing")
