"""Progress on stderr."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.progress import Phase, Progress

CLEAR = "\r\x1b[K"


class ProgressTests(SynchronousTestCase):
    """Progress."""

    def setUp(self) -> None:
        self.stream = StringIO()
        self.wall = datetime(2026, 11, 21, 19, 6, 10)

    def make(self, quiet: bool = False, is_tty: bool = False, columns: int = 80) -> Progress:
        """A Progress that writes to `stream`."""
        return Progress(self.stream, quiet, is_tty, columns=columns, wall=lambda: self.wall)

    def written(self) -> str:
        """What was written since the last call."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return text

    def test_lines(self) -> None:
        """Without a terminal each phase is one line, and ticks write nothing."""
        progress = self.make()
        progress.phase(Phase.CONNECTING, 0.0, detail="h:4823")
        progress.phase(Phase.NEGOTIATING, 1.0)
        progress.phase(Phase.WAITING, 2.0, until=7.4)
        progress.tick(3.0)
        progress.phase(Phase.RUNNING, 7.4, until=17.4, detail="iperf3")
        progress.phase(Phase.COLLECTING, 18.0)
        progress.close()
        self.assertEqual(
            self.written(),
            "bwctl: connecting h:4823\n"
            "bwctl: negotiating\n"
            "bwctl: waiting for the time slot, 5 s (the test starts at 19:06:15)\n"
            "bwctl: running iperf3, 10 s\n"
            "bwctl: collecting results\n",
        )

    def test_countdown(self) -> None:
        """On a terminal the seconds to the time slot count down in place."""
        progress = self.make(is_tty=True)
        starts = " (the test starts at 19:06:12)"
        progress.phase(Phase.WAITING, 10.0, until=12.0)
        self.assertEqual(self.written(), f"{CLEAR}bwctl: waiting for the time slot, 2 s{starts}")
        progress.tick(11.0)
        self.assertEqual(self.written(), f"{CLEAR}bwctl: waiting for the time slot, 1 s{starts}")
        progress.tick(15.0)
        self.assertEqual(self.written(), f"{CLEAR}bwctl: waiting for the time slot, 0 s{starts}")

    def test_long_wait(self) -> None:
        """A queued test tells the hours, and the day if it is another."""
        progress = self.make()
        progress.phase(Phase.WAITING, 0.0, until=3725.0)
        progress.phase(Phase.WAITING, 0.0, until=5 * 3600.0)
        self.assertEqual(
            self.written(),
            "bwctl: waiting for the time slot, 62 min 05 s (the test starts at 20:08:15)\n"
            "bwctl: waiting for the time slot, 5 h 00 min "
            "(the test starts at 2026-11-22 00:06:10)\n",
        )

    def test_nothing_new(self) -> None:
        """A line that is the same is not written again."""
        progress = self.make(is_tty=True)
        progress.phase(Phase.NEGOTIATING, 0.0)
        self.written()
        progress.tick(1.0)
        self.assertEqual(self.written(), "")

    def test_bar(self) -> None:
        """While the test runs, a bar and the percent of its time."""
        progress = self.make(is_tty=True)
        progress.phase(Phase.RUNNING, 100.0, until=110.0, detail="iperf3")
        for now, full, percent, left in ((100, 0, 0, 10), (105, 15, 50, 5), (120, 30, 100, 0)):
            self.written()
            progress.tick(now - 0.001)
            progress.tick(now)
            bar = "#" * full + "." * (30 - full)
            expected = f"bwctl: running iperf3 [{bar}] {percent:3d} %, {10 - left} s of 10 s"
            self.assertTrue((CLEAR + self.written()).endswith(expected) or percent == 0, expected)

    def test_rate(self) -> None:
        """The rate of the moment stands behind the bar until the test is over."""
        progress = self.make(is_tty=True)
        progress.phase(Phase.WAITING, 99.0, until=100.0)
        self.assertFalse(progress.shows_rate)
        progress.phase(Phase.RUNNING, 100.0, until=110.0)
        self.assertTrue(progress.shows_rate)
        progress.rate(9.412e9)
        progress.tick(105.0)
        self.assertTrue(self.written().endswith(" 50 %, 5 s of 10 s, 9.41 Gbit/s"))
        progress.rate(None)
        progress.tick(105.0)
        self.assertTrue(self.written().endswith("5 s of 10 s"))
        self.assertFalse(self.make().shows_rate)

    def test_clock_step(self) -> None:
        """A clock that goes backwards, or an end that is the start, does no harm."""
        progress = self.make(is_tty=True)
        progress.phase(Phase.RUNNING, 100.0, until=110.0)
        progress.tick(50.0)
        self.assertIn("]   0 %, 0 s of 10 s", self.written())
        progress.phase(Phase.RUNNING, 100.0, until=100.0)
        self.assertIn("] 100 %, 0 s of 0 s", self.written())

    def test_narrow(self) -> None:
        """A line never wraps."""
        progress = self.make(is_tty=True, columns=20)
        progress.phase(Phase.WAITING, 0.0, until=5.0)
        self.assertEqual(self.written(), f"{CLEAR}bwctl: waiting for ")

    def test_quiet(self) -> None:
        """-q: no phases, on a terminal or not; notes are still written."""
        for is_tty in (False, True):
            progress = self.make(quiet=True, is_tty=is_tty)
            progress.phase(Phase.RUNNING, 0.0, until=5.0)
            progress.tick(1.0)
            progress.close()
            self.assertEqual(self.written(), "")
            progress.note("busy")
            self.assertEqual(self.written(), "bwctl: busy\n")

    def test_note(self) -> None:
        """A note goes above the line that is drawn."""
        progress = self.make(is_tty=True)
        progress.phase(Phase.NEGOTIATING, 0.0)
        self.written()
        progress.note("using iperf3", 1.0)
        self.assertEqual(self.written(), f"{CLEAR}bwctl: using iperf3\n{CLEAR}bwctl: negotiating")

    def test_close(self) -> None:
        """At the end the line is gone, once, and ticks draw no more."""
        progress = self.make(is_tty=True)
        progress.phase(Phase.COLLECTING, 0.0)
        self.written()
        progress.close()
        progress.close()
        progress.tick(1.0)
        self.assertEqual(self.written(), CLEAR)
