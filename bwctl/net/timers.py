"""Timers that survive a step of the clock.

On Linux the reactor counts in wall time, so a step of the clock moves every pending call. Timers
made here know what they wait for, a wall time or a span of monotonic time, and are set again when
a step is noticed; they also look again before they fire.

However many there are, the reactor sees one pending call for each of the two clocks. So a timer
costs no more than a place in a heap, and one that is put off, as each message puts off the deadline
of its connection, costs nothing until it would have fired.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from bwctl.net.clock import IClock
from bwctl.values import NTPTime, unix_from_ntp

_HEARTBEAT_S = 1.0
_STEP_S = 0.1  # smaller differences between the two clocks are slewing
_EARLY_S = 0.0005


class Timer:
    """A pending call; `cancel` may come at any time and more than once."""

    __slots__ = ("_queue", "args", "call", "due", "number")

    def __init__(
        self, queue: _Queue, due: float, call: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        self.call = call
        self.args = args
        self._queue = queue
        self.due = due
        self.number = 0  # of its entry in the heap; 0: it is over

    def cancel(self) -> None:
        """Do not call."""
        if self.number:
            self.number = 0
            self.call, self.args = _nothing, ()
            self._queue.drop()

    def put_off(self, delay: float) -> None:
        """Of a timer of `Timers.after` that is not over: call `delay` seconds from now instead."""
        due = self._queue.now() + delay
        if due < self.due:
            self._queue.enter(self, due)
        self.due = due


def _nothing() -> None:
    """What a timer that was cancelled would call."""


class _Queue:
    """The timers that wait for one clock, and the reactor's call for the first of them.

    An entry is its timer's own if it has the timer's number. Others, of timers that were cancelled,
    stay in the heap until their time, or until `sweep` finds that they are the most.
    """

    def __init__(
        self, reactor: IReactorTime, now: Callable[[], float], empty: Callable[[], None]
    ) -> None:
        self.now = now
        self._reactor = reactor
        self._empty = empty
        self._heap: list[tuple[float, int, Timer]] = []
        self._last_number = 0
        self._live = 0
        self._awaited = math.inf  # what the reactor's call waits for
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        return self._live

    def add(self, due: float, call: Callable[..., Any], args: tuple[Any, ...]) -> Timer:
        """A new timer."""
        timer = Timer(self, due, call, args)
        self._live += 1
        self.enter(timer, due)
        return timer

    def drop(self) -> None:
        """A timer was cancelled."""
        self._live -= 1
        if not self._live:
            self.arm()

    def live(self) -> list[Timer]:
        """All that will fire."""
        return [timer for _, number, timer in self._heap if number == timer.number]

    def sweep(self) -> None:
        """Make the heap small again; not for each request, as it looks at all."""
        if len(self._heap) > 2 * self._live:
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].number]
            heapify(self._heap)

    def enter(self, timer: Timer, due: float) -> None:
        """Give a timer a new entry; an older one no longer counts."""
        self._last_number = timer.number = self._last_number + 1
        heappush(self._heap, (due, timer.number, timer))
        if due < self._awaited:
            self.arm()

    def arm(self) -> None:
        """Wait for what remains now until the first one's time."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call, self._awaited = None, math.inf
        if not self._live:
            self._heap.clear()
            self._empty()
        else:
            self._awaited = self._heap[0][0]
            delay = max(0.0, self._awaited - self.now())
            self._call = self._reactor.callLater(delay, self._due)

    def _due(self) -> None:
        until = self.now() + _EARLY_S
        try:
            while self._heap and self._heap[0][0] <= until:
                _, number, timer = heappop(self._heap)
                if number != timer.number:
                    continue
                if timer.due > until:  # it was put off
                    heappush(self._heap, (timer.due, number, timer))
                    continue
                timer.number = 0
                self._live -= 1
                timer.call(*timer.args)
        finally:
            self.arm()


class Timers:
    """All timers of one daemon or client; while there are any, a heartbeat watches the clock.

    Args:
        heartbeat: whether to watch; not worth its price where nobody can set the clock.
    """

    log = Logger()

    def __init__(self, reactor: IReactorTime, clock: IClock, *, heartbeat: bool = True) -> None:
        self.reactor = reactor
        self.clock = clock
        self._heartbeat = heartbeat
        self._wall = _Queue(reactor, self._wall_time, self._rest)
        self._spans = _Queue(reactor, clock.mono, self._rest)
        self._heart: IDelayedCall | None = None
        self._offset = self._clocks_apart()
        self._stepped = -math.inf  # when a step was noticed, monotonic

    def __len__(self) -> int:
        return len(self._wall) + len(self._spans)

    def at(self, moment: NTPTime, call: Callable[..., Any], *args: Any) -> Timer:
        """Call when the wall clock says `moment`, however it gets there."""
        self._watch()
        return self._wall.add(unix_from_ntp(moment), call, args)

    def after(self, delay: float, call: Callable[..., Any], *args: Any) -> Timer:
        """Call when `delay` seconds have really passed."""
        self._watch()
        return self._spans.add(self.clock.mono() + delay, call, args)

    def calls(self) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
        """What is to be called, with which arguments, in no order: who looks for leaks asks."""
        live = [*self._wall.live(), *self._spans.live()]
        return [(timer.call, timer.args) for timer in live]

    def is_settled(self, span: float) -> bool:
        """Whether the clock was not set within so many seconds; a step not noticed yet counts."""
        apart = abs(self._clocks_apart() - self._offset)
        return apart < _STEP_S and self.clock.mono() - self._stepped >= span

    def _watch(self) -> None:
        if self._heartbeat and self._heart is None:
            self._offset = self._clocks_apart()
            self._heart = self.reactor.callLater(_HEARTBEAT_S, self._beat)

    def _rest(self) -> None:
        """One of the queues is empty."""
        if self._heart is not None and not len(self):
            self._heart.cancel()
            self._heart = None

    def _wall_time(self) -> float:
        return unix_from_ntp(self.clock.now())

    def _clocks_apart(self) -> float:
        return self._wall_time() - self.clock.mono()

    def _beat(self) -> None:
        self._heart = self.reactor.callLater(_HEARTBEAT_S, self._beat)
        self._wall.sweep()
        self._spans.sweep()
        self.look()

    def look(self) -> None:
        """Compare the two clocks; after a step wait anew."""
        apart = self._clocks_apart()
        step, self._offset = apart - self._offset, apart
        if abs(step) < _STEP_S:
            return
        self._stepped = self.clock.mono()
        self.log.warn(
            "the clock was set by {step:+.3f} s; {count} timers set again",
            step=step,
            count=len(self),
            event="clock.step",
        )
        self._wall.arm()
        self._spans.arm()
