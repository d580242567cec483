"""Timers that survive a step of the clock.

On Linux the reactor counts in wall time, so a step of the clock moves every pending call. Timers
made here know what they wait for, a wall time or a span of monotonic time, and are set again when
a step is noticed; they also look again before they fire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from bwctl.net.clock import IClock
from bwctl.values import NTPTime, seconds, unix_from_ntp

_HEARTBEAT_S = 1.0
_STEP_S = 0.1  # smaller differences between the two clocks are slewing
_EARLY_S = 0.0005


class Timer(Protocol):
    """A pending call; `cancel` may come at any time and more than once."""

    def cancel(self) -> None:
        """Do not call."""


class _Pending:
    """One call, waiting until `remaining` is no more."""

    def __init__(
        self,
        timers: Timers,
        remaining: Callable[[], float],
        call: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self.call = call
        self.args = args
        self._timers = timers
        self._remaining = remaining
        self._delayed: IDelayedCall | None = None
        self.arm()

    def arm(self) -> None:
        """Wait for what remains now."""
        self._disarm()
        self._delayed = self._timers.reactor.callLater(max(0.0, self._remaining()), self._due)

    def _disarm(self) -> None:
        if self._delayed is not None and self._delayed.active():
            self._delayed.cancel()

    def _due(self) -> None:
        if self._remaining() > _EARLY_S:  # the clock was set back meanwhile
            self.arm()
            return
        self._timers.forget(self)
        self.call(*self.args)

    def cancel(self) -> None:
        """Do not call."""
        self._disarm()
        self._timers.forget(self)


class Timers:
    """All timers of one daemon or client; while there are any, a heartbeat watches the clock."""

    log = Logger()

    def __init__(self, reactor: IReactorTime, clock: IClock) -> None:
        self.reactor = reactor
        self.clock = clock
        self._pending: set[_Pending] = set()
        self._heart: IDelayedCall | None = None
        self._offset = self._clocks_apart()

    def __len__(self) -> int:
        return len(self._pending)

    def at(self, moment: NTPTime, call: Callable[..., Any], *args: Any) -> Timer:
        """Call when the wall clock says `moment`, however it gets there."""

        def remaining() -> float:
            return seconds(moment - self.clock.now())

        return self._add(remaining, call, args)

    def after(self, delay: float, call: Callable[..., Any], *args: Any) -> Timer:
        """Call when `delay` seconds have really passed."""
        due = self.clock.mono() + delay

        def remaining() -> float:
            return due - self.clock.mono()

        return self._add(remaining, call, args)

    def calls(self) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
        """What is to be called, with which arguments, in no order: who looks for leaks asks."""
        return [(pending.call, pending.args) for pending in self._pending]

    def _add(
        self, remaining: Callable[[], float], call: Callable[..., Any], args: tuple[Any, ...]
    ) -> Timer:
        pending = _Pending(self, remaining, call, args)
        self._pending.add(pending)
        if self._heart is None:
            self._offset = self._clocks_apart()
            self._heart = self.reactor.callLater(_HEARTBEAT_S, self._beat)
        return pending

    def forget(self, pending: _Pending) -> None:
        """A timer fired or was cancelled."""
        self._pending.discard(pending)
        if not self._pending and self._heart is not None and self._heart.active():
            self._heart.cancel()
            self._heart = None

    def _clocks_apart(self) -> float:
        return unix_from_ntp(self.clock.now()) - self.clock.mono()

    def _beat(self) -> None:
        self._heart = self.reactor.callLater(_HEARTBEAT_S, self._beat)
        self.look()

    def look(self) -> None:
        """Compare the two clocks; after a step set every timer again."""
        apart = self._clocks_apart()
        step, self._offset = apart - self._offset, apart
        if abs(step) < _STEP_S:
            return
        self.log.warn(
            "the clock was set by {step:+.3f} s; {count} timers set again",
            step=step,
            count=len(self._pending),
            event="clock.step",
        )
        for pending in tuple(self._pending):
            pending.arm()
