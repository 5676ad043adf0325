"""How large results are to be."""

from typing import Any

import pytest

from srgan_kit.errors import UserError
from srgan_kit.upscaling.sizes import ResultSize, parse_box


@pytest.mark.parametrize(
    ("wanted", "expected", "tag"),
    [
        (ResultSize(), None, "x4"),
        (ResultSize(scale=2.5), (30, 22), "x4"),
        (ResultSize(box=(40, 20)), (27, 20), "40x20"),
        (ResultSize(width=120), (120, 90), "120w"),
        (ResultSize(width=5), (5, 4), "5w"),
        (ResultSize(width=1), (1, 1), "1w"),
        (ResultSize(height=90), (120, 90), "90h"),
        (ResultSize(height=7), (9, 7), "7h"),
    ],
)
def test_one_number_keeps_the_shape(wanted: ResultSize, expected: tuple[int, int] | None, tag: str) -> None:
    assert wanted.of((12, 9)) == expected
    assert wanted.tag(4) == tag


def test_two_of_them_are_refused() -> None:
    with pytest.raises(UserError, match=r"--width and --height: .* --fit 300x200 fits into that box"):
        ResultSize(width=300, height=200)
    pairs: list[tuple[dict[str, Any], str]] = [
        ({"scale": 2, "width": 9}, "--scale and --width"),
        ({"box": (9, 9), "height": 9}, "--fit and --height"),
        ({"scale": 2, "box": (9, 9)}, "--scale and --fit"),
    ]
    for settings, names in pairs:
        with pytest.raises(UserError, match=f"{names}: expected one of them"):
            ResultSize(**settings)


def test_numbers_that_cannot_be_are_refused() -> None:
    wrong: list[dict[str, Any]] = [{"width": 0}, {"height": -3}, {"scale": 0}, {"scale": 65}, {"scale": float("nan")}]
    for settings in wrong:
        with pytest.raises(UserError, match="expected"):
            ResultSize(**settings)
    with pytest.raises(UserError, match="too many"):
        ResultSize(width=10**6).of((10, 10))


def test_a_box_is_two_numbers() -> None:
    assert parse_box("1920X1080") == (1920, 1080)
    assert parse_box(None) is None
    for text in ("x", "9", "9x", "-9x9", "9x9x9", "0x9"):
        with pytest.raises(UserError, match="--fit"):
            parse_box(text)
