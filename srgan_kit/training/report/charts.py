"""Line charts as SVG, without scripts: colours come from the page's style sheet, so they follow light and dark."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from srgan_kit.training.report.log import Points

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 22
"""Margins around the plot."""
MOST_POINTS = 240
"""Of a line; of more, neighbours are averaged."""
STRIPS = 60
"""Most places where pointing shows the values."""
SMOOTHED_FROM = 40
"""Points from which on a line is drawn smooth, over the values themselves."""
LOGARITHMIC_FROM = 50.0
"""How many times the least value of positive ones the largest must be for a logarithmic scale."""
REACH = 1.0
"""References farther outside than this many ranges of the values are written down, not drawn."""
COLOURS = 8


@dataclass(frozen=True)
class Chart:
    """A figure: lines over the steps."""

    title: str
    """What it shows."""
    meaning: str
    """How to read it, in a sentence."""
    lines: dict[str, Points]
    """By the name in the legend; at least one, each with a point or more."""
    references: dict[str, float] = field(default_factory=dict)
    """Levels to compare with, by name: drawn as broken lines."""
    percent: bool = False
    """Whether the values are fractions."""
    noisy: bool = True
    """Whether many points are drawn smooth, over the values themselves."""


def draw(chart: Chart) -> str:
    """The chart with its legend as an HTML figure."""
    lines = {name: thinned(points, MOST_POINTS) for name, points in chart.lines.items()}
    scale = Scale.of(lines, chart.references, may_be_logarithmic=not chart.percent)
    inside = {name: value for name, value in chart.references.items() if scale.holds(value)}
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        *_axes(scale, chart.percent),
        *(
            f'<line class="reference r{place % 2}" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
            f'y1="{scale.y(value):.1f}" y2="{scale.y(value):.1f}"/>'
            for place, value in enumerate(inside.values())
        ),
        *(part for place, points in enumerate(lines.values()) for part in _line(points, scale, place, chart.noisy)),
        *_strips(lines, scale, chart.percent),
        "</svg>",
    ]
    caption = f"<figcaption><b>{escape(chart.title)}</b> {escape(chart.meaning)}</figcaption>"
    return f"<figure>{caption}{''.join(parts)}{_legend(chart, [*inside])}</figure>"


@dataclass(frozen=True)
class Scale:
    """From steps and values to places on the chart."""

    first: float
    last: float
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, lines: dict[str, Points], references: dict[str, float], may_be_logarithmic: bool = True) -> "Scale":
        """The scale on which most of the values, and references that are near, are seen."""
        steps = [step for points in lines.values() for step, _ in points]
        values = sorted(value for points in lines.values() for _, value in points)
        cut = len(values) // 200  # a first record may be a hundred times all others
        values = values[cut : len(values) - cut]
        logarithmic = may_be_logarithmic and values[0] > 0 and values[-1] > LOGARITHMIC_FROM * values[0]
        to_scale = math.log10 if logarithmic else float
        low, high = to_scale(values[0]), to_scale(values[-1])
        room = REACH * (high - low)
        for value in references.values():
            place = to_scale(value) if value > 0 or not logarithmic else -math.inf
            if low - room <= place <= high + room:
                low, high = min(low, place), max(high, place)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        first, last = min(steps), max(steps)
        return cls(first, last if last > first else first + 1, low - margin, high + margin, logarithmic)

    def holds(self, value: float) -> bool:
        """Whether a level is on the chart."""
        return (value > 0 or not self.logarithmic) and self.low <= self._scaled(value) <= self.high

    def x(self, step: float) -> float:
        """Pixels from the left."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (step - self.first) / (self.last - self.first)

    def y(self, value: float) -> float:
        """Pixels from the top; values outside are put at the edge."""
        part = (self._scaled(value) - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, part)))

    def levels(self) -> list[float]:
        """Where lines help the eye: round values."""
        if not self.logarithmic:
            return ticks(self.low, self.high)
        whole = [10.0**power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]
        return whole[:: 1 + len(whole) // 6] if len(whole) > 1 else ticks(10**self.low, 10**self.high)

    def _scaled(self, value: float) -> float:
        if not self.logarithmic:
            return value
        return math.log10(value) if value > 0 else -math.inf


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within a range, at most so many.

    >>> ticks(0.0, 1.0), ticks(27.3, 31.9)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [28.0, 29.0, 30.0, 31.0])
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * power
        found = [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
        if len(found) <= most:
            break
    return [float(f"{value:.10g}") for value in found]


def labels(levels: Sequence[float], percent: bool = False) -> list[str]:
    """Round values as text, with as many digits as tell them apart.

    >>> labels([1.0, 1.0025, 1.005]), labels([0.1, 0.2], percent=True), labels([1e-05, 1e-04])
    (['1', '1.0025', '1.005'], ['10%', '20%'], ['1e-05', '0.0001'])
    """
    unit, sign = (100, "%") if percent else (1, "")
    for digits in range(3, 8):
        texts = [f"{float(f'{unit * value:.{digits}g}'):.{digits}g}{sign}" for value in levels]
        apart = len({*texts}) == len(texts)
        if apart and all(
            math.isclose(float(text.rstrip("%")), unit * value) for text, value in zip(texts, levels, strict=True)
        ):
            break
    return texts


def thinned(points: Points, most: int) -> Points:
    """At most so many points: the means of neighbours; the last one stays as it is."""
    if len(points) <= most:
        return points
    edges = [round(number * (len(points) - 1) / (most - 1)) for number in range(most)]
    groups = [points[start:end] for start, end in pairwise(edges)]
    means = [(group[len(group) // 2][0], statistics.fmean(value for _, value in group)) for group in groups]
    return [*means, points[-1]]


def smoothed(points: Points) -> Points:
    """Each value's mean with its neighbours, a tenth of all; fewer at the start, and at the end those before it."""
    reach = max(1, len(points) // 20)
    values = [value for _, value in points]
    means: Points = []
    for place, (step, _) in enumerate(points):
        before = min(reach, place)
        means.append((step, statistics.fmean(values[place - before : place + before + 1])))
    return means


def number(value: float, percent: bool = False) -> str:
    """A value as people read it.

    >>> number(0.123456), number(31.2249), number(1234567.0), number(1e-06), number(0.5, percent=True)
    ('0.123', '31.22', '1,230,000', '1e-06', '50%')
    """
    if percent:
        return f"{100 * value:.3g}%"
    if 10 <= abs(value) < 1000:
        return f"{value:.4g}"
    if 1000 <= abs(value) < 1e9:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _axes(scale: Scale, percent: bool) -> list[str]:
    parts: list[str] = []
    levels = scale.levels()
    for value, text in zip(levels, labels(levels, percent), strict=True):
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="level" x="{LEFT - 6}" y="{y + 4:.1f}">{text}</text>')
    for step in ticks(scale.first, scale.last):
        x = min(max(scale.x(step), LEFT + 4), WIDTH - RIGHT - 16)
        parts.append(f'<text class="step" x="{x:.1f}" y="{HEIGHT - 6}">{number(step)}</text>')
    return parts


def _line(points: Points, scale: Scale, place: int, noisy: bool) -> list[str]:
    colour = f"c{place % COLOURS}"
    if len(points) == 1:
        ((step, value),) = points
        return [f'<circle class="{colour}" cx="{scale.x(step):.1f}" cy="{scale.y(value):.1f}" r="2"/>']
    if not noisy or len(points) < SMOOTHED_FROM:
        return [_path(points, scale, colour)]
    return [_path(points, scale, f"raw {colour}"), _path(smoothed(points), scale, colour)]


def _path(points: Points, scale: Scale, kind: str) -> str:
    places = " ".join(f"{scale.x(step):.1f},{scale.y(value):.1f}" for step, value in points)
    return f'<polyline class="{kind}" points="{places}"/>'


def _strips(lines: dict[str, Points], scale: Scale, percent: bool) -> list[str]:
    """Places that say the values when they are pointed at."""
    steps = sorted({step for points in lines.values() for step, _ in points})
    steps = steps[:: -(-len(steps) // STRIPS)]
    by_step = {name: dict(points) for name, points in lines.items()}
    width = (WIDTH - LEFT - RIGHT) / max(1, len(steps))
    parts: list[str] = []
    for step in steps:
        said = [f"{name}: {number(known[step], percent)}" for name, known in by_step.items() if step in known]
        left = min(max(scale.x(step) - width / 2, LEFT), WIDTH - RIGHT - width)
        title = escape("\n".join([f"step {step:,}", *said]))
        parts.append(
            f'<rect x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}">'
            f"<title>{title}</title></rect>"
        )
    return parts


def _legend(chart: Chart, inside: Sequence[str]) -> str:
    """The lines with their last values, and the references with theirs."""
    entries = [
        f'<li><i class="c{place % COLOURS}"></i>{escape(name)} <b>{number(points[-1][1], chart.percent)}</b></li>'
        for place, (name, points) in enumerate(chart.lines.items())
    ]
    for name, value in chart.references.items():
        mark = f'<i class="reference r{inside.index(name) % 2}"></i>' if name in inside else ""
        outside = "" if name in inside else " (outside the chart)"
        entries.append(f"<li>{mark}{escape(name)} <b>{number(value, chart.percent)}</b>{outside}</li>")
    return f"<ul>{''.join(entries)}</ul>"
