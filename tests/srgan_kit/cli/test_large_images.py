"""`srgan-kit upscale` with results that are never whole in memory: the same files as otherwise, or none."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from srgan_kit.cli import upscaling_steps
from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.images import regions
from srgan_kit.images.density import INCH, Density
from srgan_kit.images.encode import write_image
from srgan_kit.images.image import LoadedImage
from srgan_kit.images.metadata import Metadata
from srgan_kit.images.read import read_image
from srgan_kit.images.rows import PassingRows
from srgan_kit.models.super_resolution import save_model

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    config = ResidualSRConfig(scale=2, channels=4, groups=1, convolutions=1)
    network = config.build()
    nn.init.normal_(network.tail.weight, std=0.05)
    save_model(network, config, path, {"border": "4"})
    return path


@pytest.fixture
def _in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every result is computed while it is written, and every input decoded by rows, a few at a time."""
    monkeypatch.setattr(upscaling_steps, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(upscaling_steps, "LARGEST_DECODED", 0)
    monkeypatch.setattr(regions, "ROWS_AT_ONCE", 5)


def picture(dtype: str = "uint8", channels: int = 3, side: int = 90) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, np.iinfo(dtype).max, (side, side + 20, channels), dtype, endpoint=True)


DENSITY = Density(Fraction(300), Fraction(300), INCH)
INPUTS = {
    "rgb.png": LoadedImage(picture(), density=DENSITY, metadata=Metadata(xmp=b"<x:xmpmeta/>")),
    "grey.png": LoadedImage(picture(channels=1)),
    "deep.png": LoadedImage(picture("uint16")),
    "clear.png": LoadedImage(picture(), picture(channels=1) // 64 * 85),
    "photo.jpg": LoadedImage(picture()),
    "grey.jpg": LoadedImage(picture(channels=1)),
    "rgb.tif": LoadedImage(picture()),
    "deep.tif": LoadedImage(picture("uint16", 1)),
    "clear.tif": LoadedImage(picture(), picture(channels=1)),
    "lossy.webp": LoadedImage(picture()),
}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name, image in INPUTS.items():
        write_image(image, tmp_path / "in" / name)
    Image.fromarray(picture()).convert("P").save(tmp_path / "in" / "palette.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture()).save(tmp_path / "in" / "turned.jpg", exif=turned)
    Image.fromarray(picture()).save(tmp_path / "in" / "progressive.jpg", progressive=True, quality=80)
    return tmp_path


@pytest.mark.parametrize("options", [(), ("-s", "2.7", "--format", "tif"), ("-s", "1.3"), ("--strip-metadata",)])
def test_the_files_are_those_of_images_in_memory(
    inputs: Path, weights: Path, command: Command, options: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    arguments = ["upscale", inputs / "in", "-m", weights, "--tile", "32", "--precision", "fp32", *options, "-o"]
    assert command(*arguments, inputs / "whole")[::2] == (0, "")
    request.getfixturevalue("_in_parts")
    assert command(*arguments, inputs / "parts")[::2] == (0, "")
    whole, parts = ({path.name: path.read_bytes() for path in (inputs / name).iterdir()} for name in ("whole", "parts"))
    assert len(parts) == len(INPUTS) + 3
    assert {name for name in whole if whole[name] != parts.get(name)} == set()


@pytest.mark.parametrize("name", ["rgb.png", "deep.png", "photo.jpg", "grey.jpg", "rgb.tif", "deep.tif"])
def test_rows_are_decoded_as_the_whole_is(inputs: Path, name: str) -> None:
    whole, rows = read_image(inputs / "in" / name), read_image(inputs / "in" / name, rows_from=1)
    assert isinstance(rows.pixels, PassingRows)
    assert rows.pixels.dtype == whole.pixels.dtype
    assert np.array_equal(rows.pixels[0:90], whole.pixels)
    assert np.array_equal(rows.pixels[40:70], whole.pixels[40:70])
    assert (rows.density, rows.metadata, rows.size) == (whole.density, whole.metadata, whole.size)


@pytest.mark.parametrize("name", ["clear.png", "turned.jpg", "palette.png", "lossy.webp", "clear.tif"])
def test_what_cannot_be_decoded_by_rows_is_decoded_whole(inputs: Path, name: str) -> None:
    assert isinstance(read_image(inputs / "in" / name, rows_from=1).pixels, np.ndarray)


@pytest.mark.usefixtures("_in_parts")
@pytest.mark.parametrize("name", ["rgb.png", "photo.jpg", "rgb.tif"])
def test_a_damaged_input_leaves_no_file(inputs: Path, weights: Path, command: Command, name: str) -> None:
    file = inputs / "in" / name
    content = file.read_bytes()
    damaged = {True: content[: len(content) * 2 // 3], False: content[:8] + bytes(100) + content[108:]}
    file.write_bytes(damaged[not name.endswith(".tif")])  # whose directory is at the end
    status, _, errors = command("upscale", file, "-m", weights, "-o", inputs / "out.png", "--tile", "16")
    assert status == 1
    assert errors.startswith(f"error: {file}: ")
    assert "cannot be read" in errors
    assert errors.count("\n") == 1
    assert sorted(path.name for path in inputs.iterdir()) == ["in"]


@pytest.mark.usefixtures("_in_parts")
def test_formats_that_must_be_whole_are_and_say_their_limits(inputs: Path, weights: Path, command: Command) -> None:
    assert command("upscale", inputs / "in" / "rgb.png", "-m", weights, "-o", inputs / "a.jpg")[::2] == (0, "")
    Image.new("L", (40000, 1)).save(inputs / "long.png")
    for ending, limit in (("jpg", 65500), ("webp", 16383)):
        status, _, errors = command("upscale", inputs / "long.png", "-m", weights, "-o", inputs / f"b.{ending}")
        assert status == 1
        assert f"80000x2 is too large for {'JPEG' if ending == 'jpg' else 'WebP'}, whose limit is {limit}" in errors


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix")
def test_a_signal_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    Image.fromarray(picture(side=300)).save(tmp_path / "a.png")
    program = (
        "import sys; sys.argv = ['srgan-kit', *sys.argv[1:]]\n"
        "from srgan_kit.cli import upscaling_steps; upscaling_steps.LARGEST_WHOLE = 0\n"
        "from srgan_kit.cli.main import run; run()"
    )
    arguments = ["upscale", "a.png", "-m", "x4-fidelity", "--tile", "24", "--precision", "fp32"]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=tmp_path, stderr=subprocess.PIPE)

    until = time.monotonic() + 60
    while not [*tmp_path.glob(".unfinished-*.png")] and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, b"stopped by SIGTERM: 0 of 1 images done\n")
    assert os.listdir(tmp_path) == ["a.png"]
