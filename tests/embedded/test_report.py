from __future__ import annotations

import json
import re
from unittest import TestCase

from bwctl.embedded import report
from bwctl.embedded.stats import Histogram
from tests.embedded.vectors import VECTORS

FACTS = {
    "block": 8192,
    "window_local": 524288,
    "window_remote": 524288,
    "mtu": 65535,
    "mss": 32768,
    "duration": 2.0,
}


def times() -> Histogram:
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.add(milliseconds * 1_000_000)
    return histogram


class ClientTextTests(TestCase):
    """Text like C's with -v."""

    def test_header(self) -> None:
        """The header is C's, word for word."""
        self.assertEqual(report.client_header(FACTS, 8192, 1.0), VECTORS["client_stdout"][:7])

    def test_header_variants(self) -> None:
        lines = report.client_header({**FACTS, "mtu": 1234}, 65536, 0)
        self.assertEqual(lines[1], "# requested block size = 65536B; actual block size = 8192B")
        self.assertIn("Topology guess: unknown", lines[2])
        self.assertEqual(lines[4], "# test duration = 2s; intermediate reporting disabled")

    def test_lines(self) -> None:
        """Lines have C's columns."""
        entry = report.entry(1.0, 2.0, 448422375)
        interval = report.client_line(0, entry, times(), final=False)
        final = report.client_line(report.ALL, entry, times(), final=True)
        self.assertTrue(interval.startswith(" ( 0)    1.000    2.000 3587.379   "), interval)
        self.assertTrue(final.startswith("#(**)    1.000    2.000 3587.379   "), final)
        for ours, recorded in ((interval, 7), (final, 13)):
            words = VECTORS["client_stdout"][recorded].replace("( ", "(").split()
            self.assertEqual(len(ours.replace("( ", "(").split()), len(words))
        delay, jitter, low, mean, high = map(float, interval.split()[5:])
        self.assertEqual((low, mean, high), (1.0, 50.5, 100.0))
        self.assertAlmostEqual(delay, 51, delta=0.3)
        self.assertAlmostEqual(jitter, 50, delta=0.5)

    def test_idle_stream(self) -> None:
        """Nothing measured gives zeros, never a negative jitter or nan."""
        line = report.client_line(0, report.entry(1.0, 1.0, 0), Histogram(), final=False)
        self.assertEqual([float(word) for word in line.split()[4:]], [0.0] * 6)


class ServerTextTests(TestCase):
    def test_like_the_log(self) -> None:
        """A stream's line has the form of C's log."""
        line = report.server_stream_line(2.001, 622813208, 0.026, 0.205)
        form = re.sub(r"[\d.]+", "N", VECTORS["server_log"][3])
        self.assertEqual(re.sub(r"[\d.]+", "N", line), form)
        self.assertIn("average throughput = 2490.008Mb/s", line)

    def test_all_streams(self) -> None:
        entry = report.entry(0.0, 2.0, 2_500_000)
        self.assertEqual(report.server_line(entry, True), "#(**)    0.000    2.000   10.000")
        self.assertEqual(report.server_line(entry, False), " (**)    0.000    2.000   10.000")


class JSONTests(TestCase):
    def test_line(self) -> None:
        """One line: a prefix and an object that names its schema."""
        line = report.json_line({"role": "client", "error": "a\nb"})
        self.assertNotIn("\n", line)
        facts = json.loads(line.removeprefix("#json "))
        self.assertEqual(facts, {"schema": "thrulay/1", "role": "client", "error": "a\nb"})

    def test_times(self) -> None:
        """Round-trip times are microseconds, or null."""
        self.assertIsNone(report.times_us(Histogram()))
        values = report.times_us(times())
        assert values is not None
        self.assertEqual(list(values), ["min", "mean", "max", "p25", "p50", "p75"])
        self.assertEqual((values["min"], values["mean"]), (1000.0, 50500.0))

    def test_rate(self) -> None:
        self.assertEqual(report.rate(125, 1.0), 1000.0)
        self.assertEqual(report.rate(125, 0.0), 0.0)
