"""What goes wrong, at random, while daemons work."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from tests.abuse.crowd import scattered
from tests.soak.customers import Customers
from tests.support.daemons import Daemon
from tests.support.relay import Relay

MOST_S = 4.0  # between two faults


class Faults:
    """One at a time, of all kinds, with pauses; counted by kind."""

    def __init__(
        self,
        daemons: list[Daemon],
        relays: list[Relay],
        customers: Customers,
        dice: random.Random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._daemons, self._relays, self._customers = daemons, relays, customers
        self._dice = dice
        self._kinds: dict[str, Callable[[], None]] = {
            "client killed": lambda: customers.strike(signal.SIGKILL),
            "client terminated": lambda: customers.strike(signal.SIGTERM),
            "tester killed": lambda: self._tester(signal.SIGKILL),
            "tester stopped": lambda: self._tester(signal.SIGSTOP),
            "connections cut": self._cut,
            "daemon HUP": self._reload,
            "daemon asleep": self._sleep,
            "garbage": self._garbage,
        }

    def work(self, until: float) -> None:
        """Until a monotonic time."""
        while time.monotonic() < until:
            kind = self._dice.choice(sorted(self._kinds))
            self._kinds[kind]()
            self.counts[kind] += 1
            time.sleep(self._dice.uniform(0.0, MOST_S))

    def _tester(self, number: signal.Signals) -> None:
        """A tester, or its guard."""
        found = sorted(self._dice.choice(self._daemons).testers())
        if found:
            with suppress(ProcessLookupError):
                os.kill(self._dice.choice(found), number)

    def _cut(self) -> None:
        self._dice.choice(self._relays).cut()

    def _reload(self) -> None:
        self._dice.choice(self._daemons).process.send_signal(signal.SIGHUP)

    def _sleep(self) -> None:
        process = self._dice.choice(self._daemons).process
        process.send_signal(signal.SIGSTOP)
        time.sleep(self._dice.uniform(0.0, 0.7))
        process.send_signal(signal.SIGCONT)

    def _garbage(self) -> None:
        """Some connections that say nothing, or nonsense, to the control port."""
        daemon = self._dice.choice(self._daemons)
        where = (daemon.address, daemon.ports.control)
        for _ in range(self._dice.randrange(1, 20)):
            with suppress(OSError):
                scattered(socket.create_connection(where, 5.0), self._dice)
