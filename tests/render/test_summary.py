"""The summary for people."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.render.summary import summary_text
from bwctl.render.wording import scaled
from bwctl.results import EndResult, TestResult
from bwctl.values import Report, ToolID
from tests.render.results import GOOD, RECEIVER, SENDER, SPEC, report, with_reports

GOLDEN = """\
test 1, 2026-11-21T19:06:10Z, iperf3 TCP, 3 s, 127.0.0.2 -> 127.0.0.1
  received  16.6 Gbit/s, 6.24 GB
  sent      16.7 Gbit/s, 6.26 GB
  quality   14 retransmits, RTT min 0.05, mean 0.1, max 0.25 ms
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
        self.assertEqual(lines[1], "  received  5 Mbit/s")
        self.assertEqual(lines[2], "  quality   lost 157 of 1563 packets (10 %), jitter 0.0214 ms")

    def test_direction_when_flipped(self) -> None:
        """The arrow follows the data."""
        result = replace(GOOD, spec=replace(SPEC, server_sends=True))
        self.assertIn("127.0.0.1 -> 127.0.0.2", summary_text(result))

    def test_other_kinds(self) -> None:
        """A latency test has no protocol in its title."""
        result = replace(GOOD, spec=replace(SPEC, tool=ToolID.PARIS_TRACEROUTE))
        self.assertIn(", paris-traceroute, 3 s, ", summary_text(result))

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

    def test_scaled(self) -> None:
        """Three digits and a prefix."""
        cases = {0: "0 B", 5: "5 B", 999.4: "999 B", 999.6: "1 kB", 1500: "1.5 kB", 2.5e9: "2.5 GB"}
        cases |= {16_641_000_000: "16.6 GB", 1e21: "1e+03 EB", -2000: "-2 kB"}
        for value, text in cases.items():
            self.assertEqual(scaled(value, "B"), text)
