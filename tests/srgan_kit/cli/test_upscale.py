"""`srgan-kit upscale` as its users run it: real files, a small random network, the exit status they see."""

import ctypes
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from upscale_command import MAIN, run, save_tiny_model

from srgan_kit.atomic import claimed
from srgan_kit.cli.upscale_options import Existing, UpscaleOptions
from srgan_kit.cli.upscaling_batch import run_jobs
from srgan_kit.data.image_folder import read_rgb
from srgan_kit.errors import UserError
from srgan_kit.images.read import pixels_limited, read_image
from srgan_kit.images.resize import resize_8bit
from srgan_kit.metrics.psnr_ssim import psnr_y
from srgan_kit.models import super_resolution
from srgan_kit.models.super_resolution import load_model
from srgan_kit.upscaling import upscaler
from srgan_kit.upscaling.image import upscale_image
from srgan_kit.upscaling.jobs import Job
from srgan_kit.upscaling.upscaler import Upscaler


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def make_image(path: Path, size: tuple[int, int] = (12, 9), mode: str = "RGB") -> Path:
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
    make_image(tmp_path / "photo.jpg")
    done = run(tmp_path, "photo.jpg", "-m", weights)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("photo.jpg -> photo_x4.png (48x36, ")
    assert done.stderr == ""
    assert size(tmp_path / "photo_x4.png") == (48, 36)


def test_one_bad_input_does_not_stop_the_others(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    make_image(tmp_path / "z.bmp", (1, 1))
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
    make_image(tmp_path / "a.png")
    (tmp_path / "a_x4.png").write_text("mine")
    done = run(tmp_path, "a.png", "-m", weights)
    assert done.returncode == 1
    assert "a_x4.png exists" in done.stderr
    done = run(tmp_path, "a.png", "-m", weights, "--skip-existing")
    assert done.returncode == 0
    assert (tmp_path / "a_x4.png").read_text() == "mine"
    assert run(tmp_path, "a.png", "-m", weights, "--overwrite").returncode == 0
    assert size(tmp_path / "a_x4.png") == (48, 36)


def test_a_name_that_is_too_long_does_not_stop_the_others(tmp_path: Path, weights: str) -> None:
    for stem in ("a", "l" * 248, "m" * 250):
        make_image(tmp_path / f"{stem}.png")
    done = run(tmp_path, ".", "-m", weights)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"error: {'m' * 250}.png: {'m' * 250}_x4.png: " in done.stderr
    assert size(tmp_path / "a_x4.png") == size(tmp_path / f"{'l' * 248}_x4.png") == (48, 36)  # 255 bytes: the most


def test_folders_are_mirrored(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "in" / "a.png")
    make_image(tmp_path / "in" / "deep" / "er" / "b.jpg")
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    assert run(tmp_path, "in", "-m", weights, "-o", "flat").returncode == 0
    assert names(tmp_path / "flat") == ["a_x4.png"]
    assert run(tmp_path, "in", "-m", weights, "-o", "out", "--recursive", "--format", "webp").returncode == 0
    assert names(tmp_path / "out") == ["a_x4.webp", "deep/er/b_x4.webp"]


def test_a_second_run_does_not_upscale_the_first_ones_results(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    for _ in range(2):
        done = run(tmp_path, ".", "-m", weights, "--skip-existing", "--report", "r.json")
        assert done.returncode == 0
        assert names(tmp_path) == ["a.png", "a_x4.png", "r.json"]
        report = json.loads((tmp_path / "r.json").read_text())
        (tmp_path / "r.json").unlink()
    assert done.stdout.splitlines()[1] == (
        "a_x4.png: skipped, a result of an earlier run (tiny, x4); name the file itself to upscale it again"
    )
    assert [(image["source"], image["status"]) for image in report["images"]] == [
        ("a.png", "skipped"),
        ("a_x4.png", "skipped"),
    ]


def test_globs(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a1.png")
    make_image(tmp_path / "a2.png")
    make_image(tmp_path / "b.png")
    assert run(tmp_path, "a?.png", "-m", weights, "-o", "out").returncode == 0
    assert names(tmp_path / "out") == ["a1_x4.png", "a2_x4.png"]


def test_the_scale_chooses_the_model(tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    for options, model in (
        ([], "x2-fidelity"),
        (["-m", "x4-fidelity"], "x4-fidelity"),
        (["-m", "x4-photo"], "x4-photo"),
    ):
        done = run(tmp_path, "a.png", "-s", "2", *options, "--report", "report.json", "--overwrite")
        assert done.returncode == 0, done.stderr
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["model"] == (model if options else "auto")
        assert report["images"][0]["model"] == model  # nothing is found in so small an image
        assert size(tmp_path / "a_x2.png") == (24, 18)


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
    make_image(tmp_path / "a.png")
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
        (["a.png", "--format", "ppm"], "--format"),
        (["a.png", "-o", "b.ppm"], "b.ppm"),
        (["a.png", "-o", "b.png", "--format", "jpg"], "b.png"),
        (["a.png", "b/a.png", "-o", "one.png"], "folder"),
        (["a.png", "b/a.png", "-o", "-"], "result of one file"),
        (["a.png", "--device", "abacus"], "abacus"),
        (["a.png", "--precision", "fp1"], "fp1"),
        (["a.png", "-m", "a.png"], "a.png"),
        (["a.png", "-m", "nothing"], "nothing"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(
    tmp_path: Path, weights: str, options: list[str], reason: str
) -> None:
    make_image(tmp_path / "a.png")
    make_image(tmp_path / "b" / "a.png")
    model = [] if "-m" in options else ["-m", weights]
    done = run(tmp_path, *options, *model)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == ["a.png", "b/a.png"]


def obey_permissions() -> None:
    """Take from root, in a child process that will run another program, the right to pass over permissions."""
    if os.geteuid() == 0:
        set_bound, capabilities = 24, (1, 2)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        for capability in capabilities:
            if ctypes.CDLL(None, use_errno=True).prctl(set_bound, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.skipif(sys.platform == "win32" or (sys.platform == "darwin" and os.geteuid() == 0), reason="needs Unix")
@pytest.mark.parametrize("recursive", [False, True])
def test_unreadable_files_and_folders_are_named(tmp_path: Path, weights: str, recursive: bool) -> None:
    make_image(tmp_path / "a.png").chmod(0)
    for name in ("locked", "open/locked"):
        make_image(tmp_path / name / "b.png")
        (tmp_path / name).chmod(0)
    make_image(tmp_path / "open" / "c.png")
    try:
        done = run(
            *(tmp_path, "a.png", "locked", "locked/b.png", "open", "-m", weights, *["--recursive"] * recursive),
            preexec_fn=obey_permissions,
        )
    finally:
        (tmp_path / "locked").chmod(0o700)
        (tmp_path / "open" / "locked").chmod(0o700)
    assert done.returncode == 1
    refused = ["a.png", "locked", "locked/b.png", *["open/locked"] * recursive]
    assert done.stderr.splitlines() == [f"error: {name}: cannot be read: Permission denied" for name in refused]
    assert size(tmp_path / "open" / "c_x4.png") == (48, 36)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "not enough memory"),
        (KeyError("tile"), "KeyError: 'tile'"),
        (RuntimeError("\nodd\nmore"), "RuntimeError: odd"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_no_failure_stops_the_others(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str], error: Exception, reason: str
) -> None:
    def wanted(size: tuple[int, int]) -> None:
        if size == (5, 5):
            raise error

    jobs = [Job(make_image(tmp_path / f"{side}.png", (side, side)), tmp_path / f"{side}_x4.png") for side in (4, 5, 6)]
    run_jobs(jobs, Upscaler(weights, device="cpu"), UpscaleOptions(wanted), Existing())
    assert [job.status for job in jobs] == ["done", "failed", "done"]
    assert capsys.readouterr().err == f"error: {jobs[1].source}: {reason}\n"


def test_a_report_is_refused_before_the_work(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    (tmp_path / "mine.json").write_text("mine")
    (tmp_path / "folder").mkdir()
    for name, reason in (("mine.json", "exists already"), ("none/r.json", "no folder none"), ("folder", "is a folder")):
        done = run(tmp_path, "a.png", "-m", weights, "--report", name)
        assert done.returncode == 2
        assert reason in done.stderr
        assert names(tmp_path) == ["a.png", "mine.json"]
    assert run(tmp_path, "a.png", "-m", weights, "--report", "mine.json", "--overwrite").returncode == 0
    assert json.loads((tmp_path / "mine.json").read_text())["images"][0]["status"] == "done"


@pytest.mark.parametrize(
    ("output", "report", "reason"), [("b.png", "a.png", "an input"), ("b.png", "./b.png", "a result")]
)
def test_a_report_replaces_no_input_and_no_result(
    tmp_path: Path, weights: str, output: str, report: str, reason: str
) -> None:
    before = make_image(tmp_path / "a.png").read_bytes()
    done = run(tmp_path, "a.png", "-o", output, "-m", weights, "--overwrite", "--report", report)
    assert done.returncode == 2
    assert f"{reason} as well" in done.stderr
    assert names(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_results_go_to_stdout_though_stderr_is_a_terminal(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    terminal, other_end = os.openpty()
    try:
        done = run(tmp_path, "a.png", "missing.png", "-m", weights, stderr=other_end)
        seen = os.read(terminal, 100_000).decode()
    finally:
        os.close(terminal)
        os.close(other_end)
    assert done.stdout.startswith("a.png -> a_x4.png")
    assert done.stdout.count("\n") == 1
    assert "error: missing.png: no such file" in seen
    assert "a_x4.png" not in seen


@pytest.mark.parametrize(
    ("name", "has_quality"), [("b.png", False), ("b.bmp", False), ("b.tif", False), ("b.webp", True)]
)
def test_quality_without_effect_is_said(tmp_path: Path, weights: str, name: str, has_quality: bool) -> None:
    make_image(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", weights, "-o", name, "--quality", "70")
    assert done.returncode == 0
    assert ("--quality has no effect" in done.stderr) is not has_quality
    assert done.stderr.count("note") == (not has_quality)


def test_a_result_never_replaces_another_input(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    make_image(tmp_path / "a_x4.png")
    done = run(tmp_path, "a.png", "./a_x4.png", "-m", weights, "--overwrite")
    assert done.returncode == 1
    assert done.stderr == "error: a.png: the result would replace a_x4.png, which is an input too\n"
    assert size(tmp_path / "a_x4.png") == (12, 9)
    assert size(tmp_path / "a_x4_x4.png") == (48, 36)
    assert run(tmp_path, "a.png", "-o", "a.png", "-m", weights, "--overwrite").returncode == 0  # itself, as asked
    assert size(tmp_path / "a.png") == (48, 36)


def test_hidden_files_in_folders_are_passed_over(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "in" / ".a.png")
    make_image(tmp_path / "in" / "b.png")
    assert run(tmp_path, "in", "-m", weights).returncode == 0
    assert names(tmp_path / "in") == [".a.png", "b.png", "b_x4.png"]
    assert run(tmp_path, "in/.a.png", "-m", weights).returncode == 0  # but not where it is named
    assert (tmp_path / "in" / ".a_x4.png").exists()


def test_what_the_engine_could_not_do_is_said_once(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fragile = replace(load_model(weights), supports_bf16=False)
    monkeypatch.setattr(super_resolution, "load_model", lambda _: fragile)
    jobs = [Job(make_image(tmp_path / f"{name}.png"), tmp_path / f"{name}_x4.png") for name in "ab"]
    run_jobs(jobs, Upscaler(weights, device="cpu", precision="bf16"), UpscaleOptions(lambda _: None), Existing())
    assert [len(job.notes) for job in jobs] == [1, 0]
    assert "bfloat16" in jobs[0].notes[0]


def test_odd_files_are_upscaled_without_a_warning(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png", (16, 16))
    bombed = "from PIL import Image; Image.MAX_IMAGE_PIXELS = 200; " + MAIN  # 256 pixels: a warning, not a refusal
    command = [sys.executable, "-c", bombed, "upscale", "a.png", "-m", weights]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_60000_by_1(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "thin.png", (60000, 1))
    done = run(tmp_path, "thin.png", "-m", weights)
    assert done.returncode == 0, done.stderr
    assert size(tmp_path / "thin_x4.png") == (240000, 4)
    done = run(tmp_path, "thin.png", "-m", weights, "--format", "jpg")
    assert done.returncode == 1
    assert "65500" in done.stderr


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
    make_image(tmp_path / "g.png", mode="L")
    assert run(tmp_path, "g.png", "-m", weights).returncode == 0
    with Image.open(tmp_path / "g_x4.png") as image:
        assert image.mode == "L"


def test_a_community_checkpoint(tmp_path: Path, data_folder: Path) -> None:
    make_image(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", str(data_folder / "weights" / "realesr-animevideov3.pth"))
    assert done.returncode == 0, done.stderr
    assert size(tmp_path / "a_x4.png") == (48, 36)


def test_pictures_of_one_name_and_two_formats_keep_apart(tmp_path: Path, weights: str) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        make_image(tmp_path / name)
    expected = ["a.jpg", "a.png", "a_jpg_x4.png", "a_png_x4.png", "b.png", "b_x4.png"]
    for _ in range(2):  # and their results are known again
        done = run(tmp_path, ".", "-m", weights, "--skip-existing")
        assert done.returncode == 0, done.stderr
        assert names(tmp_path) == expected


def test_consistent_results_are_their_inputs_when_reduced(tmp_path: Path, weights: str) -> None:
    Image.effect_noise((40, 30), 20).save(tmp_path / "a.png")  # far from black and white, which would limit it
    for options in (["-o", "free.png"], ["--consistent", "-o", "bound.png", "--report", "r.json"]):
        assert run(tmp_path, "a.png", "-m", weights, *options).returncode == 0
    assert json.loads((tmp_path / "r.json").read_text())["consistent"] is True
    given = read_rgb(tmp_path / "a.png").int()
    free, bound = (resize_8bit(read_rgb(tmp_path / f"{name}.png"), 1 / 4).int() - given for name in ("free", "bound"))
    assert free.abs().max() > 10
    assert bound.abs().max() <= 1  # rounded twice, here; else 0.5
    assert (bound == 0).float().mean() > 0.98


@pytest.mark.parametrize(("name", "loses"), [("b.jpg", True), ("b.webp", True), ("b.avif", True), ("b.tif", False)])
def test_what_compression_undoes_is_said(tmp_path: Path, weights: str, name: str, loses: bool) -> None:
    Image.effect_noise((40, 30), 20).save(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", weights, "--consistent", "-o", name)
    assert done.returncode == 0
    assert ("--consistent holds until" in done.stderr) is loses


def test_a_smaller_result_cannot_be_consistent(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", weights, "-s", "0.5", "--consistent")
    assert done.returncode == 0
    assert "smaller than its input cannot be made consistent" in done.stderr


def test_ensemble_is_another_result_of_the_same_size(tmp_path: Path, data_folder: Path) -> None:
    bird = data_folder / "sr_test" / "Set5" / "LR_bicubic" / "X4" / "birdx4.png"
    original = read_rgb(data_folder / "sr_test" / "Set5" / "HR" / "bird.png")[None]
    for options in (["-o", "one.png"], ["--ensemble", "-o", "eight.png", "--report", "r.json"]):
        assert run(tmp_path, str(bird), "--precision", "fp32", *options).returncode == 0
    assert json.loads((tmp_path / "r.json").read_text())["ensemble"] is True
    one, eight = (psnr_y(read_rgb(tmp_path / f"{name}.png")[None], original, 4).item() for name in ("one", "eight"))
    assert eight > one + 0.1  # measured: 34.14 and 34.31 dB


@pytest.mark.parametrize("name", ["b.png", "b.jpg", "b.tif"])
def test_metadata_is_kept_or_stripped_as_asked(tmp_path: Path, weights: str, name: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "somebody", 6
    Image.effect_noise((12, 9), 60).save(tmp_path / "a.jpg", exif=exif, xmp=b"<x:xmpmeta/>", dpi=(300, 300))
    for options, is_kept in (([], True), (["--strip-metadata"], False)):
        done = run(tmp_path, "a.jpg", "-m", weights, "-o", name, "--overwrite", *options)
        assert (done.returncode, done.stderr) == (0, "")
        with Image.open(tmp_path / name) as image:
            assert image.size == (36, 48)  # turned either way
            assert (image.getexif().get(ExifTags.Base.Artist) == "somebody") is is_kept
            assert ("xmp" in image.info) is is_kept
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)  # how it is printed is not about anybody
        assert (b"somebody" in (tmp_path / name).read_bytes()) is is_kept


def test_what_a_format_cannot_hold_is_said_once(tmp_path: Path, weights: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 12, 3)).astype(np.uint16)
    (tmp_path / "a.ppm").write_bytes(b"P6\n12 9\n65535\n" + pixels.astype(">u2").tobytes())
    done = run(tmp_path, "a.ppm", "-m", weights, "-o", "b.jpg")
    assert done.stderr == "note: a.ppm: 16 bits a channel are reduced to 8, as JPEG needs\n"
    done = run(tmp_path, "a.ppm", "-m", weights, "-o", "b.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_image(tmp_path / "b.png").pixels.dtype == np.uint16


# --- folders, standard streams, other runs ----------------------------------------------------------------------------


@pytest.mark.parametrize("output", [[], ["-o", "in/results"]])
def test_results_never_become_inputs(tmp_path: Path, weights: str, output: list[str]) -> None:
    make_image(tmp_path / "in" / "p.png")
    make_image(tmp_path / "in" / "sub" / "q.jpg")
    for scale, format in (("4", "png"), ("2", "bmp"), ("3", "webp"), ("4", "png")):
        options = ["-m", weights, "-s", scale, "--format", format, "--overwrite", "-r", *output]
        done = run(tmp_path, "in", *options, "--report", "r.json")
        assert done.returncode == 0, done.stderr
        images = json.loads((tmp_path / "r.json").read_text())["images"]
        assert [image["source"] for image in images if image["status"] == "done"] == ["in/p.png", "in/sub/q.jpg"]
    made = [name for name in names(tmp_path / "in") if "_x" in name]
    assert len(made) == 6  # two of each scale
    first = tmp_path / "in" / next(name for name in made if name.endswith("p_x4.png"))
    first.rename(tmp_path / "in" / "holiday.png")  # known by its mark under any name
    done = run(tmp_path, "in", "-m", weights)
    assert "in/holiday.png: skipped, a result of an earlier run (tiny, x4)" in done.stdout
    assert run(tmp_path, "in/holiday.png", "-m", weights).returncode == 0  # as asked
    assert size(tmp_path / "in" / "holiday_x4.png") == (192, 144)


@pytest.mark.parametrize(("format", "start"), [("png", b"\x89PNG"), ("jpg", b"\xff\xd8\xff")])
def test_from_stdin_to_stdout(tmp_path: Path, weights: str, format: str, start: bytes) -> None:
    content = make_image(tmp_path / "a.png").read_bytes()
    command = [sys.executable, "-c", MAIN, "upscale", "-", "-m", weights, "--format", format]
    done = subprocess.run(command, cwd=tmp_path, input=content, capture_output=True, check=True)
    assert done.stdout.startswith(start)
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.size == (48, 36)
    assert done.stderr.startswith(b"/dev/stdin -> /dev/stdout (48x36, ")
    assert names(tmp_path) == ["a.png"]


def test_what_stdin_cannot_give_is_one_line(tmp_path: Path, weights: str) -> None:
    command = [sys.executable, "-c", MAIN, "upscale", "-", "-m", weights]
    done = subprocess.run(command, cwd=tmp_path, input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"error: /dev/stdin: the file is empty\n")


def test_runs_into_one_folder_share_the_work(tmp_path: Path, weights: str) -> None:
    for number in range(12):
        make_image(tmp_path / "in" / f"{number:02}.png", (90, 80))
    command = [sys.executable, "-c", MAIN, "upscale", "in", "-o", "out", "-m", weights, "--precision", "fp32"]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [line for process in both for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in both] == [0, 0]
    made = [line.split()[0] for line in lines if " -> " in line]
    assert sorted(made) == [f"in/{number:02}.png" for number in range(12)]  # each once
    assert len([line for line in lines if ": skipped, another run " in line]) == 12
    assert len(names(tmp_path / "out")) == 12


def test_a_result_that_another_run_is_making_is_left_to_it(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    with claimed(tmp_path / "a_x4.png") as is_mine:
        assert is_mine
        done = run(tmp_path, "a.png", "-m", weights, "--overwrite")
        assert (done.returncode, done.stdout) == (0, "a.png: skipped, another run is making a_x4.png\n")
    assert names(tmp_path) == ["a.png"]


def test_a_clock_that_is_ahead_makes_no_other_run(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")
    (tmp_path / "a_x4.png").write_text("old")
    os.utime(tmp_path / "a_x4.png", (2**31, 2**31))
    done = run(tmp_path, "a.png", "-m", weights)
    assert (done.returncode, done.stderr) == (1, "error: a.png: a_x4.png exists (--overwrite replaces it)\n")
    assert run(tmp_path, "a.png", "-m", weights, "--overwrite").returncode == 0
    assert size(tmp_path / "a_x4.png") == (48, 36)


def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_too(*arguments: Any, **options: Any) -> Any:
        (tmp_path / "a_x4.png").write_text("mine")
        return upscale_image(*arguments, **options)

    monkeypatch.setattr(upscaler, "upscale_image", write_too)
    make_image(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", weights)
    assert (done.returncode, done.stderr) == (1, "error: a.png: a_x4.png exists (--overwrite replaces it)\n")
    assert (tmp_path / "a_x4.png").read_text() == "mine"
    assert names(tmp_path) == ["a.png", "a_x4.png"]


def test_leftovers_of_dead_runs_are_removed(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "in" / "a.png")
    for name in ("out/.unfinished-abc.png", "out/.unfinished-claim-0123456789abcdef", "out/.mine.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("left")
    assert run(tmp_path, "in", "-o", "out", "-m", weights).returncode == 0
    assert names(tmp_path / "out") == [".mine.png", "a_x4.png"]


@pytest.mark.parametrize(("suffix", "module"), [("heic", "pillow_heif"), ("jxl", "pillow_jxl")])
def test_formats_of_the_extras(tmp_path: Path, weights: str, suffix: str, module: str) -> None:
    pytest.importorskip(module)
    make_image(tmp_path / "in" / "a.png", (40, 30))
    assert run(tmp_path, "in", "-o", "out", "-m", weights, "--format", suffix).returncode == 0
    assert run(tmp_path, f"out/a_x4.{suffix}", "-o", "b.png", "-m", weights, "-s", "1").returncode == 0
    assert run(tmp_path, "in/a.png", "-o", "c.png", "-m", weights).returncode == 0
    back, direct = (read_rgb(tmp_path / name).double() for name in (f"out/a_x4.{suffix}", "c.png"))
    assert (back - direct).abs().mean() < 6
    assert size(tmp_path / "b.png") == (160, 120)


@pytest.mark.parametrize(
    ("suffix", "extra", "start"),
    [("heic", "heif", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), ("jxl", "jxl", b"\xff\x0a" + bytes(30))],
)
def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, weights: str, suffix: str, extra: str, start: bytes
) -> None:
    make_image(tmp_path / "a.png")
    (tmp_path / "photo").write_bytes(start)  # whatever it is called
    (tmp_path / f"in.{suffix}").write_bytes(start)
    missing = "import sys; sys.modules['pillow_heif'] = sys.modules['pillow_jxl'] = None\n"
    missing += "import importlib.util as u; find = u.find_spec\n"
    missing += "u.find_spec = lambda name: None if name in ('pillow_heif', 'pillow_jxl') else find(name)\n"
    install = f"needs the extra {extra}: pip install 'srgan-kit[{extra}]'"
    for arguments, status in ((["photo", f"in.{suffix}"], 1), (["a.png", "--format", suffix], 2)):
        command = [sys.executable, "-c", missing + MAIN, "upscale", *arguments, "-m", weights]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert [line.endswith(install) for line in done.stderr.splitlines()] == [True] * (2 if status == 1 else 1)


def test_the_number_of_pixels_is_limited(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png")  # 108 pixels
    Image.fromarray(np.zeros((9, 12), np.uint16)).save(tmp_path / "b.tif")
    done = run(tmp_path, "a.png", "b.tif", "-m", weights, "--max-pixels", "107")
    assert done.returncode == 1
    assert done.stderr.count("108 pixels, more than 107; --max-pixels allows more") == 1 + done.stderr.count("b.tif:")
    assert run(tmp_path, "a.png", "b.tif", "-m", weights, "--max-pixels", "108").returncode == 0
    assert Image.MAX_IMAGE_PIXELS == 89_478_485  # Pillow's own, for the rest of the program


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_400_megapixels_are_read(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "large.png")
    with pixels_limited(), pytest.raises(UserError, match="more than 399999999"), pixels_limited(399_999_999):
        read_image(tmp_path / "large.png")
    with pixels_limited(), Image.open(tmp_path / "large.png") as image:
        assert image.size == (20_000, 20_000)


def test_a_report_on_standard_output_is_all_of_it(tmp_path: Path, weights: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    done = run(tmp_path, "a.png", "-m", weights, "--report", "-")
    assert [image["status"] for image in json.loads(done.stdout)["images"]] == ["done"]
    assert done.stderr.startswith("a.png -> a_x4.png (32x32, ")
    assert names(tmp_path) == ["a.png", "a_x4.png"]
    done = run(tmp_path, "a.png", "-m", weights, "--report", "-", "-o", "-")
    assert (done.returncode, done.stderr) == (2, "error: -o - and --report -: standard output takes one of them\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_report_is_written_to_a_pipe_and_does_not_replace_it(tmp_path: Path, weights: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = run(tmp_path, "a.png", "-m", weights, "--report", "pipe", "--overwrite")
    assert (done.returncode, done.stderr) == (0, "")
    assert pipe.is_fifo()
    assert [image["status"] for image in json.loads(os.read(reader, 100_000))["images"]] == ["done"]
    os.close(reader)


def test_standard_input_that_is_closed_is_empty(tmp_path: Path, weights: str) -> None:
    done = run(tmp_path, "-", "-o", "a.png", "-m", weights, preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stderr) == (1, "error: /dev/stdin: the file is empty\n")


def test_jpg_and_jpeg_are_one_format_and_codecs_are_of_videos(tmp_path: Path, weights: str) -> None:
    make_image(tmp_path / "a.png", (8, 6))
    done = run(tmp_path, "a.png", "-m", weights, "--format", "jpg", "-o", "b.jpeg", "--codec", "h264")
    assert (done.returncode, done.stderr) == (0, "note: --codec has no effect on images\n")
    assert size(tmp_path / "b.jpeg") == (32, 24)
