"""What measuring the pretrained models writes, and that the pages here are what it wrote."""

import json
import os
from pathlib import Path

import pytest
import torch

from scripts.lib import paths
from scripts.pretrained import measure as measure_pretrained
from srgan_kit.models.pretrained import pretrained_upscalers, read_summary
from srgan_kit.models.super_resolution import load_model

ROOT = Path(__file__).parents[2]


def figures(**more: float) -> dict[str, float]:
    own = {"psnr_y": 31.5, "ssim_y": 0.88, "lpips_like": 0.2, "lattice_ratio": 1.1, "lattice_pattern": 0.9}
    lattice = {f"original_{name}": own[name] - 0.05 for name in ("lattice_ratio", "lattice_pattern")}
    return own | {f"bicubic_{name}": value / 2 for name, value in own.items()} | lattice | more


SPEED = {
    f"{name}_{precision}": 0.5
    for name in ("megapixels_per_second", "time_against_compact")
    for precision in ("fp32", "bf16")
} | {"threads": 2.0}


def test_the_cards_measured_part_is_put_in_once_and_replaced() -> None:
    content = measure_pretrained.table({"Set5": figures(), "speed": SPEED})
    assert "| Set5 | 31.50 / 0.8800 | 15.75 / 0.4400 | 0.2000 | 0.1000 | 1.100 / 0.90 | 1.050 / 0.85 |" in content
    once = measure_pretrained.with_table("# card\n", content)
    assert measure_pretrained.with_table(once, content) == once
    again = measure_pretrained.with_table(once + "\n## Terms\n", "other figures")
    assert "31.50" not in again
    assert again.index("# card") < again.index("other figures") < again.index("## Terms")


def test_the_page_has_a_row_for_each_model_and_leaves_open_what_has_no_files() -> None:
    page = measure_pretrained.page({"x4-fidelity": {"Set5": figures(), "speed": SPEED}})
    quality, cost = (line for line in page.splitlines() if line.startswith("| [x4-fidelity]"))
    assert quality.endswith("| x4 | 31.50 / 0.8800 | – | – | – | – |")
    assert cost.endswith("MB | 0.50 / 0.50 | 0.500 / 0.500 | Apache-2.0 |")


def test_figures_go_into_the_file_without_touching_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((ROOT / "pretrained" / "x4-fidelity.safetensors").read_bytes())
    before = load_model(path)
    measure_pretrained.write_header(path, {"Set5": figures(), "speed": SPEED})
    after = load_model(path)
    assert read_summary(path).by_set("lpips_like") == {"Set5": 0.2}
    assert after.metadata["training_data"] == before.metadata["training_data"]
    for name, value in before.network.state_dict().items():
        assert torch.equal(value, after.network.state_dict()[name])


def test_the_strip_shows_four_views_of_three_crops() -> None:
    figure = measure_pretrained.strip(load_model("x4-fidelity"))
    assert figure.shape == (3, 2 * 3 * 132, 2 * 4 * 132)
    low, bicubic, model, original = figure[:, 4:260].split(264, dim=2)  # the first row
    errors = [(view - original).square().mean() for view in (low, bicubic, model)]
    assert errors[0] > errors[1] > errors[2] > 0


def test_the_page_the_cards_and_the_headers_are_what_was_measured() -> None:
    everything = json.loads(measure_pretrained.FOUND.read_text(encoding="utf-8"))
    photos = json.loads(measure_pretrained.PHOTO.read_text(encoding="utf-8"))
    assert measure_pretrained.page(everything, photos) == measure_pretrained.PAGE.read_text(encoding="utf-8")
    assert everything.keys() == pretrained_upscalers().keys()
    for name, path in pretrained_upscalers().items():
        assert json.loads(load_model(name).metadata["measured"]) == everything[name]
        assert measure_pretrained.table(everything[name]) in path.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.skipif("SRGAN_KIT_DATA" not in os.environ, reason="SRGAN_KIT_DATA names no test images")
def test_set5_is_as_the_page_says() -> None:
    data = Path(os.environ["SRGAN_KIT_DATA"])
    written = json.loads(measure_pretrained.FOUND.read_text())["x4-fidelity"]["Set5"]
    distance = measure_pretrained.lpips_like(data / "weights" / paths.NETWORKS["lpips"])
    upscale = measure_pretrained.Upscaler(load_model("x4-fidelity"), "cpu", "fp32").upscale
    found = measure_pretrained.quality(upscale, 4, data / "sr_test" / "Set5", distance)
    for name, value in found.items():
        assert value == pytest.approx(written[name], abs=2e-3), name
