"""The study of flicker: what it measures has known answers, and its page holds what was measured."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from scripts.experiments import flicker


def test_a_change_by_three_levels_is_a_flicker_of_three() -> None:
    frames = [np.full((4, 5, 3), value, np.uint8) for value in (10, 13, 10, 13)]
    assert flicker.flicker(iter(frames), lambda image: image) == 3
    assert flicker.flicker(iter(frames), lambda image: image // 2) == 1  # 5 and 6


def test_noise_alone_flickers_as_the_normal_distribution_says() -> None:
    """E|a - b| = 2 s / sqrt(pi) for independent a and b of standard deviation s, here with rounding's 1/12 added."""
    still = np.full((64, 64, 3), 128, np.uint8)
    measured = flicker.flicker(flicker.clip(still, 5, seed=0, frames=5), lambda image: image)
    assert measured == pytest.approx(2 * math.sqrt(25 + 1 / 12) / math.sqrt(math.pi), rel=0.02)


def test_bicubic_holds_still_where_there_is_no_noise() -> None:
    still = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert flicker.flicker(flicker.clip(still, 0, seed=0), flicker.bicubic(4)) == 0
    assert flicker.bicubic(3)(still).shape == (24, 24, 3)


def test_the_page_is_what_the_script_writes(tmp_path: Path) -> None:
    result = json.loads(flicker.RESULT.read_text(encoding="utf-8"))
    page = tmp_path / "video.md"
    page.write_text(flicker.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    flicker.render(result, page)
    assert page.read_text(encoding="utf-8") == flicker.PAGE.read_text(encoding="utf-8")
    models = {row["model"] for row in result["rows"]}
    assert models == set(flicker.pretrained_upscalers())
