"""The time of one test end: the host's clock at first, real seconds once both ends agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bwctl.net.timers import Timer, Timers
from bwctl.values import NTPTime, seconds, ticks


class _Wait:
    """A call at a moment of the test."""

    def __init__(self, moment: NTPTime, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.moment = moment
        self.call = call
        self.args = args
        self.timer: Timer | None = None


class SlotTime:
    """Tells the time and waits for moments of one test.

    Both hosts compare their clocks when they meet. From then on it is `pin`ned: a clock that is
    set, by hand or by an NTP daemon, moves neither the beginning nor the end of the test, which
    the other end would not notice.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._waits: list[_Wait] = []
        self._pinned: tuple[NTPTime, float] | None = None

    def now(self) -> NTPTime:
        """What the clock says, or would say if nobody had set it since `pin`."""
        clock = self._timers.clock
        if self._pinned is None:
            return clock.now()
        moment, mono = self._pinned
        return NTPTime(moment + ticks(clock.mono() - mono))

    def pin(self) -> None:
        """The clocks were compared: from now on real seconds count."""
        if self._pinned is None:
            clock = self._timers.clock
            self._pinned = clock.now(), clock.mono()
            for wait in self._waits:
                self._arm(wait)

    def at(self, moment: NTPTime, call: Callable[..., Any], *args: Any) -> None:
        """Call at a moment, at once if it is past."""
        wait = _Wait(moment, call, args)
        self._waits.append(wait)
        self._arm(wait)

    def _arm(self, wait: _Wait) -> None:
        if wait.timer is not None:
            wait.timer.cancel()
        if self._pinned is None:
            wait.timer = self._timers.at(wait.moment, self._due, wait)
        else:
            wait.timer = self._timers.after(seconds(wait.moment - self.now()), self._due, wait)

    def _due(self, wait: _Wait) -> None:
        self._waits.remove(wait)
        wait.call(*wait.args)

    def cancel(self) -> None:
        """Wait for nothing any more."""
        waits, self._waits = self._waits, []
        for wait in waits:
            if wait.timer is not None:
                wait.timer.cancel()
