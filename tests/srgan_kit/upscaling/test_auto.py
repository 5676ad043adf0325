"""What is found out about an image's past, and which model is chosen for it."""

import io
import json
import sys
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from srgan_kit.cli import main
from srgan_kit.images.image import LoadedImage
from srgan_kit.upscaling.artifacts import SMALLEST
from srgan_kit.upscaling.auto import ARTIFACTS, HARMED_PAGE, NOISE, QUALITY, choose, harm
from srgan_kit.upscaling.choice import Choice
from srgan_kit.upscaling.evidence import Evidence, evidence, jpeg_quality, jpeg_trace, of_file, of_image
from srgan_kit.upscaling.upscaler import Upscaler

CLEAN = Evidence(None, None, trace=0.0, traced_quality=None, noise=0.0, paper=0.1, flat=0.05, ink=0.0, artifacts=0.0)
HARMED = replace(CLEAN, jpeg_quality=15)


def photograph(side: int = 256) -> Image.Image:
    """Reduced, so that it is sharp and free of what its own file went through."""
    return Image.fromarray(data.astronaut()).resize((side, side), Image.Resampling.BICUBIC)


def saved(image: Image.Image, quality: int, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(saved(image, quality))).convert("RGB")


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [20, 30, 50, 74, 90, 95, 100])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_quality_is_the_encoders(quality: int, mode: str) -> None:
    image = Image.open(io.BytesIO(saved(photograph().convert(mode), quality)))
    found, lossy = of_image(image)
    assert found == pytest.approx(quality, abs=1)
    assert lossy is None


def test_half_the_standards_table_is_quality_75() -> None:
    assert jpeg_quality({0: [3688 // 2]}) == 75  # 200 - 2 q percent
    assert jpeg_quality({0: [2 * 3688], 1: [1]}) == 25  # 5000 / q percent, of luma's table


@pytest.mark.parametrize(
    ("name", "options", "lossy"),
    [
        ("a.webp", {"quality": 80}, "WebP"),
        ("a.webp", {"lossless": True}, None),
        ("a.avif", {"quality": 80}, "AVIF"),
        ("a.png", {}, None),
    ],
)
def test_other_lossy_formats_are_known(
    name: str, options: dict[str, object], lossy: str | None, tmp_path: Path
) -> None:
    photograph(64).save(tmp_path / name, **options)  # pyright: ignore[reportArgumentType]
    assert of_file(tmp_path / name) == (None, lossy)


def test_of_what_is_no_image_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    assert of_file(tmp_path / "a.jpg") == (None, None)


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
@pytest.mark.parametrize("offset", [(0, 0), (3, 5)])
def test_jpeg_leaves_a_trace_wherever_the_image_is_cut(quality: int, offset: tuple[int, int]) -> None:
    top, left = offset
    light = np.asarray(through_jpeg(photograph(), quality).convert("L"), np.float32)[top:, left:]
    trace, found = jpeg_trace(light)
    assert 0.1 < trace < 1
    if quality < 95:  # above, the steps are too small to be told from rounding
        assert found == pytest.approx(quality, abs=2)


def test_stronger_compression_leaves_more_of_it() -> None:
    traces = [evidence(np.array(through_jpeg(photograph(), quality))).trace for quality in (98, 90, 70, 40)]
    assert traces == sorted(traces)


@pytest.mark.parametrize("side", [16, 64, 256])
def test_what_was_never_compressed_has_none(side: int) -> None:
    assert evidence(np.array(photograph(side))).trace < 0.05
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert evidence(noise).trace < 0.05
    assert evidence(np.full((side, side, 3), 128, np.uint8)).trace < 0.05


@pytest.mark.parametrize("sigma", [3.0, 8.0, 20.0])
@pytest.mark.parametrize("kind", ["colour", "the same in all channels", "grey image"])
def test_noise_is_measured_in_levels(sigma: float, kind: str) -> None:
    shape = (200, 240, 3 if kind == "colour" else 1)
    noise = np.random.default_rng(0).normal(0, sigma, shape)
    pixels = (128 + noise).round().clip(0, 255).astype(np.uint8)
    if kind == "the same in all channels":
        pixels = pixels.repeat(3, axis=2)
    assert evidence(pixels).noise == pytest.approx(sigma, rel=0.2)


def test_texture_is_not_noise() -> None:
    assert evidence(np.array(photograph())).noise < 2
    grass = np.array(Image.fromarray(data.grass()).resize((256, 256), Image.Resampling.BICUBIC))
    assert evidence(grass[:, :, None]).noise < 2


def test_16_bits_are_looked_at_as_8() -> None:
    pixels = np.array(through_jpeg(photograph(), 60))
    found, expected = evidence(pixels.astype(np.uint16) * 257), evidence(pixels)
    assert astuple(found)[2:] == pytest.approx(astuple(expected)[2:], rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 900, 3), (7, 5, 3), (1200, 1000, 3)])
def test_images_of_any_shape_are_looked_at(shape: tuple[int, int, int]) -> None:
    found = evidence(np.zeros(shape, np.uint8))
    assert (found.trace, found.traced_quality, found.noise, found.ink) == (0, None, 0, 0)
    assert (found.paper, found.flat) == (1, 1)
    assert (found.artifacts is None) == (min(shape[:2]) < SMALLEST)
    assert (found.artifacts or 0) < 1


# --- what is chosen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "clean", "harmed"),
    [
        (None, "x4-fidelity", "x4-photo"),
        (0.5, "x2-fidelity", "x2-photo"),
        (1, "x2-fidelity", "x2-photo"),
        (1.5, "x2-fidelity", "x2-photo"),
        (2, "x2-fidelity", "x2-photo"),
        (3, "x3-fidelity", "x4-photo"),
        (4, "x4-fidelity", "x4-photo"),
        (8, "x4-fidelity", "x4-photo"),
    ],
)
def test_each_scale_has_a_model_of_both_kinds(scale: float | None, clean: str, harmed: str) -> None:
    assert choose(CLEAN, scale).model == clean
    assert choose(HARMED, scale).model == harmed


@pytest.mark.parametrize(
    ("found", "scale", "reason"),
    [
        (replace(CLEAN, jpeg_quality=QUALITY[4]), 4, "JPEG of quality about 88"),
        (replace(CLEAN, jpeg_quality=QUALITY[2]), 2, f"JPEG of quality about {QUALITY[2]}"),
        (replace(CLEAN, jpeg_quality=QUALITY[2] + 1), 2, None),
        (replace(CLEAN, jpeg_quality=QUALITY[2]), 1, None),
        (replace(CLEAN, traced_quality=50), 2, "traces of JPEG of quality about 50"),
        (replace(CLEAN, jpeg_quality=97, traced_quality=50), 2, None),
        (replace(CLEAN, paper=0.6, flat=0.3, ink=0.2), 4, "text or flat graphics"),
        (replace(CLEAN, paper=0.6, ink=0.2), 4, None),  # a sky
        (replace(CLEAN, paper=0.45, ink=0.2), 4, None),
        (replace(CLEAN, paper=0.45, ink=0.2, trace=0.1), 4, "text or flat graphics"),
        (replace(CLEAN, paper=0.6, ink=0.3), 1, None),
        (replace(CLEAN, paper=0.6, ink=0.2, jpeg_quality=HARMED_PAGE), 1, "text or flat graphics"),
        (replace(CLEAN, paper=0.6, ink=0.2, jpeg_quality=HARMED_PAGE + 1), 1, None),
        (replace(CLEAN, paper=0.6, ink=0.3, noise=NOISE[2]), 1, "text or flat graphics"),
        (replace(CLEAN, noise=NOISE[2]), 2, "noise of about 2 levels"),
        (replace(CLEAN, noise=NOISE[2] - 0.1), 2, None),
        (replace(CLEAN, artifacts=ARTIFACTS), 4, f"artifacts of about {ARTIFACTS:.0f} levels"),
        (replace(CLEAN, artifacts=ARTIFACTS - 0.1), 4, None),
        (replace(CLEAN, artifacts=20.0), 2, None),
        (replace(CLEAN, artifacts=None), 4, None),
        (replace(CLEAN, artifacts=20.0), 1, None),
        (replace(CLEAN, artifacts=0.0, noise=5.0), 4, "noise of about 5 levels"),
        (replace(CLEAN, paper=0.45, ink=0.2, artifacts=ARTIFACTS), 2, "text or flat graphics"),
        (replace(CLEAN, artifacts=20.0, noise=5.0), 4, "noise of about 5 levels"),
        (replace(CLEAN, jpeg_quality=QUALITY[1] + 1, noise=NOISE[1] - 0.1), 1, None),
        (replace(CLEAN, jpeg_quality=QUALITY[1]), 1, f"JPEG of quality about {QUALITY[1]}"),
        (replace(CLEAN, noise=NOISE[1]), 1, f"noise of about {NOISE[1]:.0f} levels"),
    ],
)
def test_reasons(found: Evidence, scale: int, reason: str | None) -> None:
    assert harm(found, scale) == reason


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (CLEAN, "no sign of compression or noise"),
        (replace(CLEAN, jpeg_quality=95), "JPEG of quality about 95 did little harm"),
        (replace(CLEAN, traced_quality=90, trace=0.2), "traces of JPEG of quality about 90 did little harm"),
        (replace(CLEAN, artifacts=3.0), "artifacts of about 3 levels, better left as they are"),
    ],
)
def test_a_compressed_image_is_not_said_to_be_none(found: Evidence, reason: str) -> None:
    assert choose(found, 2) == Choice("x2-fidelity", reason)


def test_weak_noise_at_the_same_size_is_not_said_to_be_none() -> None:
    chosen = choose(replace(CLEAN, noise=NOISE[2]), 1)
    assert chosen == Choice("x2-fidelity", "noise of about 2 levels did little harm")


def test_at_the_same_size_harm_must_be_greater() -> None:
    assert QUALITY[1] < QUALITY[2] <= QUALITY[4]
    assert NOISE[1] > NOISE[2]
    compressed = replace(CLEAN, jpeg_quality=QUALITY[2])
    assert [choose(compressed, scale).model for scale in (1, 2)] == ["x2-fidelity", "x2-photo"]


def test_fast_is_for_clean_images_of_a_scale_that_has_it() -> None:
    assert choose(CLEAN, None, fast=True).model == "x4-fidelity-fast"
    assert choose(CLEAN, 2, fast=True).model == "x2-fidelity"
    assert choose(HARMED, None, fast=True).model == "x4-photo"


def test_what_transparency_hides_does_not_count() -> None:
    pixels = np.array(photograph(200))
    alpha = np.zeros((200, 200, 1), np.uint8)
    alpha[60:140, 60:140] = 255
    hidden = pixels * (alpha > 0)
    upscaler = Upscaler(scale=4, device="cpu")
    chosen = [upscaler.model_for(LoadedImage(each, alpha)) for each in (pixels, hidden)]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize(("factor", "model"), [(1.5, "x2-fidelity"), (3.0, "x3-fidelity"), (None, "x4-fidelity")])
def test_the_factor_chooses_the_scale(factor: float | None, model: str) -> None:
    image = LoadedImage(np.array(photograph(64)))
    assert Upscaler(device="cpu").model_for(image, factor).model == model


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit status."""
    monkeypatch.setattr(sys, "argv", ["srgan-kit", *words])
    try:
        main.run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_says_which_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").write_bytes(saved(photograph(96), 40))
    photograph(96).save("b.png")
    assert command(monkeypatch, "upscale", "a.jpg", "b.png", "-s", "2", "--report", "r.json") == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("a.jpg -> a_x2.png (192x192, ")
    assert first.endswith(" s, x2-photo: JPEG of quality about 40)")
    assert second.endswith(" s, x2-fidelity: no sign of compression or noise)")
    report = json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert report["model"] == "auto"
    assert [(each["model"], each["choice"]) for each in report["images"]] == [
        ("x2-photo", "JPEG of quality about 40"),
        ("x2-fidelity", "no sign of compression or noise"),
    ]
    assert command(monkeypatch, "models", "--for", "a.jpg") == 0
    assert "a.jpg: -s 4: x4-photo: JPEG of quality about 40" in capsys.readouterr().out
    assert command(monkeypatch, "upscale", "a.jpg", "-m", "x4-photo", "--fast") == 2
    assert "--fast and -m x4-photo: --fast chooses the model" in capsys.readouterr().err
    assert command(monkeypatch, "upscale", "b.png", "--fit", "100x100", "--fast", "-s", "2") == 2
    assert command(monkeypatch, "demo", "-m", "auto") == 2
    assert "model auto: chooses for each image" in capsys.readouterr().err
    assert command(monkeypatch, "upscale", "b.png", "--fit", "150x150") == 0
    assert ", x2-fidelity: " in capsys.readouterr().out
    assert command(monkeypatch, "upscale", "b.png", "-s", "3", "--fast") == 0
    assert "note: --fast has no effect up to 3 times" in capsys.readouterr().err
