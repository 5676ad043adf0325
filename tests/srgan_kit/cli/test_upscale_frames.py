"""`srgan-kit upscale` on animations and documents of several pages."""

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from upscale_command import run, save_tiny_model

from srgan_kit.images.frames import open_frames
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling.upscaler import Upscaler

COLOURS = ((220, 40, 40), (40, 200, 60), (50, 70, 230))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def pictures() -> list[Image.Image]:
    images = [Image.new("RGBA", (12, 9)) for _ in COLOURS]
    for number, (image, colour) in enumerate(zip(images, COLOURS, strict=True)):
        image.paste((*colour, 255), (number, number, number + 6, number + 5))
    return images


def make_gif(path: Path, loop: int = 2) -> Path:
    first, *rest = pictures()
    first.save(path, save_all=True, append_images=rest, duration=[50, 120, 70], loop=loop, disposal=2)
    return path


def test_an_animation_keeps_its_format_timing_and_transparency(tmp_path: Path, weights: str) -> None:
    make_gif(tmp_path / "a.gif")
    done = run(tmp_path, "a.gif", "-m", weights)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a.gif -> a_x4.gif (48x36, ")
    with open_frames(tmp_path / "a_x4.gif") as frames:
        images = list(frames.images)
    assert (frames.kind, frames.plays, len(images)) == ("animation", 3, 3)
    assert [image.seconds for image in images] == [Fraction(5, 100), Fraction(12, 100), Fraction(7, 100)]
    for number, image in enumerate(images):
        assert image.alpha is not None
        middle = 4 * (number + 2) + 2
        assert [image.alpha[middle, middle, 0], image.alpha[-1, -1, 0], image.alpha[-1, 0, 0]] == [255, 0, 0]


def test_every_frame_is_what_it_would_be_alone(tmp_path: Path, weights: str) -> None:
    make_gif(tmp_path / "a.gif")
    assert run(tmp_path, "a.gif", "-m", weights, "--format", "png").returncode == 0
    with open_frames(tmp_path / "a.gif") as frames:
        alone = [Upscaler(load_model(weights)).upscale(image) for image in frames.images]
    with open_frames(tmp_path / "a_x4.png") as frames:
        for image, expected in zip(frames.images, alone, strict=True):
            assert np.array_equal(image.pixels, expected.pixels)
            assert image.alpha is not None
            assert expected.alpha is not None
            assert np.array_equal(image.alpha, expected.alpha)


def test_pages_of_different_sizes(tmp_path: Path, weights: str) -> None:
    with tifffile.TiffWriter(tmp_path / "scan.tif") as writer:
        writer.write(np.full((5, 8), 90, np.uint8))
        writer.write(np.full((7, 4, 3), 9000, np.uint16), photometric="rgb")
    done = run(tmp_path, "scan.tif", "-m", weights, "-o", "out/")
    assert (done.returncode, done.stderr) == (0, "")
    pages = tifffile.TiffFile(tmp_path / "out" / "scan_x4.tif").pages
    assert [(page.shape, page.dtype) for page in pages] == [((20, 32), np.uint8), ((28, 16, 3), np.uint16)]


def test_a_later_page_may_be_too_large(tmp_path: Path, weights: str) -> None:
    with tifffile.TiffWriter(tmp_path / "scan.tif") as writer:
        writer.write(np.full((5, 8), 90, np.uint8))
        writer.write(np.full((15, 8), 90, np.uint8))
    done = run(tmp_path, "scan.tif", "-m", weights, "--max-result-pixels", "1000")
    assert done.returncode == 1
    assert done.stderr.startswith("error: scan.tif: the result would have 1920 pixels, more than 1000")
    assert not (tmp_path / "scan_x4.tif").exists()


def test_one_frame_for_a_format_of_one(tmp_path: Path, weights: str) -> None:
    make_gif(tmp_path / "a.gif")
    done = run(tmp_path, "a.gif", "-m", weights, "--format", "jpg", "-s", "2")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == (
        "note: a.gif: only the first of 3 frames is written, as JPEG has one; png, webp, gif, tif, avif hold all"
    )
    with Image.open(tmp_path / "a_x2.jpg") as image:
        assert image.size == (24, 18)


def test_a_result_is_no_input_again(tmp_path: Path, weights: str) -> None:
    make_gif(tmp_path / "a.gif")
    assert run(tmp_path, ".", "-m", weights).returncode == 0
    done = run(tmp_path, ".", "-m", weights, "--skip-existing")
    assert "a_x4.gif: skipped, a result of an earlier run (tiny, x4)" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a_x4.gif"]


def test_from_standard_input_to_standard_output(tmp_path: Path, weights: str) -> None:
    data = make_gif(tmp_path / "a.gif").read_bytes()
    command = [sys.executable, "-m", "srgan_kit", "upscale", "-", "-m", weights]
    for more, expected in (((), "GIF"), (("--format", "png"), "PNG")):
        done = subprocess.run([*command, *more], cwd=tmp_path, input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        with Image.open(io.BytesIO(done.stdout)) as image:
            assert (image.format, getattr(image, "n_frames", 1), image.size) == (expected, 3, (48, 36))


def test_a_damaged_frame_fails_that_file_alone(tmp_path: Path, weights: str) -> None:
    first, *rest = pictures()
    first.save(tmp_path / "a.png", save_all=True, append_images=rest)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: whole.rindex(b"fdAT") + 20])
    make_gif(tmp_path / "b.gif")
    done = run(tmp_path, "a.png", "b.gif", "-m", weights)
    assert done.returncode == 1
    assert done.stderr.startswith("error: a.png: frame 3 of 3: cannot be read: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.gif", "b_x4.gif"]
