"""The comparison on degraded photographs: the same low-resolution images each time, a table, a sheet."""

import json
import sys
from pathlib import Path

import pytest
import torch

from scripts.lib import photo_comparison
from scripts.pretrained import measure as measure_pretrained
from scripts.pretrained import photo_figure as photo_sheet
from srgan_kit.data.degradation import degradation_random, degrade
from srgan_kit.data.degradation_settings import LightConfig
from srgan_kit.images.resize import resize
from srgan_kit.metrics.folder import bicubic_upscaler
from srgan_kit.metrics.lpips import lpips_like

ROOT = Path(__file__).parents[2]


def test_a_photograph_is_degraded_by_its_number_alone() -> None:
    high = torch.randint(0, 256, (3, 48, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    low = photo_comparison.degraded(high, 4, "light", 3)
    assert torch.equal(low, degrade(high, 4, LightConfig(name="light"), degradation_random(2**31 + 1, 3)))
    assert not torch.equal(low, photo_comparison.degraded(high, 4, "light", 4))
    assert not torch.equal(low, photo_comparison.degraded(high, 4, "second-order", 3))


def test_the_table_has_a_row_for_each_upscaler() -> None:
    figures = {"psnr_y": 24.5, "lpips_like": 0.25, "lattice_ratio": 1.1, "lattice_pattern": 0.9}
    found = {"x4": {"light": {"bicubic": figures, "x4-fidelity": figures}, "second-order": {"bicubic": figures}}}
    found["x4"]["second-order"]["x4-fidelity"] = figures | {"psnr_y": 21.0}
    lines = photo_comparison.section(found).splitlines()
    assert "| x4 | light | second-order |" in lines
    assert "| x4-fidelity | 0.2500 / 24.50 / 1.100 / 0.90 | 0.2500 / 21.00 / 1.100 / 0.90 |" in lines


def test_the_comparison_prints_what_it_finds_on_a_few_and_writes_nothing(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = measure_pretrained.PAGE.read_text(encoding="utf-8")
    written = measure_pretrained.PHOTO.exists()
    monkeypatch.setattr(sys, "argv", ["measure_pretrained.py", "--photo", "--limit", "1"])
    measure_pretrained.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [row.split("|")[1].strip() for row in rows]
    assert names[:5] == ["x4", "bicubic", *photo_comparison.PEERS, "x4-fidelity"]
    clean, harsh = (float(cell.split("/")[1]) for cell in rows[4].split("|")[2:4])
    assert 30 > clean > harsh + 0.5 > 15  # dB
    assert measure_pretrained.PAGE.read_text(encoding="utf-8") == before
    assert measure_pretrained.PHOTO.exists() == written
    page = measure_pretrained.page(json.loads(measure_pretrained.FOUND.read_text()), {"x4": {"light": {}}})
    assert page.index("## Degraded photographs") < page.index("## Images")


def test_the_sheet_has_a_row_for_each_photograph(data_folder: Path, tmp_path: Path) -> None:
    originals = photo_sheet.sample_photographs()
    assert len(originals) == 10
    assert {tuple(each.shape) for each in originals} == {(3, photo_sheet.SIDE, photo_sheet.SIDE)}
    figure, columns = photo_sheet.sheet(originals[:2], 4, "light", data_folder)
    assert columns[:5] == ["input", "bicubic", *photo_comparison.PEERS, "x4-fidelity"]
    cell = photo_sheet.SIDE + 4
    assert figure.shape == (3, 2 * cell, len(columns) * cell)
    bicubic, original = (figure[:, 2 : cell - 2, at * cell + 2 : (at + 1) * cell - 2] for at in (1, len(columns) - 1))
    assert torch.equal(original, originals[0].float() / 255)
    low = photo_comparison.degraded(originals[0], 4, "light", 0)
    torch.testing.assert_close(bicubic, resize(low.float() / 255, 4.0).clamp(0, 1), atol=0.5 / 255 + 1e-5, rtol=0)
    with pytest.raises(photo_sheet.UserError, match="no such folder"):
        photo_sheet.photographs(tmp_path / "absent")


def test_only_the_models_named_are_measured_again(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_comparison, "pretrained_upscalers", dict)
    monkeypatch.setattr(photo_comparison, "DEGRADATIONS", {"light": photo_comparison.DEGRADATIONS["light"]})
    two = {"bicubic": bicubic_upscaler(4), "other": bicubic_upscaler(4)}
    monkeypatch.setattr(photo_comparison, "upscalers", lambda scale, data: two)
    distance = lpips_like(data_folder / "weights" / "squeezenet1_1_onnxzoo_tvkeys.pth")
    before = {"x4": {"light": {"other": {"psnr_y": 1.0}, "bicubic": {"psnr_y": 2.0}}}}
    found = photo_comparison.compare(data_folder, distance, 1, ["bicubic"], before)["x4"]["light"]
    assert list(found) == ["bicubic", "other"]
    assert found["other"] == {"psnr_y": 1.0}
    assert found["bicubic"]["psnr_y"] > 15
    assert list(photo_comparison.compare(data_folder, distance, 1, ["bicubic"])["x4"]["light"]) == ["bicubic"]
