"""The comparison page: what it embeds, and how it answers mouse, touch and keyboard in a browser."""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from srgan_kit.errors import UserError
from srgan_kit.images.image import LoadedImage
from srgan_kit.upscaling.comparison import page as pages
from srgan_kit.upscaling.comparison.page import Pair, page, write_comparison
from srgan_kit.upscaling.comparison.views import LOSSLESS, detailed_boxes, views

RED, BLUE = (200, 30, 30), (30, 30, 200)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, channels), dtype=np.uint8)


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def bicubic(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def make_pair(folder: Path, before: np.ndarray, after: np.ndarray, name: str = "a") -> Pair:
    Image.fromarray(before).save(folder / f"{name}.png")
    Image.fromarray(after).save(folder / f"{name}_x4.png")
    size = after.shape[1], after.shape[0]
    return Pair(folder / f"{name}.png", folder / f"{name}_x4.png", size, "x4-some", "a <reason>", 1.25, ["a note"])


# --- what is embedded -------------------------------------------------------------------------------------------------


def test_a_small_result_is_embedded_as_it_is_beside_the_bicubic_of_its_input() -> None:
    before, after = noise(10, 14), noise(40, 56)
    (view,) = views(LoadedImage(before), LoadedImage(after), 10**6).parts
    assert np.array_equal(np.asarray(decoded(view.after)), after)
    assert np.array_equal(np.asarray(decoded(view.before)), bicubic(before, (56, 40)))


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_and_16_bits_are_shown(channels: int) -> None:
    before, after = (noise(side, side, channels).astype(np.uint16) * 257 for side in (8, 24))
    alphas = [noise(side, side, 1).astype(np.uint16) * 257 for side in (8, 24)]
    shown = views(LoadedImage(before, alphas[0]), LoadedImage(after, alphas[1]), 10**6).parts[0]
    expected = np.concatenate([after, alphas[1]], 2) // 257
    assert np.array_equal(np.asarray(decoded(shown.after)), expected)
    assert decoded(shown.before).mode == ("LA" if channels == 1 else "RGBA")


def test_a_large_opaque_view_is_a_jpeg_with_its_colours_not_subsampled() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    side = int(LOSSLESS**0.5) // 4 * 4 + 4
    smooth = bicubic(noise(6, 6), (side, side))
    before, after = LoadedImage(smooth[::4, ::4], icc=profile), LoadedImage(smooth, icc=profile)
    image = decoded(views(before, after, 10**7).parts[0].after)
    assert image.format == "JPEG"
    assert image.info["icc_profile"] == profile
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # pyright: ignore[reportAttributeAccessIssue]
    assert np.abs(np.asarray(image).astype(int) - smooth).max() <= 8


def test_the_parts_are_where_the_detail_is() -> None:
    pixels = np.full((40, 40, 3), 100, np.uint8)
    pixels[10:20, 30:40] = noise(10, 10)
    pixels[30:40, 0:10] = noise(10, 10)
    boxes = detailed_boxes(pixels, (160, 160), 4 * 40 * 40)
    assert len(boxes) == 4
    assert {(120, 40, 160, 80), (0, 120, 40, 160)} <= set(boxes)
    assert boxes == sorted(boxes, key=lambda box: (box[1], box[0]))


@pytest.mark.parametrize("size", [(1, 500), (500, 1), (37, 211), (3, 3)])
def test_parts_lie_inside_and_take_no_more_than_the_room(size: tuple[int, int]) -> None:
    boxes = detailed_boxes(noise(size[1], size[0]), (4 * size[0], 4 * size[1]), 400)
    assert 1 <= len(boxes) <= 4
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 4 * size[0]
        assert 0 <= top < bottom <= 4 * size[1]
    assert sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes) <= 400


def test_a_part_of_the_input_is_that_part_of_the_whole_enlarged() -> None:
    before, after = noise(30, 50), noise(75, 125)  # x2.5
    shown = views(LoadedImage(before), LoadedImage(after), 4 * 20 * 20)
    whole = bicubic(before, (125, 75)).astype(int)
    assert len(shown.parts) == 4
    for view in shown.parts:
        left, top, right, bottom = view.box
        assert np.array_equal(np.asarray(decoded(view.after)), after[top:bottom, left:right])
        assert np.abs(np.asarray(decoded(view.before)) - whole[top:bottom, left:right]).max() <= 1
    assert max(decoded(shown.overview).size) == 50


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_was_made_of_what_and_escapes_it(tmp_path: Path) -> None:
    text = page([make_pair(tmp_path, noise(8, 8), noise(32, 32), "<b>&")])
    for words in ("x4-some: a &lt;reason&gt;", "1.2 s", "8 × 8", "32 × 32", "a note", "whole, without loss (PNG)"):
        assert words in text
    assert "&lt;b&gt;&amp;.png" in text
    assert "<b>&" not in text


def test_a_page_of_many_images_shares_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(tmp_path, noise(8, 8), noise(32, 32))
    monkeypatch.setattr(pages, "ROOM", 4000)
    assert "whole" in page([pair] * 3)
    assert "4 parts with the most detail, 88% of the result" in page([pair] * 4)
    monkeypatch.setattr(pages, "MOST_IMAGES", 2)
    assert "1 more images are not shown" in page([pair] * 3)


def test_what_cannot_be_shown_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(tmp_path, noise(8, 8), noise(32, 32))
    monkeypatch.setattr(pages, "LARGEST_RESULT", 32 * 32 - 1)
    assert "Not shown" in page([pair])
    monkeypatch.undo()
    pair.source.unlink()
    assert re.search(r"Not shown.*No such file", page([pair]))


def test_a_page_replaces_nothing_unasked(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    pair = make_pair(tmp_path, noise(8, 8), noise(32, 32))
    with pytest.raises(UserError, match=r"page\.html: exists already"):
        write_comparison(tmp_path / "page.html", [pair], replace=False)
    assert (tmp_path / "page.html").read_text() == "mine"
    assert len([*tmp_path.iterdir()]) == 3


# --- in a browser -----------------------------------------------------------------------------------------------------


@contextmanager
def opened(browser: Any, folder: Path, pairs: list[Pair], **options: Any) -> Iterator[Any]:
    """The page in a window of its own; it asks for nothing else, and its script finds nothing wrong."""
    write_comparison(folder / "page.html", pairs)
    context = browser.new_context(viewport={"width": 800, "height": 700}, **options)
    tab = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text))
    tab.goto((folder / "page.html").as_uri())
    yield tab
    context.close()
    assert [url for url in asked if not url.startswith("data:")] == [(folder / "page.html").as_uri()]
    assert wrong == []


def window(tab: Any) -> np.ndarray:
    """The two images as they are on the screen."""
    return np.asarray(Image.open(io.BytesIO(tab.locator(".window").first.screenshot())).convert("RGB")).astype(int)


def border(tab: Any) -> float:
    """Where red (the input) gives way to blue (the result), as a fraction of the width; the height is a line that
    neither the handle nor a label touches."""
    row = window(tab)[40]
    is_red = row[:, 0] > row[:, 2]
    return float(is_red.mean())


def two_colours(folder: Path) -> Pair:
    return make_pair(folder, np.full((25, 25, 3), RED, np.uint8), np.full((100, 100, 3), BLUE, np.uint8))


def value(tab: Any) -> int:
    return int(tab.get_by_role("slider").get_attribute("aria-valuenow"))


def test_the_mouse_moves_the_slider(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, [two_colours(tmp_path)]) as tab:
        assert border(tab) == pytest.approx(0.5, abs=0.01)
        box = tab.locator(".window").bounding_box()
        middle = box["y"] + box["height"] / 2
        tab.mouse.move(box["x"] + box["width"] / 2, middle)
        tab.mouse.down()
        tab.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
        tab.mouse.up()
        assert border(tab) == pytest.approx(0.25, abs=0.01)
        assert value(tab) == 25
        tab.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + 60)  # beside the line
        assert border(tab) == pytest.approx(0.8, abs=0.01)


def test_the_keyboard_moves_the_slider_and_its_focus_is_seen(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, [two_colours(tmp_path)]) as tab:
        before = window(tab)
        tab.keyboard.press("Tab")
        slider = tab.get_by_role("slider")
        assert slider.evaluate("each => document.activeElement === each")
        assert np.abs(window(tab) - before).max() > 50  # a ring around the knob
        for _ in range(5):
            tab.keyboard.press("ArrowRight")
        assert (value(tab), slider.get_attribute("aria-valuetext")) == (60, "60 % input")
        assert border(tab) == pytest.approx(0.6, abs=0.01)
        for key, expected in (("ArrowDown", 58), ("PageDown", 48), ("End", 100), ("ArrowRight", 100), ("Home", 0)):
            tab.keyboard.press(key)
            assert value(tab) == expected
        assert border(tab) < 0.01


def test_a_finger_moves_the_slider_two_zoom_and_one_moves_the_zoomed_image(browser: Any, tmp_path: Path) -> None:
    with opened(browser, tmp_path, [two_colours(tmp_path)], has_touch=True, is_mobile=True) as tab:
        box = tab.locator(".window").bounding_box()
        wire = tab.context.new_cdp_session(tab)

        def touch(kind: str, *places: tuple[float, float]) -> None:
            points = [
                {"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y, "id": number}
                for number, (x, y) in enumerate(places)
            ]
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", (0.5, 0.5))
        touch("touchMove", (0.6, 0.5))
        touch("touchMove", (0.75, 0.5))
        touch("touchEnd")
        assert value(tab) == 75
        assert border(tab) == pytest.approx(0.75, abs=0.01)
        touch("touchStart", (0.2, 0.4), (0.4, 0.4))
        touch("touchMove", (0.1, 0.4), (0.5, 0.4))
        touch("touchEnd")
        stage = tab.locator(".stage")

        def style(name: str) -> float:
            return float(stage.evaluate(f"e => parseFloat(e.style.getPropertyValue('--{name}'))"))

        x, width = style("x"), style("width")
        assert width / box["width"] == pytest.approx(2, rel=0.05)
        assert value(tab) == 75
        touch("touchStart", (0.3, 0.3))
        touch("touchMove", (0.2, 0.3))
        touch("touchMove", (0.1, 0.3))
        touch("touchEnd")
        assert x - style("x") == pytest.approx(
            0.2 * box["width"], rel=0.3
        )  # a browser keeps the first few pixels to itself
        assert value(tab) == 75


def test_zoomed_to_pixels_the_screen_shows_those_of_the_result(browser: Any, tmp_path: Path) -> None:
    before, after = noise(300, 450), noise(1200, 1800)
    with opened(browser, tmp_path, [make_pair(tmp_path, before[:100, :150], after[:400, :600])]) as tab:
        tab.get_by_role("slider").focus()
        tab.keyboard.press("Home")
        tab.get_by_role("button", name="One pixel").click()
        assert tab.locator("output").inner_text() == "100 %"
        shown = window(tab)
        part = after[100:300, 100:500]  # where neither the handle nor a label is
        places = [(top, left) for top in range(shown.shape[0] - 200) for left in range(shown.shape[1] - 400)]
        assert any(
            np.array_equal(shown[y : y + 200, x : x + 400], part)
            for y, x in places
            if (shown[y, x] == part[0, 0]).all()
        )
        tab.get_by_role("slider").focus()
        for _ in range(6):
            tab.keyboard.press("+")
        assert int(tab.locator("output").inner_text()[:-2]) > 1000
        assert tab.locator(".pixelated").count() == 1
        row = window(tab)[200]
        assert len({tuple(pixel) for pixel in row[60:-60]}) < 80  # squares, not a gradient
        tab.keyboard.press("0")
        assert tab.locator(".zoomed").count() == 0


def test_the_parts_of_a_large_image_are_chosen_by_buttons(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOM", 4 * 50 * 50)
    with opened(browser, tmp_path, [make_pair(tmp_path, noise(50, 50), noise(200, 200))]) as tab:
        assert tab.locator(".stage:visible").get_attribute("data-part") == "0"
        tab.get_by_role("button", name="Part 3").click()
        assert tab.locator(".stage:visible").get_attribute("data-part") == "2"
        assert tab.get_by_role("button", pressed=True).inner_text() == "3"
        assert window_of_visible(tab).std() > 20


def window_of_visible(tab: Any) -> np.ndarray:
    shot = tab.locator(".stage:visible .window").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
