"""`srgan-kit upscale` as its users run it: real files, a small random network, the exit status they see."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_kit.config import ResidualSRConfig
from srgan_kit.generators import build_generator
from srgan_kit.upscaling.models import save_model

MAIN = "from srgan_kit.cli.main import run; run()"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network whose weights are random but small: an interpolation, nearly."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    config = ResidualSRConfig(channels=4, groups=1)
    save_model(build_generator(config), config, path, {})
    return str(path)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, "upscale", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ, check=False)


def picture(path: Path, size: tuple[int, int] = (12, 9), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert(mode).save(path)
    return path


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_photo_becomes_photo_x4(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "photo.jpg")
    done = run(tmp_path, "photo.jpg", "-m", weights)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("photo.jpg -> photo_x4.png (48x36, ")
    assert done.stderr == ""
    assert size(tmp_path / "photo_x4.png") == (48, 36)


def test_one_bad_input_does_not_stop_the_others(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "z.bmp", (1, 1))
    inputs = ["a.png", "broken.jpg", "empty", "missing.png", "no*.png", "z.bmp"]
    done = run(tmp_path, *inputs, "-m", weights, "--report", "report.json")
    assert done.returncode == 1
    errors = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in errors] == inputs[1:5]
    assert all(line.startswith("error: ") for line in errors)
    assert size(tmp_path / "a_x4.png") == (48, 36)
    assert size(tmp_path / "z_x4.png") == (4, 4)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["scale"] == 4
    assert [image["status"] for image in report["images"]] == ["done", *["failed"] * 4, "done"]
    assert names(tmp_path) == ["a.png", "a_x4.png", "broken.jpg", "report.json", "z.bmp", "z_x4.png"]


def test_existing_files_are_never_overwritten_unasked(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a_x4.png").write_text("mine")
    done = run(tmp_path, "a.png", "-m", weights)
    assert done.returncode == 1
    assert "a_x4.png exists" in done.stderr
    done = run(tmp_path, "a.png", "-m", weights, "--skip-existing")
    assert done.returncode == 0
    assert (tmp_path / "a_x4.png").read_text() == "mine"
    assert run(tmp_path, "a.png", "-m", weights, "--overwrite").returncode == 0
    assert size(tmp_path / "a_x4.png") == (48, 36)


def test_folders_are_mirrored(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "deep" / "er" / "b.jpg")
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    assert run(tmp_path, "in", "-m", weights, "-o", "flat").returncode == 0
    assert names(tmp_path / "flat") == ["a_x4.png"]
    assert run(tmp_path, "in", "-m", weights, "-o", "out", "--recursive", "--format", "webp").returncode == 0
    assert names(tmp_path / "out") == ["a_x4.webp", "deep/er/b_x4.webp"]


def test_a_second_run_does_not_upscale_the_first_ones_results(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "a.png")
    for _ in range(2):
        assert run(tmp_path, ".", "-m", weights, "--skip-existing").returncode == 0
        assert names(tmp_path) == ["a.png", "a_x4.png"]


def test_globs(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "a1.png")
    picture(tmp_path / "a2.png")
    picture(tmp_path / "b.png")
    assert run(tmp_path, "a?.png", "-m", weights, "-o", "out").returncode == 0
    assert names(tmp_path / "out") == ["a1_x4.png", "a2_x4.png"]


@pytest.mark.parametrize(
    ("options", "expected", "name"),
    [
        (["-s", "2"], (24, 18), "a_x2.png"),
        (["-s", "2.5"], (30, 22), "a_x2.5.png"),
        (["-s", "6"], (72, 54), "a_x6.png"),
        (["--fit", "40x20"], (27, 20), "a_40x20.png"),
        (["-o", "b.webp"], (48, 36), "b.webp"),
        (["--tile", "5", "--precision", "fp32", "--device", "cpu"], (48, 36), "a_x4.png"),
    ],
)
def test_output_sizes_and_names(
    tmp_path: Path, weights: str, options: list[str], expected: tuple[int, int], name: str
) -> None:
    picture(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", weights, *options)
    assert done.returncode == 0, done.stderr
    assert size(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["a.png", "--fit", "0x0"], "at least 1x1"),
        (["a.png", "--fit", "big"], "WxH"),
        (["a.png", "-s", "0"], "more than 0"),
        (["a.png", "-s", "nan"], "more than 0"),
        (["a.png", "-s", "2", "--fit", "9x9"], "one of them"),
        (["a.png", "--skip-existing", "--overwrite"], "one of them"),
        (["a.png", "--tile", "none"], "--tile"),
        (["a.png", "--tile", "0"], "--tile"),
        (["a.png", "--format", "gif"], "--format"),
        (["a.png", "-o", "b.gif"], "b.gif"),
        (["a.png", "-o", "b.png", "--format", "jpg"], "b.png"),
        (["a.png", "b/a.png", "-o", "one.png"], "folder"),
        (["a.png", "b/a.png", "-o", "out"], "both become"),
        (["a.png", "--device", "abacus"], "abacus"),
        (["a.png", "--precision", "fp1"], "fp1"),
        (["a.png", "-m", "a.png"], "a.png"),
        (["a.png", "-m", "nothing"], "nothing"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(
    tmp_path: Path, weights: str, options: list[str], reason: str
) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b" / "a.png")
    model = [] if "-m" in options else ["-m", weights]
    done = run(tmp_path, *options, *model)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == ["a.png", "b/a.png"]


def test_unreadable_files_are_named(tmp_path: Path, weights: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    picture(tmp_path / "a.png").chmod(0)
    done = run(tmp_path, "a.png", "-m", weights)
    assert done.returncode == 1
    assert "a.png: cannot be read: Permission denied" in done.stderr


def test_60000_by_1(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "thin.png", (60000, 1))
    done = run(tmp_path, "thin.png", "-m", weights)
    assert done.returncode == 0, done.stderr
    assert size(tmp_path / "thin_x4.png") == (240000, 4)
    done = run(tmp_path, "thin.png", "-m", weights, "--format", "jpg")
    assert done.returncode == 1
    assert "65535" in done.stderr


@pytest.mark.parametrize("alpha", [0, 1, 90, 255])
def test_a_constant_picture_stays_constant(tmp_path: Path, weights: str, alpha: int) -> None:
    pixels = np.full((20, 30, 4), (250, 128, 5, 255), np.uint8)
    pixels[5:15, 8:20, 3] = alpha
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert run(tmp_path, "a.png", "-m", weights, "--precision", "fp32").returncode == 0
    Image.fromarray(pixels[:, :, :3]).save(tmp_path / "b.png")
    assert run(tmp_path, "b.png", "-m", weights, "--precision", "fp32").returncode == 0
    with Image.open(tmp_path / "a_x4.png") as image, Image.open(tmp_path / "b_x4.png") as opaque:
        result, expected = np.asarray(image.convert("RGBA")), np.asarray(opaque)
    assert np.array_equal(result[:, :, :3], expected)  # transparency never touches colour
    assert (result[28:52, 40:72, 3] == alpha).all()


def test_grey_stays_grey(tmp_path: Path, weights: str) -> None:
    picture(tmp_path / "g.png", mode="L")
    assert run(tmp_path, "g.png", "-m", weights).returncode == 0
    with Image.open(tmp_path / "g_x4.png") as image:
        assert image.mode == "L"


def test_a_community_checkpoint(tmp_path: Path, data_folder: Path) -> None:
    picture(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", str(data_folder / "weights" / "realesr-animevideov3.pth"))
    assert done.returncode == 0, done.stderr
    assert size(tmp_path / "a_x4.png") == (48, 36)
