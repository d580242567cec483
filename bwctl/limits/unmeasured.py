"""What a test counts for whose total nobody has told: it was ended before, by whatever means."""

from __future__ import annotations

from math import ceil
from typing import Final

from bwctl.limits.classes import LimitClass
from bwctl.limits.quota import MAX_OCTETS, cost_of
from bwctl.values import Report, TestSpec

LEAST_RATE: Final = 1_000_000_000
"""Bit/s that TCP is taken to reach where neither a limit nor a test has told better."""


def unmeasured(spec: TestSpec, report: Report | None, ran_s: float, rate: int) -> int:
    """Octets that a test has moved, rather too many than too few.

    UDP: what was booked, for the time that the tester ran. TCP: what the intervals tell, and for
    the time that they do not cover what a rate lets through.

    Args:
        report: what our own tester has written up to its end; None: not to be read.
        ran_s: how long our own tester ran, seconds.
        rate: the most that TCP can have moved here, bit/s.
    """
    intervals = report.intervals if report is not None else ()
    told = int(sum(one.get("bytes", 0) for one in intervals))
    if spec.udp:
        part = min(1.0, ran_s / max(1, spec.seconds))
        return min(MAX_OCTETS, max(told, ceil(cost_of(spec).octets * part)))
    covered = float(sum(one["end_s"] - one["start_s"] for one in intervals if "end_s" in one))
    return min(MAX_OCTETS, told + ceil(rate / 8 * max(0.0, ran_s - covered)))


def tcp_bound(limit_class: LimitClass, fastest: float) -> int:
    """The most that TCP can have moved in a second: the class's limit, or else the fastest test.

    Args:
        fastest: bit/s of the fastest test that was measured here; 0: none was.
    """
    limits = [bound.rate_tcp for bound in limit_class.binding("rate_tcp")]
    return min(limits) if limits else max(LEAST_RATE, ceil(fastest))
