"""What a test counts that nobody has measured to its end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.classes import LimitClass
from bwctl.limits.quota import MAX_OCTETS
from bwctl.limits.unmeasured import LEAST_RATE, tcp_bound, unmeasured
from bwctl.values import Report
from tests.testers.support import spec

RATE = 8_000_000  # bit/s: a million octets a second


def report(*intervals: tuple[float, float, int]) -> Report:
    """What a tester wrote before it was ended."""
    rows = [{"start_s": start, "end_s": end, "bytes": octets} for start, end, octets in intervals]
    return Report(tool="iperf3", error="no total found in the output", intervals=rows)


class UnmeasuredTests(SynchronousTestCase):
    def test_udp(self) -> None:
        """Its booked octets for the time that it ran; more if its own tester saw more."""
        udp = spec(udp=True, bandwidth=RATE, duration=10)
        for found, ran_s, octets in (
            (None, 2.5, 2_500_000),
            (None, 99.0, 10_000_000),
            (report(), 0.0, 0),
            (report((0.0, 1.0, 7_000_000)), 2.5, 7_000_000),
            (report((0.0, 1.0, 3)), 2.5, 2_500_000),
        ):
            self.assertEqual(unmeasured(udp, found, ran_s, RATE), octets, (found, ran_s))

    def test_tcp(self) -> None:
        """Its intervals, and the bound for the time that they leave."""
        for found, ran_s, octets in (
            (None, 2.5, 2_500_000),
            (report(), 2.5, 2_500_000),
            (report((0.0, 1.0, 5), (1.0, 2.0, 6)), 2.0, 11),
            (report((0.0, 1.0, 5), (1.0, 2.0, 6)), 2.5, 500_011),
            (report((0.0, 9.0, 5)), 2.5, 5),
            (report((0.0, 1.0, 1 << 60)), 1.0, MAX_OCTETS),
        ):
            self.assertEqual(unmeasured(spec(duration=10), found, ran_s, RATE), octets, found)

    def test_bound(self) -> None:
        """The narrowest limit up to the root; without one the fastest test that was seen."""
        root = LimitClass(name="root", rate_tcp=RATE)
        guest = LimitClass(name="guest", parent=root, rate_tcp=2 * RATE)
        free = LimitClass(name="free")
        for limit_class, fastest, bound in (
            (root, 9e12, RATE),
            (guest, 0.0, RATE),
            (free, 0.0, LEAST_RATE),
            (free, 2.5e10, 25_000_000_000),
        ):
            self.assertEqual(tcp_bound(limit_class, fastest), bound)
