"""The page of dials says what was measured, and the dials do what it says."""

import itertools
import json

import pytest

from scripts.experiments import chains, dials


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return json.loads(dials.RESULTS.read_text(encoding="utf-8"))


def along(found: dict[str, dict[str, float]], where: str, dial: str, figure: str) -> list[float]:
    return [found[f"{where}: {dial} {value:g}"][figure] for value in dials.POSITIONS]


def test_the_page_has_the_tables(found: dict[str, dict[str, float]]) -> None:
    page = dials.PAGE.read_text(encoding="utf-8")
    for part in (dials.single(found), dials.both(found), dials.origin_table(found), dials.time_table(found)):
        assert part in page
    assert chains.table(json.loads(chains.RESULTS.read_text(encoding="utf-8"))) in page


def test_detail_trades_psnr_for_distance(found: dict[str, dict[str, float]]) -> None:
    distances, psnr = (along(found, "x4 B100", "detail", figure) for figure in ("lpips_like", "psnr_y"))
    assert all(later < before for before, later in itertools.pairwise(distances))
    assert all(later < before for before, later in itertools.pairwise(psnr))
    assert all(later < before for before, later in itertools.pairwise(along(found, "x4 clean", "detail", "psnr_y")))


@pytest.mark.parametrize("where", ["x4 light", "x4 second-order", "x2 light", "x2 second-order"])
def test_denoising_brings_degraded_photographs_nearer(found: dict[str, dict[str, float]], where: str) -> None:
    distances, psnr = (along(found, where, "denoise", figure) for figure in ("lpips_like", "psnr_y"))
    gains = [dials.gain(found, where, position) for position in dials.POSITIONS]
    assert all(later > before for before, later in itertools.pairwise(gains[:4]))
    assert gains[1] < 0.45  # of weights halfway, which the dial would have in its middle without the root
    assert 0.5 < gains[2] < 0.85 < gains[3] < 1.05
    assert distances[-1] < 0.95 * distances[0]
    assert min(psnr) >= min(psnr[0], psnr[-1])  # interpolated weights are sound all along


def test_detail_is_better_drawn_on_what_was_denoised(found: dict[str, dict[str, float]]) -> None:
    for detail, denoise in itertools.product((0.5, 1.0), repeat=2):
        name = f"x4 second-order: detail {detail:g}, denoise {denoise:g}"
        assert found[name]["lpips_like"] < found[f"{name}, perceptual sees the input"]["lpips_like"]


def test_a_second_model_is_no_worse_than_bicubic() -> None:
    found = json.loads(chains.RESULTS.read_text(encoding="utf-8"))
    for factor, chain in (("x6", "x4 then x2"), ("x8", "x4 then x2"), ("x12", "x4 then x3"), ("x16", "x4 then x4")):
        alone, two = found[factor]["x4, bicubic"], found[factor][chain]
        assert two["lpips_like"] < alone["lpips_like"]
        assert two["psnr_y"] > alone["psnr_y"] - 0.005
