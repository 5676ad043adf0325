"""Where lines, levels and references lie on a chart."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srgan_kit.training.report import charts
from srgan_kit.training.report.charts import Chart, Scale, draw, smoothed, thinned, ticks

FINITE = st.floats(-1e12, 1e12)


def svg(figure: str) -> ElementTree.Element:
    (found,) = re.findall(r"<svg.*</svg>", figure, re.DOTALL)
    return ElementTree.fromstring(found)


def places(line: ElementTree.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]  # pyright: ignore


def test_a_straight_line_goes_from_corner_to_corner_within_its_margin() -> None:
    (line,) = svg(draw(Chart("t", "", {"a": [(0, 0.0), (50, 0.5), (100, 1.0)]}))).iter("polyline")
    (x0, y0), (x1, y1), (x2, y2) = places(line)
    assert (x0, x2) == (charts.LEFT, charts.WIDTH - charts.RIGHT)
    assert (x1, y1) == pytest.approx(((x0 + x2) / 2, (y0 + y2) / 2), abs=0.1)
    height = charts.HEIGHT - charts.TOP - charts.BOTTOM
    assert y0 - y2 == pytest.approx(height / 1.12, abs=0.1)  # a margin of 6 % above and below


def test_a_reference_that_is_near_is_drawn_and_one_that_is_far_is_written_down() -> None:
    lines = {"a": [(0, 31.2), (10, 31.7)]}
    figure = draw(Chart("PSNR", "", lines, {"start": 31.2, "near": 31.0, "bicubic": 28.43}))
    drawn = [line for line in svg(figure).iter("line") if line.attrib["class"].startswith("reference")]
    scale = Scale.of(lines, {"start": 31.2, "near": 31.0, "bicubic": 28.43})
    assert [float(line.attrib["y1"]) for line in drawn] == pytest.approx([scale.y(31.2), scale.y(31.0)], abs=0.05)
    assert "bicubic <b>28.43</b> (outside the chart)" in figure
    assert scale.low < 31.0 < 31.7 < scale.high


def test_values_over_several_powers_of_ten_are_on_a_logarithmic_scale_but_fractions_never() -> None:
    lines = {"a": [(0, 1.0), (1, 10.0), (2, 1000.0)]}
    scale = Scale.of(lines, {})
    assert scale.logarithmic
    assert scale.y(1.0) - scale.y(10.0) == pytest.approx((scale.y(10.0) - scale.y(1000.0)) / 2)
    assert scale.levels() == [1.0, 10.0, 100.0, 1000.0]
    assert not scale.holds(-1.0)
    assert not Scale.of(lines, {}, may_be_logarithmic=False).logarithmic
    assert not Scale.of({"a": [(0, -1.0), (1, 1000.0)]}, {}).logarithmic


def test_one_outlier_of_many_values_does_not_flatten_the_rest() -> None:
    points = [(0, 1e6), *((step, 1.0 + step / 1000) for step in range(1, 300))]
    scale = Scale.of({"a": points}, {})
    assert scale.high < 2
    assert scale.y(1e6) == charts.TOP  # at the edge


@given(FINITE, st.floats(1e-6, 1e9))
def test_levels_are_few_round_and_within_the_range(low: float, length: float) -> None:
    if low + length == low or length < 1e-9 * abs(low):
        return
    found = ticks(low, low + length)
    assert 1 <= len(found) <= 5
    assert all(low - 1e-6 * length <= level <= low + length * (1 + 1e-6) for level in found)


@given(st.lists(st.tuples(st.integers(0, 10**6), FINITE), min_size=1, max_size=60, unique_by=lambda pair: pair[0]))
def test_any_numbers_make_a_chart_whose_points_are_on_it(points: list[tuple[int, float]]) -> None:
    points.sort()
    drawn = svg(draw(Chart("a <b> & c", "", {'"x" <y>': points}, {"r": 0.0})))
    for line in drawn.iter("polyline"):
        for x, y in places(line):
            assert charts.LEFT - 0.1 <= x <= charts.WIDTH - charts.RIGHT + 0.1
            assert charts.TOP - 0.1 <= y <= charts.HEIGHT - charts.BOTTOM + 0.1


def test_of_many_points_neighbours_are_averaged_and_the_last_one_stays() -> None:
    points = [(step, float(step)) for step in range(1001)]
    few = thinned(points, 11)
    assert len(few) == 11
    assert few[-1] == (1000, 1000.0)
    assert few[0] == (50, 49.5)  # of 0 ... 99
    assert thinned(points[:11], 11) == points[:11]


def test_a_straight_line_stays_one_when_it_is_smoothed_and_noise_becomes_less() -> None:
    line = [(step, 3.0 * step) for step in range(60)]
    assert [step for step, _ in smoothed(line)] == [step for step, _ in line]
    assert [value for _, value in smoothed(line)[:57]] == pytest.approx([value for _, value in line[:57]])
    noise = [(step, math.sin(37.7 * step)) for step in range(200)]
    assert max(abs(value) for _, value in smoothed(noise)[20:]) < 0.4


def test_pointing_says_the_values_of_every_line_that_has_the_step() -> None:
    chart = Chart("t", "", {"real": [(10, 0.5), (20, 1.0)], "fake": [(20, -1.0)]})
    titles = [title.text for title in svg(draw(chart)).iter("title")]
    assert titles == ["step 10\nreal: 0.5", "step 20\nreal: 1\nfake: -1"]
