"""Virtual time: one reactor for all hosts, and the clock of each, which may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from bwctl.interfaces import IClock
from bwctl.values import TICKS_PER_SECOND, ErrorEstimate, NTPTime, seconds, ticks

_Entry = tuple[float, int, Any, tuple[object, ...]]
"""When it is due, a number, and a VirtualCall, or a function with its arguments."""


@implementer(IDelayedCall)
class VirtualCall:
    """A call that waits for its time."""

    __slots__ = ("_reactor", "args", "call", "cancelled", "time")

    def __init__(
        self,
        reactor: VirtualReactor,
        time: float,
        call: Callable[..., Any],
        args: tuple[object, ...],
    ) -> None:
        self._reactor = reactor
        self.time = time
        self.call: Callable[..., Any] | None = call  # None: made or cancelled
        self.args = args
        self.cancelled = False

    def getTime(self) -> float:
        """When it is due."""
        return self.time

    def active(self) -> bool:
        """Whether it still waits."""
        return self.call is not None

    def cancel(self) -> None:
        """Do not call. It stays in the queue until its time and is passed over then."""
        self._check()
        self.call = None
        self.args = ()
        self.cancelled = True

    def reset(self, secondsFromNow: float) -> None:
        """Wait so long from now."""
        self._move(self._reactor.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:
        """Wait so much longer."""
        self._move(self.time + secondsLater)

    def take(self) -> tuple[Callable[..., Any] | None, tuple[object, ...]]:
        """What to call now that it is due, and with what."""
        call, self.call = self.call, None
        return call, self.args

    def _move(self, time: float) -> None:
        self._check()
        self.time = time
        self._reactor.queue(self)

    def _check(self) -> None:
        if self.call is None:
            raise AlreadyCancelled if self.cancelled else AlreadyCalled


@implementer(IReactorTime)
class VirtualReactor:
    """Time that passes as fast as its calls are made, in the order in which they are due.

    `twisted.internet.task.Clock` sorts all pending calls for each new one; with thousands of them
    it is a heap that makes a week pass in a minute. Calls due at the same time are made in the
    order in which they were asked for, so that a run can be repeated.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[_Entry] = []
        self._last_number = 0

    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self.now

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object
    ) -> VirtualCall:
        """Call after some seconds, at least 0."""
        if delay < 0:
            raise ValueError(f"a call {-delay} s ago")
        if kwargs:
            callable = partial(callable, **kwargs)
        call = VirtualCall(self, self.now + delay, callable, args)
        self.queue(call)
        return call

    def send(self, delay: float, callable: Callable[..., Any], *args: object) -> None:
        """As `callLater`, at half the price, for what is never taken back: say, messages."""
        self._last_number = number = self._last_number + 1
        heappush(self._queue, (self.now + delay, number, callable, args))

    def getDelayedCalls(self) -> list[VirtualCall]:
        """The calls that wait and may be taken back."""
        found = [(due, call) for due, _, call, _ in self._queue if isinstance(call, VirtualCall)]
        return [call for due, call in found if call.active() and call.time == due]

    def run(self) -> None:
        """Until nothing waits any more."""
        queue = self._queue
        while queue:
            due, _, call, args = heappop(queue)
            if type(call) is VirtualCall:
                if call.time != due or call.call is None:  # put off, or cancelled
                    continue
                call, args = call.take()
            self.now = due
            call(*args)

    def queue(self, call: VirtualCall) -> None:
        """Put a call where its time says."""
        self._last_number = number = self._last_number + 1
        heappush(self._queue, (call.time, number, call, ()))


@implementer(IClock)
class HostClock:
    """A host's clock: virtual time, off by a constant, with the error bound that it believes in.

    Args:
        start: wall time at the beginning of virtual time.
        offset: seconds by which it is ahead of true time.
        error: seconds; its error bound.
    """

    name = "virtual"

    def __init__(
        self, reactor: VirtualReactor, start: NTPTime, offset: float = 0.0, error: float = 0.0
    ) -> None:
        self._reactor = reactor
        self._start = start + ticks(offset)
        self._error = ErrorEstimate.from_ticks(ticks(error), synchronised=True)

    def now(self) -> NTPTime:
        """Wall time."""
        return NTPTime(self._start + int(self._reactor.now * TICKS_PER_SECOND))

    def virtual(self, moment: NTPTime) -> float:
        """When this clock shows a moment, in virtual time."""
        return seconds(moment - self._start)

    def mono(self) -> float:
        """Virtual time."""
        return self._reactor.now

    def error(self) -> ErrorEstimate:
        """The bound."""
        return self._error

    def synchronised(self) -> bool:
        """Whatever its error is, it has a bound."""
        return True
