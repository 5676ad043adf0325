"""Animations and documents of several pages, whole: read frame by frame, written as they come."""

import io
import struct
import weakref
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from srgan_kit.errors import UserError
from srgan_kit.images.encode import write_frames
from srgan_kit.images.frames import Frames, frames_format, open_frames
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.mark import read_mark
from srgan_kit.images.metadata import Metadata
from srgan_kit.images.png import read_chunks

SOFTWARE = "srgan-kit 0.1.0 (tiny, x4)"


def frame(number: int, *, has_alpha: bool = False, seconds: Fraction | None = None) -> LoadedImage:
    """A gradient that moves; its corner is transparent, more of it with each frame."""
    rows, columns = np.mgrid[0:20, 0:32]
    pixels = np.stack([rows * 8 + number * 5, columns * 6, 255 - rows * 4 - columns], axis=2).astype(np.uint8)
    alpha = np.full((20, 32, 1), 255, np.uint8) if has_alpha else None
    if alpha is not None:
        alpha[: 5 + number, :8] = 0
    return LoadedImage(pixels, alpha, seconds=Fraction(number + 1, 30) if seconds is None else seconds)


def animation(count: int = 4, plays: int = 0, *, has_alpha: bool = False) -> Frames:
    images = (frame(number, has_alpha=has_alpha) for number in range(count))
    return Frames("animation", count, images, plays)


def read_all(path: Path) -> tuple[Frames, list[LoadedImage]]:
    with open_frames(path) as frames:
        return frames, list(frames.images)


@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize(("suffix", "most", "unit"), [(".png", 0, 0), (".gif", 12, 100), (".webp", 14, 1000)])
def test_an_animation_round_trips(tmp_path: Path, suffix: str, most: int, unit: int, has_alpha: bool) -> None:
    for plays in (0, 1, 3):
        file = tmp_path / f"{plays}{suffix}"
        write_frames(animation(plays=plays, has_alpha=has_alpha), file, 90, SOFTWARE)
        back, images = read_all(file)
        assert (back.kind, back.count, back.plays, len(images)) == ("animation", 4, plays, 4)
        for number, image in enumerate(images):
            expected = frame(number, has_alpha=has_alpha)
            seen = slice(16, None) if has_alpha else slice(None)  # not what is hidden, and what bleeds from it
            off = np.abs(image.pixels.astype(int) - expected.pixels)[:, seen]
            assert off.max() <= most
            if expected.alpha is None:
                assert image.alpha is None
            else:
                assert np.array_equal(image.alpha, expected.alpha)  # pyright: ignore[reportArgumentType]
        starts = np.cumsum([float(image.seconds or 0) for image in images])
        right = np.cumsum([(number + 1) / 30 for number in range(4)])
        assert np.abs(starts - right).max() <= (0.5 / unit + 1e-9 if unit else 0)
        assert read_mark(file) == "tiny, x4"
        assert frames_format(file) == suffix


def test_an_avif_sequence_round_trips_but_for_its_end(tmp_path: Path) -> None:
    assert write_frames(animation(plays=2, has_alpha=True), tmp_path / "a.avif", 95) == [
        "that it ends is not kept: the encoder of AVIF's animations cannot say it"
    ]
    back, images = read_all(tmp_path / "a.avif")
    assert (back.kind, back.count, [round(1000 * (i.seconds or 0)) for i in images]) == (
        "animation",
        4,
        [33, 67, 100, 133],
    )
    assert max(np.abs(i.pixels.astype(int) - frame(n).pixels).max() for n, i in enumerate(images)) <= 8


def test_png_is_right_by_its_specification(tmp_path: Path) -> None:
    """Sequence numbers, and the rectangle of the change: told by the chunks themselves."""
    first, second = frame(0), frame(0)
    second.pixels = first.pixels.copy()
    second.pixels[3:7, 10:15] = 9
    third = replace(second, seconds=Fraction(100))
    frames = Frames("animation", 3, iter([first, second, third]), 5)
    write_frames(frames, tmp_path / "a.png")
    chunks = dict(read_chunks(tmp_path / "a.png"))
    assert struct.unpack(">II", chunks["acTL"]) == (3, 5)
    controls = [struct.unpack(">IIIIIHHBB", c) for name, c in read_chunks(tmp_path / "a.png") if name == "fcTL"]
    assert [control[1:5] for control in controls] == [(32, 20, 0, 0), (5, 4, 10, 3), (1, 1, 0, 0)]
    assert [control[0] for control in controls] == [0, 1, 3]  # between them fdAT takes a number each
    assert [control[5:] for control in controls] == [(1, 30, 0, 0), (1, 30, 0, 0), (100, 1, 0, 0)]


def test_frames_of_16_bits_are_written(tmp_path: Path) -> None:
    wide = [replace(frame(n), pixels=frame(n).pixels.astype(np.uint16) * 257) for n in range(2)]
    write_frames(Frames("animation", 2, iter(wide)), tmp_path / "a.png")
    _, images = read_all(tmp_path / "a.png")
    assert images[0].notes == ["16 bits a channel are read as 8, as in every animation"]
    assert np.array_equal(images[1].pixels, frame(1).pixels)


# --- what other programs make ---------------------------------------------------------------------------------------


def dots(number: int) -> Image.Image:
    image = Image.new("RGBA", (12, 10))
    image.paste((200, 10 * number, 30, 255), (number, number, number + 4, number + 3))
    return image


@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_disposal_of_gif_is_that_of_libvips(tmp_path: Path, disposal: int) -> None:
    file = tmp_path / "a.gif"
    dots(0).save(file, save_all=True, append_images=[dots(n) for n in range(1, 5)], disposal=disposal, duration=70)
    tall = pyvips.Image.new_from_file(str(file), n=-1).numpy().reshape(5, 10, 12, 4)
    _, images = read_all(file)
    for image, expected in zip(images, tall, strict=True):
        assert image.alpha is not None
        assert np.array_equal(image.alpha, expected[..., 3:])
        assert np.array_equal(image.pixels * (image.alpha > 0), expected[..., :3] * (expected[..., 3:] > 0))
        assert image.seconds == Fraction(7, 100)


def test_what_frames_of_png_are_laid_over_and_what_is_left_of_them(tmp_path: Path) -> None:
    """As FFmpeg shows them."""
    av = pytest.importorskip("av")
    file = tmp_path / "a.png"
    more = [dots(number) for number in (4, 7, 2, 5)]
    dots(0).save(file, save_all=True, append_images=more, disposal=[0, 1, 2, 0, 0], blend=[0, 1, 1, 0, 1])
    with av.open(str(file), format="apng") as container:
        expected = [each.to_ndarray(format="rgba") for each in container.decode(video=0)]
    _, images = read_all(file)
    assert len({each.tobytes() for each in expected}) == 5
    for image, right in zip(images, expected, strict=True):
        assert image.alpha is not None
        assert np.array_equal(image.alpha, right[..., 3:])
        assert np.array_equal(image.pixels * (image.alpha > 0), right[..., :3] * (right[..., 3:] > 0))


def test_a_still_for_old_programs_is_no_frame(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    still = Image.new("RGB", (8, 6), "white")
    others = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime")]
    still.save(file, save_all=True, append_images=others, default_image=True, duration=40)
    back, images = read_all(file)
    assert (back.count, [tuple(image.pixels[0, 0].tolist()) for image in images]) == (2, [(255, 0, 0), (0, 255, 0)])


def test_grey_stays_grey_and_metadata_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    grey = [Image.fromarray(frame(n).pixels[:, :, 0].copy()) for n in range(2)]
    grey[0].save(file, save_all=True, append_images=grey[1:], dpi=(300, 300))
    _, images = read_all(file)
    assert images[1].pixels.shape == (20, 32, 1)
    assert str(images[0].density) == "118.11 pixels per cm"


def test_comment_and_xmp_go_into_gif(tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    text = ("tEXt", b"Comment\0" + b"as it was" * 40)
    frames = [replace(frame(n), metadata=Metadata(texts=(text,)), format="GIF") for n in range(2)]
    assert write_frames(Frames("animation", 2, iter(frames)), file, software=SOFTWARE) == []
    with Image.open(file) as image:
        assert image.info["comment"] == b"as it was" * 40
        assert getattr(image, "n_frames", 1) == 2
    read = pyvips.Image.new_from_file(str(file), n=-1)
    assert read.get("n-pages") == 2
    assert b"XMP DataXMP<?xpacket" in file.read_bytes()
    assert read_mark(file) == "tiny, x4"


# --- pages ----------------------------------------------------------------------------------------------------------


def test_pages_of_every_size_and_depth(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    grey, colour = np.arange(48, dtype=np.uint8).reshape(6, 8), frame(1).pixels
    wide = colour.astype(np.uint16) * 200
    with tifffile.TiffWriter(file) as writer:
        writer.write(grey, description="first")
        writer.write(grey[::2, ::2], subfiletype=1)
        writer.write(wide, photometric="rgb", description="last")
    back, images = read_all(file)
    assert (back.kind, back.count, frames_format(file)) == ("pages", 2, ".tif")
    assert np.array_equal(images[0].pixels[:, :, 0], grey)
    assert np.array_equal(images[1].pixels, wide)

    assert write_frames(Frames("pages", 2, iter(images)), tmp_path / "b.tif", software=SOFTWARE) == []
    with tifffile.TiffFile(tmp_path / "b.tif") as written:
        assert [page.asarray().shape for page in written.pages] == [(6, 8), (20, 32, 3)]
        assert np.array_equal(written.pages[1].asarray(), wide)
        assert [page.tags["ImageDescription"].value for page in written.pages] == ["first", "last"]  # pyright: ignore
    assert read_mark(tmp_path / "b.tif") == "tiny, x4"


def test_a_chain_of_pages_that_bites_its_tail_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, np.zeros((2, 5, 5), np.uint8), photometric="minisblack")
    data = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as tiff:
        places = [page.offset for page in tiff.pages]
    (entries,) = struct.unpack_from("<H", data, places[1])
    struct.pack_into("<I", data, places[1] + 2 + 12 * entries, places[0])
    file.write_bytes(data)
    assert len(read_all(file)[1]) == 2


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    with tifffile.TiffWriter(file) as writer:
        writer.write(frame(0).pixels, photometric="rgb")
        writer.write(np.zeros((4, 4), np.float32))
    with pytest.raises(UserError, match="floating-point"):
        read_all(file)


# --- what a format does not hold, and how much is in memory ---------------------------------------------------------


def test_a_format_of_one_image_gets_the_first_and_says_so(tmp_path: Path) -> None:
    assert write_frames(animation(), tmp_path / "a.jpg") == [
        "only the first of 4 frames is written, as JPEG has one; png, webp, gif, tif, avif hold all"
    ]
    pages = Frames("pages", 2, iter([frame(0), frame(1)]))
    assert write_frames(pages, tmp_path / "a.png") == [
        "only the first of 2 pages is written, as PNG has one; tif holds all"
    ]
    assert frames_format(tmp_path / "a.png") is None
    assert write_frames(animation(), tmp_path / "a.tif") == [
        "frames become pages, without timing, which TIFF does not have"
    ]


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp", ".avif", ".tif"])
def test_only_few_frames_are_in_memory(tmp_path: Path, suffix: str) -> None:
    alive: list[weakref.ref[LoadedImage]] = []
    most = 0

    def counted() -> Iterator[LoadedImage]:
        nonlocal most
        for number in range(12):
            each = LoadedImage(frame(number).pixels, seconds=Fraction(1, 10))
            alive.append(weakref.ref(each))
            most = max(most, sum(reference() is not None for reference in alive))
            yield each
            del each

    write_frames(Frames("animation", 12, counted()), tmp_path / f"a{suffix}")
    assert 1 <= most <= 4


def test_an_error_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[LoadedImage]:
        yield frame(0)
        raise UserError("frame 2 is damaged")

    for suffix in (".png", ".gif", ".tif"):
        with pytest.raises(UserError, match="frame 2 is damaged"):
            write_frames(Frames("animation", 2, broken()), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_cut_off_is_an_error_that_says_where(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    write_frames(animation(), file)
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.rindex(b"fdAT") + 40])
    with pytest.raises(UserError, match=r"a\.png: frame 4 of 4: cannot be read"):
        read_all(file)
    assert Image.open(io.BytesIO(whole)).format == "PNG"
