"""A chart as lines and texts at places, for any kind of picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from bwctl.render.chart import Chart, Point, Series
from bwctl.render.wording import PREFIXES

WIDTH, HEIGHT = 900, 420  # pixels
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 70, 50  # margins
TEXT_WIDTH, TEXT_HEIGHT = 12, 14  # pixels of one character
_DOTS_UP_TO = 80  # points of a line that are marked


class Ink(Enum):
    """Colours, as red, green and blue."""

    PAPER = (255, 255, 255)
    TEXT = (40, 40, 40)
    GRID = (222, 222, 222)
    FIRST = (31, 93, 170)
    SECOND = (214, 112, 20)


@dataclass(frozen=True, slots=True)
class Line:
    """Straight lines from point to point, in pixels from the upper left corner."""

    points: Sequence[tuple[float, float]]
    ink: Ink
    width: int = 1


@dataclass(frozen=True, slots=True)
class Text:
    """A text; x is its left edge, middle or right edge, y its upper edge."""

    x: float
    y: float
    text: str
    anchor: str = "start"  # or "middle", "end"
    ink: Ink = Ink.TEXT


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark on a line."""

    x: float
    y: float
    ink: Ink


Shape = Line | Text | Dot


def draw(chart: Chart) -> list[Shape]:
    """The shapes of a chart, those below first."""
    plot = _Plot(chart)
    return [*plot.grid(), *plot.captions(), *plot.lines()]


def ticks(top: float, most: int = 6, least: float = 0.0) -> list[float]:
    """Round numbers from 0 to at least `top`: at most so many steps of 1, 2 or 5, none below
    `least`."""
    top = top if top > 1e-9 else 1.0
    power = 10.0 ** math.floor(math.log10(top / most))
    steps = (unit * power for unit in (1, 2, 5, 10, 20))
    step = max(least, next(step for step in steps if step * most >= top))
    return [step * index for index in range(math.ceil(top / step - 1e-9) + 1)]


def _axis(low: float, top: float) -> list[float]:
    """Ticks from 0; from below it where clocks that disagree make delays negative."""
    if low >= 0:
        return ticks(top)
    step = ticks(max(top, 0.0) - low)[1]
    first, last = math.floor(low / step), math.ceil(max(top, 0.0) / step)
    return [step * index for index in range(first, last + 1)]


class _Plot:
    """Where things are."""

    def __init__(self, chart: Chart) -> None:
        points = [point for series in chart.series for point in series.points]
        values = [y for _, y in points if y is not None]
        top = max(values)
        self._chart = chart
        self._prefix, self._factor = _prefix(top) if chart.scale_unit else ("", 1.0)
        self._ys = _axis(min(values) / self._factor, top / self._factor)
        self._xs = ticks(max(x for x, _ in points), 8, 1.0 if chart.whole_x else 0.0)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a value in the picture."""
        width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        down = (self._ys[-1] - y) / (self._ys[-1] - self._ys[0]) * height
        return round(LEFT + x / self._xs[-1] * width, 1), round(TOP + down, 1)

    def grid(self) -> Iterator[Shape]:
        """Lines and numbers of both axes."""
        for y in self._ys:
            left, right = self._at(0, y), self._at(self._xs[-1], y)
            yield Line((left, right), Ink.GRID if y else Ink.TEXT)
            yield Text(left[0] - 8, left[1] - TEXT_HEIGHT / 2, f"{y:g}", "end")
        for x in self._xs:
            place, _ = self._at(x, 0.0)
            yield Line(((place, HEIGHT - BOTTOM), (place, HEIGHT - BOTTOM + 5)), Ink.TEXT)
            yield Text(place, HEIGHT - BOTTOM + 10, f"{x:g}", "middle")

    def captions(self) -> Iterator[Shape]:
        """Title, units, and names of the lines."""
        chart = self._chart
        most = (WIDTH - 20) // TEXT_WIDTH
        yield Text(10, 8, chart.title[:most])
        yield Text(10, 28, chart.subtitle[:most])
        yield Text(10, TOP - 24, f"{self._prefix}{chart.unit}")
        yield Text(WIDTH - RIGHT, HEIGHT - 20, chart.x_label, "end")
        right = float(WIDTH - RIGHT)
        for series, ink in reversed(list(zip(chart.series, _INKS, strict=False))):
            yield Text(right, 28, series.name, "end", ink)
            right -= (len(series.name) + 2) * TEXT_WIDTH

    def lines(self) -> Iterator[Shape]:
        """The lines themselves, the first one on top."""
        for series, ink in reversed(list(zip(self._chart.series, _INKS, strict=False))):
            yield from self._line(series, ink)

    def _line(self, series: Series, ink: Ink) -> Iterator[Shape]:
        for is_gap, group in groupby(series.points, key=_is_gap):
            places = [] if is_gap else [self._at(x, (y or 0.0) / self._factor) for x, y in group]
            if len(places) > 1:
                yield Line(places, ink, 2)
            if len(series.points) <= _DOTS_UP_TO:
                yield from (Dot(x, y, ink) for x, y in places)


_INKS = (Ink.FIRST, Ink.SECOND)


def _is_gap(point: Point) -> bool:
    return point[1] is None


def _prefix(top: float) -> tuple[str, float]:
    """The prefix of SI that fits, and its factor."""
    power = 0
    while top >= 1000 and power < len(PREFIXES) - 1:
        top /= 1000
        power += 1
    return PREFIXES[power], 1000.0**power
