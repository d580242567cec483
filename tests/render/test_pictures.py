"""Charts, and the files that are made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.render.chart import MOST_POINTS, Chart, Series, chart_of
from bwctl.render.font import HEIGHT as FONT_HEIGHT
from bwctl.render.font import WIDTH as FONT_WIDTH
from bwctl.render.font import dots
from bwctl.render.layout import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Ink, draw, ticks
from bwctl.render.png import png
from bwctl.render.replies import MOST_PACKETS, replies
from bwctl.render.svg import svg
from bwctl.results import TestResult
from bwctl.values import Report
from tests.render.results import GOOD, LATENCY, SPEC, TRACE, with_reports
from tests.support.pictures import read_png, read_svg


def rates(*values: float, **more: Any) -> Report:
    """A report with an interval of a second for each rate."""
    intervals = [
        {"start_s": number, "end_s": number + 1, "bits_per_second": value, **more}
        for number, value in enumerate(values)
    ]
    return Report(tool="t", summary={"bits_per_second": 1e9}, intervals=intervals)


BOTH = with_reports(rates(1e9, 3e9, 2e9), rates(2e9, 4e9, 3e9))


def chart(result: TestResult) -> Chart:
    found = chart_of(result)
    assert found is not None
    return found


class ChartTests(SynchronousTestCase):
    """chart_of."""

    def test_throughput(self) -> None:
        """A line for each end, a point in the middle of each interval."""
        found = chart(BOTH)
        self.assertEqual([one.name for one in found.series], ["received", "sent"])
        self.assertEqual(list(found.series[0].points), [(0.5, 1e9), (1.5, 3e9), (2.5, 2e9)])
        self.assertEqual(found.title, "iperf3 TCP, 3 s, 127.0.0.2 -> 127.0.0.1")
        self.assertEqual(found.subtitle, "2026-11-21T19:06:10Z")

    def test_omitted(self) -> None:
        """What --omit leaves out is not drawn."""
        report = rates(9e9, 1e9)
        intervals = [{**report.intervals[0], "omitted": True}, report.intervals[1]]
        found = chart(with_reports(replace(report, intervals=intervals), None))
        self.assertEqual(found.series[0].name, "rate")
        self.assertEqual(list(found.series[0].points), [(1.5, 1e9)])

    def test_latency(self) -> None:
        """The round trip of each packet; a lost one is a gap."""
        [series] = chart(LATENCY).series
        self.assertEqual(series.name, "RTT")
        self.assertEqual(list(series.points), [(1, 0.02), (2, None), (3, 0.06)])

    def test_one_way(self) -> None:
        """One-way delays, below 0 where the clocks disagree."""
        intervals = [{"seq": 0, "owd_ms": -3.5}, {"seq": 1, "owd_ms": 1.0}]
        report = Report(
            tool="owamp", summary={"sent": 3, "owd_ms": {"min": -3.5}}, intervals=intervals
        )
        found = chart(replace(LATENCY, sender=replace(LATENCY.sender, report=report)))
        self.assertEqual(found.series[0].name, "one-way delay")
        self.assertEqual(list(found.series[0].points), [(0, -3.5), (1, 1.0), (2, None)])
        texts, lines = read_svg(svg(draw(found)))
        self.assertTrue({"-4", "0", "1"} <= set(texts), texts)
        self.assertTrue(all(TOP <= y <= HEIGHT for line in lines for _, y in line))

    def test_trace(self) -> None:
        """The mean round trip to each hop; a silent one is a gap."""
        [series] = chart(TRACE).series
        self.assertEqual(list(series.points), [(1, 0.5), (2, None), (3, 10.5)])

    def test_nothing_to_draw(self) -> None:
        """No intervals, no chart."""
        empty = with_reports(rates(), None)
        unknown = with_reports(Report(tool="t", intervals=[{"start_s": 0, "end_s": 1}]), None)
        silent = replace(LATENCY, sender=replace(LATENCY.sender, report=None))
        for result in (TestResult(), empty, unknown, silent):
            self.assertIsNone(chart_of(result))

    def test_many_points(self) -> None:
        """A long test is thinned out, and keeps its length and its mean."""
        found = chart(with_reports(rates(*[1e9, 3e9] * 9000), None))
        points = found.series[0].points
        self.assertEqual(len(points), MOST_POINTS)
        self.assertAlmostEqual(points[-1][0], 17985.0)
        self.assertEqual({y for _, y in points}, {2e9})


def answered(intervals: list[dict[str, Any]], packets: int) -> TestResult:
    """A latency test in which so many packets were sent."""
    report = Report(tool="ping", summary={"sent": packets}, intervals=intervals)
    return replace(LATENCY, sender=replace(LATENCY.sender, report=report))


class RepliesTests(SynchronousTestCase):
    """replies."""

    def test_gaps(self) -> None:
        """Lost packets have their place: at the begin, in the middle and at the end."""
        for numbers, packets, expected in (
            ((2, 4), 5, [(1, None), (2, 2.0), (3, None), (4, 4.0), (5, None)]),
            ((0, 1), 2, [(0, 0.0), (1, 1.0)]),
            ((1, 2), 0, [(1, 1.0), (2, 2.0)]),
            ((), 5, []),
        ):
            intervals = [{"seq": number, "rtt_ms": float(number)} for number in numbers]
            self.assertEqual(replies(answered(intervals, packets)), expected)

    def test_hostile_numbers(self) -> None:
        """Numbers that no packet can have do not make a list of that length."""
        for number in (10**9, -5, 10**29):
            intervals = [{"seq": number, "rtt_ms": 1.0}, {"seq": 1, "rtt_ms": 2.0}]
            self.assertEqual(len(replies(answered(intervals, 3))), 2)
        many = answered([{"rtt_ms": 1.0}] * 200_000, 0)
        self.assertEqual(len(replies(many)), MOST_PACKETS)
        self.assertEqual(len(replies(answered([{"seq": 1, "rtt_ms": 1.0}], 10**9))), 1)


class LayoutTests(SynchronousTestCase):
    """Axes."""

    def test_ticks(self) -> None:
        """Steps of 1, 2 or 5, from 0 to the top or beyond it."""
        cases: dict[float, list[float]] = {
            6: [0, 1, 2, 3, 4, 5, 6],
            6.1: [0, 2, 4, 6, 8],
            30: [0, 5, 10, 15, 20, 25, 30],
            0: [0, 0.2, 0.4, 0.6, 0.8, 1],
            999: [0, 200, 400, 600, 800, 1000],
        }
        for top, expected in cases.items():
            for got, value in zip(ticks(top), expected, strict=True):
                self.assertAlmostEqual(got, value, msg=f"{top}")
        self.assertEqual(ticks(3, 8, 1.0), [0, 1, 2, 3])

    def test_any_size(self) -> None:
        """From a bit in an hour to more than there is; a single point too."""
        for top in (1e-12, 0.0, 1.0, 999.9, 1e9, 9.99e29):
            for values in ((top,), (top, top / 2, 0.0)):
                shapes = draw(chart(with_reports(rates(*values), None)))
                texts, lines = read_svg(svg(shapes))
                self.assertIn("0", texts)
                for x, y in (point for line in lines for point in line):
                    self.assertTrue(0 <= x <= WIDTH and 0 <= y <= HEIGHT, (top, x, y))
                read_png(png(shapes))

    def test_names_side_by_side(self) -> None:
        """Both lines are named, in their colours, without running into each other."""
        shapes = draw(chart(BOTH))
        named = {shape.text: shape for shape in shapes if getattr(shape, "text", "") in _NAMES}
        self.assertEqual(named["received"].ink, Ink.FIRST)
        self.assertEqual(named["sent"].ink, Ink.SECOND)
        self.assertLess(named["received"].x, named["sent"].x - len("sent") * 12)


_NAMES = ("received", "sent")


class SvgTests(SynchronousTestCase):
    """svg."""

    def test_content(self) -> None:
        """XML with title, units and a line through the points of each end."""
        texts, lines = read_svg(svg(draw(chart(BOTH))))
        for text in ("iperf3 TCP, 3 s, 127.0.0.2 -> 127.0.0.1", "Gbit/s", "received", "time, s"):
            self.assertIn(text, texts)
        received = lines[-1]
        self.assertEqual(len(received), 3)
        self.assertEqual(received[1][1], min(y for _, y in received))  # 3 Gbit/s is the highest
        self.assertLess(received[1][1], received[2][1])
        self.assertTrue(all(LEFT <= x <= WIDTH - RIGHT and y >= TOP for x, y in received))

    def test_hostile(self) -> None:
        """No text can become an element, or break the XML."""
        evil = "<script>&\"'\x00\x1b\ufffe\ud800]]>"
        made = Chart(
            title=evil,
            subtitle=evil,
            x_label=evil,
            unit=evil,
            scale_unit=False,
            series=[Series(evil, [(0, 1.0)])],
        )
        octets = svg(draw(made))
        texts, _ = read_svg(octets)
        self.assertIn("<script>&\"'????]]>", texts)
        self.assertNotIn(b"<script", octets)
        read_png(png(draw(made)))


class PngTests(SynchronousTestCase):
    """png."""

    def test_content(self) -> None:
        """A picture of the right size in which every colour is used, and most of it is paper."""
        picture = read_png(png(draw(chart(BOTH))))
        self.assertEqual((picture.width, picture.height), (WIDTH, HEIGHT))
        counted = picture.colours()
        for ink in Ink:
            self.assertGreater(counted[ink.value], 100, ink)
        self.assertGreater(counted[Ink.PAPER.value], WIDTH * HEIGHT * 0.8)

    def test_lines_are_whole(self) -> None:
        """The grid runs through from axis to axis."""
        picture = read_png(png(draw(chart(BOTH))))
        index = picture.palette.index(Ink.GRID.value)
        longest = max(row.count(index) for row in picture.rows)
        self.assertGreater(longest, (WIDTH - LEFT - RIGHT) * 0.97)  # the lines cross it

    def test_where_the_line_is(self) -> None:
        """A steady rate is a level line at its place between the ticks."""
        steady = with_reports(rates(5e9, 5e9, 5e9), None)
        picture = read_png(png(draw(chart(steady))))
        index = picture.palette.index(Ink.FIRST.value)
        drawn = [number for number, row in enumerate(picture.rows) if row.count(index) > 300]
        self.assertEqual(len(drawn), 2)  # pixels high
        self.assertIn(drawn[0], (TOP - 1, TOP))  # 5 is the highest tick

    def test_kinds(self) -> None:
        """Latency and trace are drawn too."""
        for result in (LATENCY, TRACE, replace(GOOD, spec=replace(SPEC, duration=9))):
            picture = read_png(png(draw(chart(result))))
            self.assertGreater(picture.colours()[Ink.FIRST.value], 20)


class FontTests(SynchronousTestCase):
    """The dots of the font."""

    def test_every_character(self) -> None:
        """All printable ones are there, all different, and within their box."""
        glyphs = {chr(code): frozenset(dots(chr(code))) for code in range(32, 127)}
        self.assertEqual(len(set(glyphs.values())), 95)
        self.assertEqual(glyphs[" "], frozenset())
        for glyph in glyphs.values():
            self.assertTrue(all(0 <= x < FONT_WIDTH and 0 <= y < FONT_HEIGHT for x, y in glyph))

    def test_shape(self) -> None:
        """A T is a bar over a post, the right way up."""
        bar, post = {(x, 0) for x in range(5)}, {(2, y) for y in range(7)}
        self.assertEqual(set(dots("T")), bar | post)

    def test_others(self) -> None:
        """What the font does not have is a question mark."""
        for character in ("\x00", "\u00e9", "\U0001f600", "\ud800", "\x7f"):
            self.assertEqual(list(dots(character)), list(dots("?")))
