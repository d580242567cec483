"""The arithmetic of clocks that disagree. Source: wire.md 3.4, 6.4; daemon.md 4.1."""

from __future__ import annotations

from dataclasses import dataclass

from bwctl.values import ErrorEstimate, NTPTime, ticks

OVERRUN = ticks(1.5)  # for testers that come late or run long; C's constant
UNSYNCHRONISED_ERROR = ticks(0.1)  # what C assumes of a clock that nobody disciplines
_CLIENT_LEAD = ticks(0.25)
_CLIENT_ROUND_TRIPS = 7
_CLIENT_SLACK = ticks(1)


def fuzz(request: ErrorEstimate, own: ErrorEstimate, overrun: int = OVERRUN) -> int:
    """Padding on each side of a time slot, in ticks (F)."""
    return request.ticks + own.ticks + overrun


def first_time(now: NTPTime, rtts: int) -> NTPTime:
    """The start a client asks for first; `rtts` is the sum of both round trips, in ticks."""
    return NTPTime(now + _CLIENT_ROUND_TRIPS * rtts + _CLIENT_LEAD)


def results_due(start: NTPTime, length: int, rtt: int) -> NTPTime:
    """When a client stops waiting for the test and asks for results; `rtt` is the larger one."""
    return NTPTime(start + length + _CLIENT_SLACK + rtt)


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock's time and how far it may be off."""

    time: NTPTime
    error: ErrorEstimate

    @property
    def earliest(self) -> int:
        """The least that true time may be."""
        return self.time - self.error.ticks

    @property
    def latest(self) -> int:
        """The most that true time may be."""
        return self.time + self.error.ticks


def clock_complaint(before: Reading, remote: Reading, after: Reading) -> str | None:
    """Why a remote clock cannot be right, from own readings around its answer; None: it may be.

    Source: wire.md 6.4; equality passes.
    """
    if before.earliest > remote.latest:
        return f"the other end's clock is {_apart(before.earliest, remote.latest)} s behind"
    if remote.earliest > after.latest:
        return f"the other end's clock is {_apart(remote.earliest, after.latest)} s ahead"
    return None


def _apart(more: int, less: int) -> str:
    return f"at least {(more - less) / (1 << 32):.3f}"
