"""Testers' outputs are read here: however long they are, other clients do not wait for it.

The other end has a hand in what a tester prints, and a parser takes seconds for what `max_output`
lets through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from bwctl.interfaces import ITester
from bwctl.net.kept import shortened
from bwctl.values import Report, Role, TestSpec

AT_ONCE: Final = 16 << 10  # octets that are read in the reactor: some 30 ms of the worst
AT_A_TIME: Final = 1  # outputs that are read in threads


class Readings:
    """Reads outputs, the long ones in a thread of the reactor's pool, one after another.

    Args:
        failed: is told of a tester whose parser has raised an exception: it may be a plug-in.
    """

    def __init__(self, reactor: Any, failed: Callable[[ITester, Failure], object]) -> None:
        self._reactor = reactor
        self._failed = failed
        self._turns = DeferredSemaphore(AT_A_TIME)

    def whole(
        self, tester: ITester, output: bytes, spec: TestSpec, role: Role
    ) -> Deferred[Report | None]:
        """What an output says; None if the parser failed."""
        if len(output) <= AT_ONCE:
            return succeed(self.margins(tester, output, spec, role))
        reading = self._turns.run(self._in_thread, tester.parse, output, spec, role)
        return reading.addErrback(self._none, tester)

    def _none(self, failure: Failure, tester: ITester) -> None:
        self._failed(tester, failure)

    def _in_thread(self, call: Callable[..., Report], *words: object) -> Deferred[Report]:
        pool = self._reactor.getThreadPool()
        return deferToThreadPool(self._reactor, pool, call, *words)

    def margins(self, tester: ITester, output: bytes, spec: TestSpec, role: Role) -> Report | None:
        """What the beginning and the end of an output say, as totals come last; at once."""
        try:
            return tester.parse(shortened(output, AT_ONCE, AT_ONCE), spec, role)
        except Exception:
            self._failed(tester, Failure())
            return None
