"""What a file says beside its pixels goes from file to file: density, EXIF, XMP, IPTC and text."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from srgan_kit.images import density, tiff
from srgan_kit.images.encode import write_image
from srgan_kit.images.formats import FORMATS
from srgan_kit.images.mark import read_mark, software_tag
from srgan_kit.images.metadata import Metadata
from srgan_kit.images.read import LoadedImage, pixels_limited, read_image

PIXELS = np.full((24, 40, 3), (90, 120, 150), np.uint8)
ARTIST = "Jürgen Groß".encode()
MAKER_NOTE = bytes(range(40))
THUMBNAIL = b"\xff\xd8 a small image \xff\xd9"
XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' xmlns:exif='http://ns.adobe.com/exif/1.0/' "
    b"xmlns:xmp='http://ns.adobe.com/xap/1.0/' tiff:Orientation='%d' xmp:Rating='4'>"
    b"<exif:PixelXDimension>%d</exif:PixelXDimension></rdf:Description></rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x50\x00\x07J\xc3\xbcrgen"
RESOURCES = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
SMALL_PICTURE = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 4) + b"thum"


def exif_block(order: str, turn: int, size: tuple[int, int], thumbnail: bytes = b"") -> bytes:
    """EXIF written by hand: orientation, artist in UTF-8, rating; dimensions, a maker's note; a second directory."""

    def directory(place: int, entries: list[tuple[int, int, bytes]], following: int = 0) -> bytes:
        head, tail = struct.pack(order + "H", len(entries)), b""
        outside = place + 2 + 12 * len(entries) + 4
        for tag, kind, value in entries:
            count = len(value) // {2: 1, 3: 2, 4: 4, 7: 1}[kind]
            inside = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", outside + len(tail))
            head += struct.pack(order + "HHI", tag, kind, count) + inside
            tail += value if len(value) > 4 else b""
        return head + struct.pack(order + "I", following) + tail

    def short(value: int) -> bytes:
        return struct.pack(order + "H", value)

    inner_entries = [(0x927C, 7, MAKER_NOTE), (0xA002, 3, short(size[0])), (0xA003, 3, short(size[1]))]

    def main(inner: int, following: int) -> bytes:
        pointer = struct.pack(order + "I", inner)
        return directory(
            8,
            [(0x0112, 3, short(turn)), (0x013B, 2, ARTIST + b"\0"), (0x4746, 3, short(5)), (0x8769, 4, pointer)],
            following,
        )

    inner = 8 + len(main(0, 0))
    second = inner + len(directory(inner, inner_entries))
    parts = [(b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)]
    parts += [main(inner, second if thumbnail else 0), directory(inner, inner_entries)]
    if thumbnail:
        length = struct.pack(order + "I", len(thumbnail))
        place = second + len(directory(second, [(0x0201, 4, bytes(4)), (0x0202, 4, length)]))
        parts += [directory(second, [(0x0201, 4, struct.pack(order + "I", place)), (0x0202, 4, length)]), thumbnail]
    return b"".join(parts)


def jpeg(path: Path, exif: bytes | None = None, **options: object) -> Path:
    Image.fromarray(PIXELS).save(path, "JPEG", **({"exif": b"Exif\0\0" + exif} if exif else {}), **options)
    return path


def stored_exif(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.info["exif"].removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif"])
def test_exif_stays_byte_for_byte_but_for_what_must_change(tmp_path: Path, suffix: str, order: str) -> None:
    source = exif_block(order, 6, (40, 24), THUMBNAIL)
    image = read_image(jpeg(tmp_path / "in.jpg", source))
    assert image.size == (24, 40)
    image.pixels = image.pixels.repeat(4, 0).repeat(4, 1)
    assert write_image(image, tmp_path / f"out.{suffix}") == []
    expected = bytearray(exif_block(order, 1, (96, 160), THUMBNAIL)[: -len(THUMBNAIL)])
    place = expected.find(struct.pack(order + "HHI", 0x8769, 4, 1)) + 12
    expected[place : place + 4] = bytes(4)  # no second directory
    assert stored_exif(tmp_path / f"out.{suffix}") == expected
    assert read_image(tmp_path / f"out.{suffix}").size == (96, 160)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_exif_of_a_tiff_is_the_same_directory(tmp_path: Path, order: str, dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (200, 99, 3)).astype(dtype)
    block = exif_block(order, 1, (99, 200))
    loaded = LoadedImage(pixels, metadata=Metadata(block), density=density.from_jfif(1, 300, 300))
    assert write_image(loaded, tmp_path / "a.tif") == []
    content = (tmp_path / "a.tif").read_bytes()
    assert content[8 : len(block)] == block[8:]  # no place in it is wrong, those of the maker's note neither
    with Image.open(tmp_path / "a.tif") as image:
        exif = image.getexif()
        assert exif[0x013B] == ARTIST.decode("latin-1")  # what Pillow makes of these bytes
        assert exif[0x4746] == 5
        assert exif.get_ifd(ExifTags.IFD.Exif)[0x927C] == MAKER_NOTE
        assert image.info["dpi"] == (300, 300)
    for reader in (read_image(tmp_path / "a.tif").pixels, pyvips.Image.new_from_file(str(tmp_path / "a.tif")).numpy()):
        assert np.array_equal(reader, pixels)
    back = read_image(tmp_path / "a.tif")
    write_image(back, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif()[0x013B] == ARTIST.decode("latin-1")
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[0x927C] == MAKER_NOTE


def test_a_directory_that_points_to_itself_is_followed_once(tmp_path: Path) -> None:
    write_image(LoadedImage(PIXELS, metadata=Metadata(exif_block("<", 1, (40, 24)))), tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    place = content.rindex(struct.pack("<HHI", 0x8769, 4, 1)) + 8
    content[place : place + 4] = content[4:8]
    (tmp_path / "a.tif").write_bytes(content)
    image = read_image(tmp_path / "a.tif")
    assert image.metadata.exif is not None
    assert image.metadata.exif.count(ARTIST) == 2  # in the main directory, and in what claims to be that of EXIF


def test_large_dimensions_become_long_numbers(tmp_path: Path) -> None:
    loaded = LoadedImage(np.zeros((1, 70000, 3), np.uint8), metadata=Metadata(exif_block(">", 1, (40, 24))))
    write_image(loaded, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[0xA002] == 70000


def test_no_exif_is_invented(tmp_path: Path) -> None:
    image = read_image(jpeg(tmp_path / "in.jpg", dpi=(300, 300)))
    for suffix in ("png", "jpg", "webp", "avif", "tif"):
        write_image(image, tmp_path / f"out.{suffix}")
        assert read_image(tmp_path / f"out.{suffix}").metadata == Metadata()
        assert b"Exif" not in (tmp_path / f"out.{suffix}").read_bytes()


@pytest.mark.parametrize("block", [b"II*\0", b"MM\0*\0\0\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"nothing at all"])
def test_damaged_exif_is_left_out_with_a_note(tmp_path: Path, block: bytes) -> None:
    image = read_image(jpeg(tmp_path / "in.jpg", block))
    assert image.metadata.exif is None
    assert image.notes[0].startswith("EXIF is damaged and not kept: ")
    assert image.size == (40, 24)


# --- XMP, IPTC, text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tif"])
def test_xmp_is_kept_and_tells_the_new_size(tmp_path: Path, suffix: str) -> None:
    jpeg(tmp_path / "in.jpg", xmp=XMP % (6, 40))
    loaded = read_image(tmp_path / "in.jpg")
    assert loaded.size == (24, 40)  # turned as XMP says, where EXIF says nothing
    assert write_image(loaded, tmp_path / f"out.{suffix}") == []
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.info["xmp"] == XMP % (1, 24)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tif", "bmp"])
def test_iptc_is_kept_where_it_can_be(tmp_path: Path, suffix: str) -> None:
    segment = b"Photoshop 3.0\0" + SMALL_PICTURE + RESOURCES
    jpeg(tmp_path / "in.jpg", extra=b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment)
    loaded = read_image(tmp_path / "in.jpg")
    notes = write_image(loaded, tmp_path / f"out.{suffix}")
    back = read_image(tmp_path / f"out.{suffix}").metadata.photoshop
    if suffix in ("png", "jpg", "tif"):
        assert (notes, back) == ([], RESOURCES)  # without the small image
    else:
        assert notes == [f"not kept, as {FORMATS['.' + suffix].name} has no place for it: IPTC"]
        assert back is None
    if suffix == "tif":
        with Image.open(tmp_path / "out.tif") as image:
            assert image.tag_v2[33723] == IPTC  # pyright: ignore[reportAttributeAccessIssue]


def with_texts(path: Path) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a red disc\nSteps: 20, Seed: 123")
    info.add_itxt("Title", "Größe ☀", "de", "Titel")
    info.add_text("Comment", "said aside", zip=True)
    Image.fromarray(PIXELS).save(path, pnginfo=info)
    return path


def chunks(path: Path) -> list[bytes]:
    content, place, found = path.read_bytes(), 8, []
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            found.append(content[place : place + length + 12])
        place += length + 12
    return found


def test_png_text_is_kept_byte_for_byte(tmp_path: Path) -> None:
    assert write_image(read_image(with_texts(tmp_path / "in.png")), tmp_path / "out.png") == []
    assert chunks(tmp_path / "out.png") == chunks(tmp_path / "in.png")
    assert len(chunks(tmp_path / "out.png")) == 3


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "tif", "bmp"])
def test_png_text_is_named_where_it_cannot_be_kept(tmp_path: Path, suffix: str) -> None:
    (note,) = write_image(read_image(with_texts(tmp_path / "in.png")), tmp_path / f"out.{suffix}")
    assert note.endswith("text (parameters, Title)" if suffix == "jpg" else "text (parameters, Title, Comment)")
    if suffix == "jpg":
        with Image.open(tmp_path / "out.jpg") as image:
            assert image.info["comment"] == b"said aside"


def test_a_comment_of_a_jpeg_goes_through_png(tmp_path: Path) -> None:
    jpeg(tmp_path / "in.jpg", comment="für Ä".encode())
    write_image(read_image(tmp_path / "in.jpg"), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Comment"] == "für Ä"
    write_image(read_image(tmp_path / "a.png"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["comment"] == "für Ä".encode()


def test_a_text_that_hides_exif_is_exif(tmp_path: Path) -> None:
    block = b"Exif\0\0" + exif_block("<", 6, (40, 24))
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    Image.fromarray(PIXELS).save(tmp_path / "in.png", pnginfo=info)
    image = read_image(tmp_path / "in.png")
    assert image.metadata.texts == ()
    assert image.size == (24, 40)
    write_image(image, tmp_path / "out.png")
    assert stored_exif(tmp_path / "out.png") == exif_block("<", 1, (24, 40))


def test_a_damaged_text_is_left_out_with_a_note(tmp_path: Path) -> None:
    texts = (("zTXt", b"Raw profile type iptc\0\0" + zlib.compress(b"\niptc\n 4\nno digits")), ("tEXt", b"Title\0T"))
    write_image(LoadedImage(PIXELS, metadata=Metadata(texts=texts)), tmp_path / "damaged.png")
    image = read_image(tmp_path / "damaged.png")
    assert image.metadata == Metadata(texts=(("tEXt", b"Title\0T"),))
    assert image.notes[0].startswith("Raw profile type iptc is damaged and not kept: ")


def test_what_is_too_large_for_a_jpeg_is_named(tmp_path: Path) -> None:
    image = LoadedImage(PIXELS, metadata=Metadata(xmp=b"<x:xmpmeta>" + b" " * 70000))
    assert write_image(image, tmp_path / "a.jpg") == ["not kept, as JPEG has no place for it: XMP"]
    assert write_image(image, tmp_path / "a.webp") == []
    for size in (65300, 65490, 65600):  # the mark takes some of the 65504 bytes
        image = LoadedImage(PIXELS, metadata=Metadata(xmp=b"<x:xmpmeta>" + b" " * (size - 11)))
        lost = write_image(image, tmp_path / "b.jpg", software=software_tag("tiny", "x4"))
        assert bool(lost) is (size > 65400)
        assert read_mark(tmp_path / "b.jpg") == "tiny, x4"


def test_a_bigtiff_has_all_but_exif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "LARGEST_CLASSIC", 100)
    pixels = np.random.default_rng(0).integers(0, 65536, (300, 700, 3)).astype(np.uint16)
    said = Metadata(exif_block(">", 1, (700, 300)), XMP % (1, 700), photoshop=RESOURCES)
    notes = write_image(LoadedImage(pixels, metadata=said), tmp_path / "a.tif")
    assert notes == ["not kept, as TIFF has no place for it: EXIF"]
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II\x2b\0"
    back = read_image(tmp_path / "a.tif")
    assert np.array_equal(back.pixels, pixels)
    assert (back.metadata.xmp, back.metadata.photoshop) == (said.xmp, RESOURCES)


def test_tags_of_a_tiff_that_are_not_read_are_named(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", tiffinfo={33550: (1.0, 1.0, 0.0), 270: "a field"})
    image = read_image(tmp_path / "a.tif")
    assert image.notes == ["not kept: what TIFF tags 33550 hold"]
    assert image.metadata.exif is not None
    assert b"a field" in image.metadata.exif


def test_metadata_and_profile_of_jpeg_2000_are_read(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "plain.jp2")
    content = (tmp_path / "plain.jp2").read_bytes()
    boxes = {b"JpgTiffExif->JP2": exif_block(">", 1, (40, 24)), bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC"): XMP}
    added = b"".join(struct.pack(">I4s", 24 + len(block), b"uuid") + name + block for name, block in boxes.items())
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colour, place = struct.pack(">I4s", 11 + len(icc), b"colr") + b"\2\0\0" + icc, content.index(b"colr") - 4
    header = content.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", content, header)
    content = (
        content[:header]
        + struct.pack(">I", length - 15 + len(colour))
        + content[header + 4 : place]
        + colour
        + content[place + 15 : header + length]
        + added
        + content[header + length :]
    )
    (tmp_path / "a.jp2").write_bytes(content)
    image = read_image(tmp_path / "a.jp2")
    assert np.array_equal(image.pixels, PIXELS)
    assert (image.metadata.exif, image.metadata.xmp) == (exif_block(">", 1, (40, 24)), XMP)
    assert image.icc == icc


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_long_text_or_profile_does_not_hide_the_picture(tmp_path: Path, kind: bytes) -> None:
    write_image(LoadedImage(np.full((8, 9, 3), 7, np.uint8)), tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    long = np.random.default_rng(0).bytes(3_000_000).hex().encode()  # Pillow's own limit is 1 MiB
    body = kind + b"name\0\0" + zlib.compress(long, 1)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "in.png").write_bytes(content[:33] + chunk + content[33:])
    before = PngImagePlugin.MAX_TEXT_CHUNK
    with pixels_limited():
        image = read_image(tmp_path / "in.png")
    assert before == PngImagePlugin.MAX_TEXT_CHUNK
    assert image.size == (9, 8)
    assert (image.metadata.texts == (("zTXt", body[4:]),)) == (kind == b"zTXt")
