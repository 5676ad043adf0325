"""Pages of studies are what their scripts write from the committed results."""

import sys
from pathlib import Path

import pytest

from scripts.experiments import crops, photo_models
from scripts.lib.results import Results


def test_the_page_of_the_photo_models_has_what_was_measured() -> None:
    rows = Results(photo_models.RESULTS).latest(*photo_models.KEY)
    assert f"-->\n{photo_models.page(rows)}\n<!--" in photo_models.PAGE.read_text(encoding="utf-8")
    assert {row["set"] for row in rows} <= photo_models.SETS.keys()


def test_the_share_over_another_is_of_the_means() -> None:
    rows = [
        {"set": "light, x4", **{name: {"lpips_like": 0.2, "lpips_vgg": 0.4, "psnr_y": 30.0} for name in each}}
        for each in [photo_models.compared(4)] * 2
    ]
    rows[0]["bicubic"] = {"lpips_like": 0.1, "lpips_vgg": 0.2, "psnr_y": 20.0}
    lines = photo_models.page(rows).splitlines()
    assert "| bicubic | 0.150 / 0.300 / 25.00 |" in lines
    assert lines[-1] == "| light, x4, x4-photo | +33.3 / +33.3 | +0.0 / +0.0 |"


def test_the_page_of_the_crops_has_what_was_measured() -> None:
    assert crops.table(Results(crops.RESULTS)) in crops.PAGE.read_text(encoding="utf-8")


def test_measuring_again_without_the_data_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "photo_models.jsonl"
    results.write_text('{"set": "light, x4", "number": 0, "x4-photo": {"psnr_y": 30.0}}\n')
    monkeypatch.setattr(photo_models, "RESULTS", results)
    monkeypatch.delenv("SRGAN_KIT_DATA", raising=False)
    for arguments in (["--again", "x4-photo"], ["--again", "x4-photo", "--render"], ["--again", "number"]):
        monkeypatch.setattr(sys, "argv", ["", *arguments])
        with pytest.raises(SystemExit):
            photo_models.main()
    assert "x4-photo" in results.read_text()
