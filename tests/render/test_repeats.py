"""The table at the end of repeated tests."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.render.look import Look
from bwctl.render.repeats import KEPT, Repeats
from tests.render.results import GOOD, LATENCY, TRACE, report, with_reports


def repeats(*rates: float) -> Repeats:
    """What is collected of tests with these throughputs."""
    collected = Repeats()
    for rate in rates:
        collected.add(with_reports(report(bits_per_second=rate, retransmits=3), None))
    return collected


class RepeatsTests(SynchronousTestCase):
    """Repeats."""

    def test_throughput(self) -> None:
        """Minimum, median and maximum of what was measured."""
        self.assertEqual(
            repeats(9e9, 1e9, 7.5e9).table(),
            "3 tests\n"
            "                         min       median          max\n"
            "  received       1.00 Gbit/s  7.50 Gbit/s  9.00 Gbit/s\n"
            "  retransmits              3            3            3\n",
        )

    def test_latency(self) -> None:
        """Round trip and loss."""
        collected = Repeats()
        for sent, lost in ((3, 1), (4, 0), (3, 3)):
            summary = {"sent": sent, "lost": lost, "loss_percent": 100 * lost / sent}
            rtt = {"min": 1.0, "mean": float(sent), "max": 9.0}
            figures = report(**summary, **({"rtt_ms": rtt} if lost < sent else {}))
            collected.add(replace(LATENCY, sender=replace(LATENCY.sender, report=figures)))
        lines = collected.table().splitlines()
        self.assertEqual(lines[2].split(), ["RTT", "3", "ms", "3.5", "ms", "4", "ms"])
        self.assertEqual(lines[3].split(), ["loss", "0", "%", "33.3", "%", "100", "%"])

    def test_failures(self) -> None:
        """Failed tests are counted, and their figures are not."""
        collected = repeats(2e9)
        failure = ExitStatus.TEST_FAILED.failure("m")
        collected.add(replace(with_reports(report(bits_per_second=1e9), None), failure=failure))
        lines = collected.table().splitlines()
        self.assertEqual(lines[0], "2 tests, 1 failed")
        self.assertEqual(lines[2].split(), ["received", *["2.00", "Gbit/s"] * 3])
        self.assertIn("\x1b[31m1 failed\x1b[0m", collected.table(Look(colour=True)))

    def test_nothing_measured(self) -> None:
        """Tests without figures have no table, no test has no line."""
        collected = Repeats()
        self.assertEqual(collected.table(), "")
        collected.add(TRACE)
        self.assertEqual(collected.table(), "1 test\n")

    def test_endless(self) -> None:
        """An endless series takes no more and more room."""
        collected = Repeats()
        collected.add(with_reports(report(bits_per_second=1e3), None))
        result = replace(GOOD, **{})
        for _ in range(KEPT):
            collected.add(result)
        lines = collected.table().splitlines()
        self.assertEqual(lines[0], f"{KEPT + 1} tests")
        self.assertEqual(lines[2].split()[1:3], ["16.6", "Gbit/s"])
