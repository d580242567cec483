"""Tests that were confirmed, by real time: where they are when the clock was set meanwhile.

The timetable knows moments of the host's clock. A test whose ends have met keeps its real time
(`bwctl.net.slottime`), so when the clock is set its reservation is no longer where the test is.
"""

from __future__ import annotations

from operator import itemgetter

from bwctl.broker.reservation import Reservation
from bwctl.net.clock import IClock
from bwctl.values import NEVER, NTPTime, ticks

_STEP = ticks(0.1)  # smaller differences between the two clocks are slewing
_MOVE = ticks(0.005)  # what a clock may move before all are looked at again


class Confirmed:
    """The confirmed reservations of one daemon.

    Each request asks until when they are displaced; so all are looked at when the clock has moved,
    not each time.
    """

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._made: dict[Reservation, int] = {}  # how far the clocks were apart then, ticks
        self._looked_at = 0  # how far they were apart when `_displaced` was made
        self._displaced: list[tuple[int, Reservation]] = []  # real ends, the last one last

    def add(self, reservation: Reservation) -> None:
        """Its test will be made."""
        self._made[reservation] = self._apart()

    def discard(self, reservation: Reservation) -> bool:
        """It is over, or never was; tell whether it was there."""
        return self._made.pop(reservation, None) is not None

    def step(self, reservation: Reservation) -> int:
        """By how many ticks the clock was set since a reservation was confirmed."""
        made = self._made.get(reservation)
        if made is None:
            return 0
        step = self._apart() - made
        return step if abs(step) > _STEP else 0

    @property
    def displaced_until(self) -> NTPTime:
        """No test may begin before: one still runs that was booked before the clock was set."""
        if not self._made:
            return NEVER
        apart = self._apart()
        if abs(apart - self._looked_at) > _MOVE:
            self._look(apart)
        while self._displaced and self._displaced[-1][1] not in self._made:
            self._displaced.pop()
        return NTPTime(self._displaced[-1][0] if self._displaced else 0)

    def _look(self, apart: int) -> None:
        steps = ((one, apart - made) for one, made in self._made.items())
        ends = [(one.end + one.fuzz + step, one) for one, step in steps if abs(step) > _STEP]
        self._looked_at, self._displaced = apart, sorted(ends, key=itemgetter(0))

    def _apart(self) -> int:
        return self._clock.now() - ticks(self._clock.mono())
