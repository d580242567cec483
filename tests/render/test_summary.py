"""The summary for people."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.render.look import Look, look_of
from bwctl.render.summary import summary_text
from bwctl.render.wording import digits, one_line, scaled, span
from bwctl.results import EndResult, ExitStatus, TestResult
from bwctl.values import Report, ToolID
from tests.render.results import GOOD, LATENCY, RECEIVER, SENDER, SPEC, TRACE, report, with_reports

GOLDEN = """\
test 1, 2026-11-21T19:06:10Z, iperf3 TCP, 3 s, 127.0.0.2 -> 127.0.0.1
  received  16.6 Gbit/s, 6.24 GB
  sent      16.7 Gbit/s, 6.26 GB
  quality   14 retransmits, RTT min/mean/max 0.05/0.1/0.25 ms
  receiver  recv.example.net: ok (3.12)
  sender    send.example.net: ok (3.20)
"""


class SummaryTests(SynchronousTestCase):
    """summary_text."""

    def test_golden(self) -> None:
        """A TCP test, the receiver's figure first."""
        self.assertEqual(summary_text(GOOD), GOLDEN)

    def test_udp(self) -> None:
        """A UDP test has loss and jitter."""
        figures = report(
            bits_per_second=5e6, lost=157, packets=1563, loss_percent=10.04, jitter_ms=0.0214
        )
        result = replace(with_reports(figures, None), spec=replace(SPEC, udp=True))
        lines = summary_text(result).splitlines()
        self.assertIn("iperf3 UDP", lines[0])
        self.assertEqual(lines[1], "  received  5.00 Mbit/s")
        self.assertEqual(lines[2], "  quality   lost 157 of 1563 packets (10 %), jitter 0.0214 ms")

    def test_more_than_was_sent(self) -> None:
        """Of a test that was cut short the ends may have counted over different times."""
        sent = report(bits_per_second=5e9, sent_bits_per_second=5e9)
        result = with_reports(report(bits_per_second=9e9), sent)
        self.assertNotIn("cut short", summary_text(result))
        failed = replace(result, failure=ExitStatus.INTERRUPTED.failure("interrupted"))
        self.assertIn("\n  note      cut short: ", summary_text(failed))

    def test_direction_when_flipped(self) -> None:
        """The arrow follows the data."""
        result = replace(GOOD, spec=replace(SPEC, server_sends=True))
        self.assertIn("127.0.0.1 -> 127.0.0.2", summary_text(result))

    def test_latency(self) -> None:
        """Packets, loss and round trips; a bar for each packet, a gap for a lost one."""
        lines = summary_text(LATENCY).splitlines()
        self.assertIn(", ping, 3 packets, 127.0.0.2 -> ", lines[0])
        self.assertEqual(
            lines[1:3],
            [
                "  result    3 sent, 1 lost (33.3 %), RTT min/mean/max 0.02/0.04/0.06 ms",
                "  packets   -x#  0.02 ms to 0.06 ms",
            ],
        )

    def test_one_way(self) -> None:
        """One-way delays have the error of the clocks beside them."""
        figures = report(
            sent=10,
            lost=0,
            duplicates=2,
            owd_ms={"min": 1.0, "median": 2.0, "max": 3.25},
            jitter_ms=0.1,
            maxerr_ms=0.8,
            synchronized=True,
        )
        result = replace(with_reports(None, figures), spec=replace(SPEC, tool=ToolID.OWAMP))
        self.assertEqual(
            summary_text(result).splitlines()[1:3],
            [
                "  result    10 sent, 0 lost, 2 duplicates, "
                "one-way delay min/median/max 1/2/3.25 ms, jitter 0.1 ms",
                "  clocks    synchronised within 0.8 ms",
            ],
        )
        figures = report(sent=1, synchronized=False, maxerr_ms=0.0)
        result = replace(with_reports(None, figures), spec=replace(SPEC, tool=ToolID.OWAMP))
        self.assertIn("  clocks    not synchronised: one-way delays", summary_text(result))

    def test_trace(self) -> None:
        """A row for each address that answered; stars for what did not."""
        lines = summary_text(TRACE).splitlines()
        self.assertIn(", traceroute, 127.0.0.2 -> ", lines[0])
        self.assertEqual(
            lines[1:7],
            [
                "  hop  address     name            RTT, ms",
                "    1  192.0.2.1   gw.example.net  0.4  0.6  *",
                "    2                              *  *  *",
                "    3  192.0.2.9                   12",
                "       192.0.2.17                  9 !H",
                "  result    the receiver was reached, path MTU 1500",
            ],
        )

    def test_sender_alone(self) -> None:
        """What only the sender knows is not called received."""
        both = {"bits_per_second": 5e6, "bytes": 5, "sent_bits_per_second": 5e6, "sent_bytes": 5}
        text = summary_text(with_reports(None, report(**both)))
        self.assertIn("  sent      5.00 Mbit/s, 5 B\n", text)
        self.assertNotIn("received", text)
        text = summary_text(with_reports(report(bits_per_second=5e6, bytes=5), report(**both)))
        self.assertIn("  received  5.00 Mbit/s, 5 B\n  sent      5.00 Mbit/s, 5 B\n", text)
        told = summary_text(with_reports(None, report(**both, lost=0, packets=5)))
        self.assertIn("  received  5.00 Mbit/s, 5 B\n", told)  # the receiver told the sender

    def test_course(self) -> None:
        """A line of bars over the intervals, those left out by --omit not among them."""
        rates = [1e9, 9e9, 5e9, 0.0]
        intervals: list[dict[str, Any]] = [
            {"start_s": number, "end_s": number + 1, "bits_per_second": rate}
            for number, rate in enumerate(rates)
        ]
        intervals.insert(0, {**intervals[0], "bits_per_second": 99e9, "omitted": True})
        result = with_reports(
            Report(tool="t", summary={"bits_per_second": 5e9}, intervals=intervals), None
        )
        self.assertIn(
            "\n  rate      :#+.  0 bit/s to 9.00 Gbit/s, each 1 s\n", summary_text(result)
        )
        blocks = summary_text(result, Look(unicode=True))
        self.assertIn("\n  rate      \u2582\u2588\u2585\u2581  0 bit/s", blocks)

    def test_colours(self) -> None:
        """Colours where they can be shown; without them the same text."""
        failed = replace(GOOD, failure=ExitStatus.TEST_FAILED.failure("m"))
        for result in (GOOD, LATENCY, TRACE, failed):
            coloured = summary_text(result, Look(colour=True))
            self.assertIn("\x1b[", coloured)
            self.assertEqual(re.sub("\x1b\\[[0-9]+m", "", coloured), summary_text(result))
        self.assertTrue(summary_text(failed).startswith("test 1 failed, 2026-"))

    def test_bad_ends(self) -> None:
        """The state of each end is told; a remote text cannot steer the terminal."""
        broken = Report(tool="iperf3", version="3\x1b", error="no\x1b[2J\nroute")
        result = replace(
            GOOD,
            receiver=replace(RECEIVER, report=broken),
            sender=replace(SENDER, status=AcceptType.FAILURE, report=None),
        )
        lines = summary_text(result).splitlines()
        self.assertEqual(
            lines[-2], "  receiver  recv.example.net: tester failed: no\\x1b[2J route (3\\x1b)"
        )
        self.assertEqual(lines[-1], "  sender    send.example.net: ended abnormally (failure)")

    def test_early_failure(self) -> None:
        """A test that did not come far has few lines."""
        result = TestResult(receiver=EndResult(host="h"), number=2)
        self.assertEqual(
            summary_text(result),
            "test 2\n  receiver  h: no results\n  sender    this host: no results\n",
        )

    def test_hostile(self) -> None:
        """No name and no text of the other end has a control character left in the summary."""
        evil = "\x1b]0;x\x07\x9b2J\u202e\r"
        probes = [{"addr": evil, "name": evil, "flag": evil}, {"addr": 7, "rtt_ms": evil}, evil]
        hops = [{"n": evil, "probes": probes}, {"n": 1, "probes": evil}, evil]
        figures = {
            "hops": hops,
            "reached": evil,
            "pmtu": evil,
            "rtt_ms": evil,
            "sent": evil,
            "owd_ms": {"min": evil},
            "bits_per_second": evil,
            evil: evil,
        }
        intervals = [{"start_s": evil, "rtt_ms": evil, "bits_per_second": evil}] * 3
        bad = Report(tool=evil, version=evil, error=evil, summary=figures, intervals=intervals)
        for tool in (ToolID.IPERF3, ToolID.PING, ToolID.TRACEROUTE):
            result = replace(with_reports(bad, bad), spec=replace(SPEC, tool=tool))
            result = replace(result, receiver=replace(result.receiver, host=evil))
            text = summary_text(result, Look(unicode=True))
            self.assertTrue(all(one.isprintable() or one == "\n" for one in text), repr(text))

    def test_size(self) -> None:
        """However much the other end sends, the summary is a few lines."""
        long = "x" * 1_000_000
        hops = [{"n": number, "probes": [{"name": long}] * 100} for number in range(1000)]
        intervals = [{"start_s": 1.0, "end_s": 2.0, "bits_per_second": 1e9, "rtt_ms": 1.0}] * 99_999
        big = Report(
            tool="t", version=long, error=long, summary={"hops": hops}, intervals=intervals
        )
        for tool in (ToolID.IPERF3, ToolID.PING, ToolID.TRACEROUTE):
            result = replace(with_reports(big, big), spec=replace(SPEC, tool=tool))
            text = summary_text(result)
            self.assertLess(len(text), 50_000)
            self.assertLess(text.count("\n"), 300)

    def test_length_of_intervals(self) -> None:
        """The last interval may be shorter; it does not count."""
        ends = [0.0, 1.0, 1.3]
        intervals = [
            {"start_s": start, "end_s": end, "bits_per_second": 1e9}
            for start, end in zip(ends, ends[1:], strict=False)
        ]
        summary = {"bits_per_second": 1e9, "retransmits": 1}
        told = Report(tool="t", summary=summary, intervals=intervals)
        text = summary_text(with_reports(told, None))
        self.assertIn(", each 1 s\n", text)
        self.assertIn("quality   1 retransmit\n", text)

    def test_no_numbers(self) -> None:
        """Figures that are none leave no trace."""
        for value in (float("nan"), float("inf"), 10**400, True, None, "1"):
            intervals = [{"start_s": value, "end_s": value, "bits_per_second": value}] * 3
            figures = {"bits_per_second": value, "rtt_ms": {"min": value}}
            bad = Report(tool="t", summary=figures, intervals=intervals)
            self.assertEqual(len(summary_text(with_reports(bad, None)).splitlines()), 3)

    def test_scaled(self) -> None:
        """Three digits and a prefix."""
        cases = {0: "0 B", 5: "5 B", 999.4: "999 B", 999.6: "1.00 kB", 2.5e9: "2.50 GB"}
        cases |= {16_641_000_000: "16.6 GB", 11e9: "11.0 GB", 123e9: "123 GB", -2000: "-2.00 kB"}
        for value, text in cases.items():
            self.assertEqual(scaled(value, "B"), text)

    def test_digits(self) -> None:
        """Three digits, and no power of ten where all of them can be shown."""
        cases = {0.01234: "0.0123", 5: "5", 999.4: "999", 1234.5: "1234", -2500: "-2500"}
        cases |= {0.00001: "1e-05", 2e12: "2e+12"}
        for value, text in cases.items():
            self.assertEqual(digits(value), text)

    def test_span(self) -> None:
        """Seconds up to two minutes, then minutes, then hours."""
        cases = {0: "0 s", -3: "0 s", 119.4: "119 s", 120: "2 min 00 s", 7199: "119 min 59 s"}
        cases |= {7200: "2 h 00 min", 90_061: "25 h 01 min"}
        for seconds, text in cases.items():
            self.assertEqual(span(seconds), text)

    def test_one_line(self) -> None:
        """Text of any length becomes a line of bounded length."""
        self.assertEqual(one_line("a\n b\tc"), "a b c")
        self.assertEqual(one_line("x" * 99, 10), "xxxxxxx...")
        self.assertEqual(one_line("\x1b" * 99, 10), "\\x1b\\x1...")


class LookTests(SynchronousTestCase):
    """What a stream can show."""

    def test_colour(self) -> None:
        """On a terminal that can, unless NO_COLOR is set to something."""
        cases: tuple[tuple[dict[str, str], bool, bool], ...] = (
            ({}, True, True),
            ({}, False, False),
            ({"NO_COLOR": "1"}, True, False),
            ({"NO_COLOR": ""}, True, True),
            ({"TERM": "dumb"}, True, False),
            ({"TERM": "xterm"}, True, True),
        )
        for environment, is_tty, colour in cases:
            look = look_of(environment, is_tty=is_tty, encoding="utf-8")
            self.assertEqual(look.colour, colour, environment)

    def test_encoding(self) -> None:
        """Block characters where the encoding has them."""
        for encoding, can in {
            "utf-8": True,
            "ascii": False,
            "latin-1": False,
            "cp437": False,
            "no such": False,
            None: False,
        }.items():
            look = look_of({"LANG": "de_DE"}, is_tty=True, encoding=encoding)
            self.assertEqual(look.unicode, can, encoding)
            self.assertEqual(len(look.levels), 8)
            self.assertEqual(look.levels.isascii(), not can)

    def test_locale(self) -> None:
        """In the locale C Python writes UTF-8, but nothing says that the terminal reads it."""
        cases: tuple[tuple[dict[str, str], bool], ...] = (
            ({}, False),
            ({"LANG": "C"}, False),
            ({"LANG": "en_GB.UTF-8"}, True),
            ({"LANG": "en_GB.UTF-8", "LC_ALL": "POSIX"}, False),
            ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
            ({"LANG": "C.UTF-8", "LC_CTYPE": "C.UTF-8"}, True),
            ({"LANG": "C", "LC_CTYPE": "en_GB.UTF-8"}, True),
        )
        for environment, can in cases:
            look = look_of(environment, is_tty=True, encoding="utf-8")
            self.assertEqual(look.unicode, can, environment)
