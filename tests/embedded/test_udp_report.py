from __future__ import annotations

import re
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from bwctl.embedded import udp_report
from bwctl.embedded.arrivals import Arrivals
from tests.embedded.vectors import UDP_RUNS, control


def arrivals_of(numbers: list[int], packets: int = 10) -> Arrivals:
    arrivals = Arrivals(packets)
    arrivals.add([(number, 1_000_000 * (place + 1)) for place, number in enumerate(numbers)])
    return arrivals


class TextTests(TestCase):
    """The report in C's words."""

    def test_like_c(self) -> None:
        """Number for number the text of C's verbose server."""
        arrivals = Arrivals(1666)
        arrivals.add([(number, 20_000) for number in range(1666)])
        ours = udp_report.text(arrivals, 1666, 8388608)
        theirs = control(UDP_RUNS[1])[4].decode()
        self.assertEqual(re.sub(r"\d+\.\d+", "N", ours), re.sub(r"\d+\.\d+", "N", theirs))
        self.assertIn("\t  0th:    0.020ms\n", ours)

    def test_reordering(self) -> None:
        """Lines for each j, as C writes them."""
        text = udp_report.text(arrivals_of([0, 2, 3, 4, 1, 5, 6, 7, 8, 9]), 10, 0)
        self.assertIn("Reordering:\t 11.111%\n\t1-reordering = 11.111%\n", text)
        self.assertTrue(
            text.endswith("\t2-reordering = 12.500%\n\t3-reordering = 14.286%\n\tno 4-reordering\n")
        )
        backwards = udp_report.text(arrivals_of(list(range(199, -1, -1)), 200), 200, 0)
        self.assertTrue(backwards.endswith("\tonly up to 100-reordering is handled\n"))

    def test_loss(self) -> None:
        """Delay and jitter in the words that C has for much loss."""
        for arrived, delay, jitter in ((10, r"[56]\.\d+", r"5\.0\d+"), (5, r"[34]\.\d+", "inf")):
            text = udp_report.text(arrivals_of(list(range(arrived))), 10, 0)
            self.assertRegex(text, rf"\nDelay:\t\t {delay}ms\n")
            self.assertRegex(text, rf"\nJitter:\t\t {jitter}ms\n")
        for numbers in ([0, 1], []):
            text = udp_report.text(arrivals_of(numbers), 10, 0)
            self.assertIn("Delay:\t\t infms\n", text)
            self.assertIn("Jitter:\t\t nanms\n", text)


class ReadingTests(TestCase):
    """A server's report, as the client reads it."""

    def test_own(self) -> None:
        """What we write we read, to the microseconds that are written."""
        for numbers in ([0, 2, 3, 4, 1, 5, 6, 6, 7], list(range(10)), [0, 1], [3], []):
            arrivals = arrivals_of(numbers)
            written = udp_report.figures(arrivals, 10)
            found = udp_report.read(udp_report.text(arrivals, 10, 0), 10)
            for name in ("packets", "received", "lost", "duplicates"):
                self.assertEqual(found[name], written[name], msg=f"{name} {numbers}")
            self.assertEqual(found["jitter_us"] is None, written["jitter_us"] is None)
            self.assertAlmostEqual(found["jitter_us"] or 0, written["jitter_us"] or 0, delta=0.51)
            self.assertEqual(found["out_of_order"] or 0, written["out_of_order"])
            for name, value in (found["delay_us"] or {}).items():
                self.assertAlmostEqual(value, written["delay_us"][name], delta=0.51)

    def test_c(self) -> None:
        """The recorded reports: verbose, and terse."""
        verbose = udp_report.read(control(UDP_RUNS[1])[4].decode(), 1666)
        self.assertEqual((verbose["received"], verbose["lost"]), (1666, 0))
        delays = {"min": 4.0, "p25": 12.0, "p50": 20.0, "p75": 35.0, "p95": 94.0}
        self.assertEqual((verbose["delay_us"], verbose["jitter_us"]), (delays, 23.0))
        terse = udp_report.read(control(UDP_RUNS[0])[4].decode(), 1666)
        self.assertEqual((terse["received"], terse["duplicates"]), (1666, 0))
        self.assertEqual((terse["delay_us"], terse["jitter_us"]), ({"p50": 13.0}, 11.0))

    def test_terse_with_loss(self) -> None:
        """Counts are computed from what a terse server says in per cent."""
        text = "Loss:\t\t 10.000%\nDuplication:\t 5.263%\nReordering:\t 11.173%\n"
        found = udp_report.read(text, 200)
        self.assertEqual((found["received"], found["lost"]), (180, 20))
        self.assertEqual((found["duplicates"], found["out_of_order"]), (9, 20))

    def test_defects_of_c(self) -> None:
        """Nothing arrived: C cuts off the first letter, and prints what is no number."""
        text = "elay:\t\t infms\nLoss:\t\t 100.000%\nJitter:\t\t nanms\nDuplication:\t -nan%\n"
        found = udp_report.read(text, 10)
        self.assertEqual((found["received"], found["lost"]), (0, 10))
        self.assertEqual((found["delay_us"], found["jitter_us"]), (None, None))
        self.assertEqual((found["duplicates"], found["out_of_order"]), (None, None))
        self.assertEqual(udp_report.read("elay:\t\t 0.013ms\n", 1)["delay_us"], {"p50": 13.0})

    def test_negative_delay(self) -> None:
        """Clocks that disagree."""
        arrivals = Arrivals(10)
        arrivals.add([(number, number * 1_000_000 - 7_000_000_000) for number in range(10)])
        found = udp_report.read(udp_report.text(arrivals, 10, 0), 10)
        self.assertEqual(found["delay_us"]["min"], -7_000_000.0)
        self.assertEqual(found["received"], 10)

    def test_anything_else(self) -> None:
        found = udp_report.read("have a nice day\n", 10)
        self.assertEqual({found[name] for name in found if name != "packets"}, {None})

    @given(st.text(max_size=200))
    def test_any_text(self, text: str) -> None:
        udp_report.read(text, 10)
        udp_report.read(f"Delay: {text}ms\nServer received {text} unique packets\n", 10)

    @given(st.binary(max_size=100))
    def test_printable(self, octets: bytes) -> None:
        """What is shown to people has no control characters but TAB and newline."""
        shown = udp_report.printable(octets + b"\x1b[2J")
        self.assertTrue(all(one.isprintable() or one in "\t\n" for one in shown))

    def test_bounded(self) -> None:
        self.assertEqual(len(udp_report.printable(b"x" * 100_000)), 65536)
