"""`srgan-kit upscale --compare`: a page of what was done, and the rules for its file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from srgan_kit.generators.super_resolution.residual import ResidualSRConfig
from srgan_kit.models.super_resolution import save_model

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images, something broken, and a network of little work."""
    config = ResidualSRConfig(channels=4, groups=1, convolutions=1)
    save_model(config.build(), config, tmp_path / "tiny.safetensors", {})
    for name in ("a.png", "b.jpg"):
        Image.effect_noise((12, 9), 60).convert("RGB").save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_shows_what_was_done(folder: Path, command: Command) -> None:
    inputs = ("a.png", "b.jpg", "broken.png")
    status, out, err = command("upscale", *inputs, "-m", "tiny.safetensors", "--compare", "page.html")
    assert (status, out.count("->"), err.count("error: broken.png")) == (1, 2, 1)
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.count("<section") == 2
    for words in ("a.png → a_x4.png", "b.jpg, JPEG, 12 × 9", "b_x4.png, PNG, 48 × 36", "tiny, x4"):
        assert words in page
    assert "broken" not in page


def test_nothing_done_is_no_page(folder: Path, command: Command) -> None:
    status, _, err = command("upscale", "broken.png", "-m", "tiny.safetensors", "--compare", "page.html")
    assert status == 1
    assert err.endswith("note: page.html: not written, for no image was upscaled\n")
    assert not (folder / "page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("a.png", "--compare", "tiny.safetensors"), "tiny.safetensors: expected a name ending in .html"),
        (("a.png", "--compare", "there.html"), "there.html: exists already; --overwrite replaces it"),
        (("a.png", "--compare", "no/page.html"), "no/page.html: there is no folder no"),
        (("-", "--compare", "page.html", "-o", "x.png"), "--compare page.html: reads inputs and results again"),
        (("a.png", "--compare", "page.html", "-o", "-"), "--compare page.html: reads inputs and results again"),
        (("a.png", "--compare", "r.html", "--report", "r.html"), "--compare r.html: is what --report names"),
        (("page.html", "--compare", "page.html"), "--compare page.html: is an input as well"),
        (
            ("a.png", "--compare", "page.html", "-o", "./a.png", "--overwrite"),
            "--compare page.html: a.png would be replaced by its result",
        ),
    ],
)
def test_a_wrong_page_is_an_error_before_the_work(
    folder: Path, command: Command, arguments: tuple[str, ...], expected: str
) -> None:
    (folder / "there.html").write_text("mine")
    status, out, err = command("upscale", *arguments, "-m", "tiny.safetensors")
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {expected}")
    assert err.count("\n") == 1
    assert (folder / "there.html").read_text() == "mine"
    assert not (folder / "a_x4.png").exists()


def test_overwrite_replaces_a_page(folder: Path, command: Command) -> None:
    (folder / "there.html").write_text("mine")
    status, *_ = command("upscale", "a.png", "-m", "tiny.safetensors", "--compare", "there.html", "--overwrite")
    assert status == 0
    assert (folder / "there.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_names_that_are_not_utf_8_are_shown_as_well_as_can_be(folder: Path, command: Command) -> None:
    name = os.fsdecode(b"bad\xff.png")
    try:
        (folder / "a.png").rename(name)
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    status, *_ = command("upscale", name, "-m", "tiny.safetensors", "--compare", "page.html")
    assert status == 0
    assert "bad\\udcff.png" in (folder / "page.html").read_text(encoding="utf-8")
