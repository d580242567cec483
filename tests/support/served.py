"""A clean client beside an attack: it has to be served all along, within a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bwctl.errors import AcceptType
from bwctl.values import ToolID, ticks
from tests.support.daemons import Daemon
from tests.support.effort import SEEDED
from tests.support.raw import opened, request

BOUND_S = 10.0  # on a machine that does other things too
_PAUSE_S = 0.1


class CleanClient:
    """Comes again and again: handshake, time, a time slot, and gives it back."""

    def __init__(self, daemon: Daemon) -> None:
        self.visits = 0
        self.slowest_s = 0.0
        self.failure: BaseException | None = None
        self._daemon = daemon
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Come, from now on."""
        self._enough.clear()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Come no more; harmless when that is so."""
        self._enough.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            while not self._enough.wait(_PAUSE_S):
                began = time.monotonic()
                self._visit()
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.visits += 1
        except BaseException as error:
            self.failure = error

    def _visit(self) -> None:
        address = self._daemon.address
        with opened(address, self._daemon.ports.control) as client:
            far = client.time().time + ticks(1_000_000)  # where no attack has anything
            answer = client.ask(request(far, tool=ToolID.THRULAY, server=address, client=address))
            assert answer.accept is AcceptType.ACCEPT, answer
            client.ask(request(0, sid=answer.sid))


@contextmanager
def served(daemon: Daemon) -> Iterator[CleanClient]:
    """The body, while a clean client is served.

    Raises:
        AssertionError: it was not, or not within BOUND_S.
    """
    client = CleanClient(daemon)
    client.begin()
    try:
        yield client
    finally:
        client.end()
    if client.failure is not None:
        raise AssertionError(f"{SEEDED}a clean client was not served: {client.failure!r}")
    assert client.visits, f"{SEEDED}no clean client came"
    slow = f"{SEEDED}a clean client waited {client.slowest_s:.1f} s"
    assert client.slowest_s < BOUND_S, slow
