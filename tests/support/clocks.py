"""Clocks that tests turn by hand."""

from __future__ import annotations

from twisted.internet.task import Clock

from bwctl.control.timing import UNSYNCHRONISED_ERROR
from bwctl.values import ErrorEstimate, NTPTime, ntp_from_unix


class FakeClock:
    """A wall clock and a monotonic one on an in-memory reactor.

    As with the real reactor on Linux the reactor's own time is neither: stepping the wall clock
    does not move pending calls here, which is the harder case for timers.
    """

    def __init__(self, reactor: Clock, unix: float = 1_800_000_000.0, error_s: float = 0.0) -> None:
        self._reactor = reactor
        self._unix = unix
        self._error = ErrorEstimate.from_ticks(UNSYNCHRONISED_ERROR + int(error_s * (1 << 32)))
        self.disciplined = False

    def now(self) -> NTPTime:
        return ntp_from_unix(self._unix + self._reactor.seconds())

    def mono(self) -> float:
        return self._reactor.seconds()

    def error(self) -> ErrorEstimate:
        return self._error

    def synchronised(self) -> bool:
        return self.disciplined

    def step(self, seconds: float) -> None:
        """Set the wall clock."""
        self._unix += seconds
