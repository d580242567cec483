"""Who wants tests all the time: clients in a loop, whose ends are counted."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

from tests.support.daemons import Client, Ran, client_ours

KINDS = (
    ("bwctl", "-T", "thrulay", "-t", "1"),
    ("bwctl", "-T", "thrulay", "-u", "-b", "5M", "-t", "1"),
    ("bwctl", "-T", "iperf3", "-t", "1"),
    ("bwping", "-T", "ping", "-N", "5", "-i", "0.2"),
)
# Well, failed, busy, timeout, clock (of a daemon that slept), lost, interrupted; killed, and
# interrupted before it was awake.
FAIR = (0, 1, 8, 12, 13, 14, 130, -signal.SIGKILL, -signal.SIGTERM)
_DEFECT = re.compile(r"Traceback|is a defect|ResourceWarning|never awaited")


class Customers:
    """Some clients at a time.

    Args:
        ends: words of a command line that name both daemons; a client throws for one of them.
    """

    def __init__(self, ends: list[tuple[str, ...]], testers: set[str], dice: random.Random) -> None:
        self.statuses: Counter[int] = Counter()
        self.defects: list[str] = []
        self._ends = ends
        self._kinds = [kind for kind in KINDS if kind[2] in testers]
        self._dice = dice
        self._lock = threading.Lock()
        self._running: set[Client] = set()

    def work(self, until: float) -> None:
        """One test after the other, until a monotonic time; each is ended by itself."""
        while time.monotonic() < until:
            program, *words = self._dice.choice(self._kinds)
            ends = self._dice.choice(self._ends)
            client = client_ours("-a", "0.1", *ends, *words, program=program)
            with self._lock:
                self._running.add(client)
            try:
                self._count(client.wait())
            except AssertionError as error:
                self.defects.append(str(error))
            finally:
                with self._lock:
                    self._running.discard(client)

    def _count(self, ran: Ran) -> None:
        self.statuses[ran.status] += 1
        if ran.status not in FAIR or _DEFECT.search(ran.stderr):
            self.defects.append(ran.report)

    def strike(self, number: signal.Signals) -> None:
        """Send one of those that run a signal."""
        with self._lock:
            running = sorted(self._running, key=lambda one: one.process.pid)
            if running:
                with suppress(ProcessLookupError):
                    self._dice.choice(running).process.send_signal(number)
