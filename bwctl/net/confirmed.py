"""Tests that were confirmed, by real time: where they are when the clock was set meanwhile.

The timetable knows moments of the host's clock. A test whose ends have met keeps its real time
(`bwctl.net.slottime`), so when the clock is set its reservation is no longer where the test is.
"""

from __future__ import annotations

from bwctl.broker.reservation import Reservation
from bwctl.net.clock import IClock
from bwctl.values import NTPTime, ticks

_STEP = ticks(0.1)  # smaller differences between the two clocks are slewing


class Confirmed:
    """The confirmed reservations of one daemon."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._made: dict[Reservation, int] = {}  # how far the clocks were apart then, ticks

    def add(self, reservation: Reservation) -> None:
        """Its test will be made."""
        self._made[reservation] = self._apart()

    def discard(self, reservation: Reservation) -> None:
        """It is over, or never was."""
        self._made.pop(reservation, None)

    def step(self, reservation: Reservation) -> int:
        """By how many ticks the clock was set since a reservation was confirmed."""
        step = self._apart() - self._made.get(reservation, self._apart())
        return step if abs(step) > _STEP else 0

    @property
    def displaced_until(self) -> NTPTime:
        """No test may begin before: one still runs that was booked before the clock was set."""
        ends = [one.end + one.fuzz + step for one in self._made if (step := self.step(one))]
        return NTPTime(max(ends, default=0))

    def _apart(self) -> int:
        return self._clock.now() - ticks(self._clock.mono())
