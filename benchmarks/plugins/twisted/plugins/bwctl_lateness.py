"""A result sink that is a service: while the daemon runs it notes how late the reactor is.

BWCTL_LATENESS names a directory. At its end the daemon writes a file there: one line for each
moment at which a timer was due, with the moment (s, monotonic) and the lateness (s).
"""

from __future__ import annotations

import os
import time
from array import array

from twisted.application.service import Service
from twisted.internet import reactor
from twisted.plugin import IPlugin
from zope.interface import implementer

from bwctl.interfaces import IResultSink

PERIOD_S = 0.005


@implementer(IPlugin, IResultSink)
class Lateness(Service):
    """Asks to be called every PERIOD_S. A reactor that is busy for long is late many times."""

    name = "lateness"

    def startService(self) -> None:
        super().startService()
        self._found = array("d")
        self._due = time.monotonic()
        self._tick()

    def stopService(self) -> None:
        super().stopService()
        self._call.cancel()
        path = os.path.join(os.environ["BWCTL_LATENESS"], str(os.getpid()))
        with open(path, "w", encoding="ascii") as file:
            moments = zip(self._found[::2], self._found[1::2], strict=True)
            file.writelines(f"{moment:.6f} {late:.6f}\n" for moment, late in moments)

    def _tick(self) -> None:
        now = time.monotonic()
        while self._due <= now:
            self._found.extend((self._due, now - self._due))
            self._due += PERIOD_S
        self._call = reactor.callLater(self._due - now, self._tick)

    def test_ended(self, ended: object) -> None:
        """A sink makes the daemon read both ends' results, which is a part of its work."""


lateness = Lateness()
