"""The daemon looks at itself: once a minute, when it is asked, and when it stops."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from bwctl.net.factory import ControlFactory
from bwctl.net.invariants import Snapshot, leftovers, violations
from bwctl.net.process import TesterProcess
from bwctl.net.snapshot import snapshot

INTERVAL_S = 60.0


class SelfCheck:
    """Logs and counts whatever `bwctl.net.invariants` finds, each thing once.

    Args:
        probes: gives the processes that look for testers at this moment.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        factory: ControlFactory,
        reactor: Any,
        probes: Callable[[], Collection[TesterProcess]] = tuple,
    ) -> None:
        self.count = 0  # of all that was ever found
        self._factory = factory
        self._reactor = reactor
        self._probes = probes
        self._known: set[str] = set()  # found by the last look
        self._next: IDelayedCall | None = None

    def begin(self) -> None:
        """Look once a minute from now on. Not by Timers: those wake an idle daemon each second."""
        self._next = self._reactor.callLater(INTERVAL_S, self._again)

    def _again(self) -> None:
        self.begin()
        self.look()

    def end(self) -> None:
        """Look no more."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def look(self) -> list[str]:
        """What is wrong at this moment."""
        return self._tell(violations)

    def last_look(self) -> list[str]:
        """What is left though the daemon has stopped."""
        return self._tell(lambda taken: [*violations(taken), *leftovers(taken)])

    def _tell(self, rule: Callable[[Snapshot], list[str]]) -> list[str]:
        found = rule(snapshot(self._factory, self._probes()))
        for sentence in found:
            if sentence not in self._known:
                self.count += 1
                self.log.error("{violation}", violation=sentence, event="daemon.violation")
        self._known = set(found)
        return found
