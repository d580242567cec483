"""From a started test to the results of its ends. Source: clients.md 7.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, race

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.net.client import ControlClient
from bwctl.net.failures import SessionFailure
from bwctl.net.once import Once, settled
from bwctl.net.timers import Timers
from bwctl.values import Role

_AT_ONCE_S = 1.0  # who notices that a daemon died may tell it before the connection to that breaks
_HURRIED_S = 4.0  # a daemon stops a tester within three; a user who gave up waits no longer


class Collector:
    """Waits for the ends that have daemons, then asks each for its results."""

    def __init__(self, clients: Mapping[Role, ControlClient], timers: Timers) -> None:
        self.order: list[Role] = []  # in which the results came
        self._clients = clients
        self._timers = timers
        self._done: Once[None] = Once()
        self._enough: Once[None] = Once()
        self._collecting = False
        self._hurried = False
        self._began_to_end: float | None = None  # when the first results came, or the first loss
        self.lost_first = False  # a connection was lost before the other end had results, or so
        for client in clients.values():
            client.stopped.wait().addCallback(lambda _: self._end_came(lost=False))
            client.lost.wait().addCallback(lambda _: self._end_came(lost=True))

    def _end_came(self, *, lost: bool) -> None:
        now = self._timers.clock.mono()
        if self._began_to_end is None:
            self._began_to_end = now
        self.lost_first |= lost and now - self._began_to_end < _AT_ONCE_S
        self._done.fire(None)

    async def wait(self, most: float) -> None:
        """Until an end is done, `hurry` is called, or some seconds are over."""
        timer = self._timers.after(most, self._done.fire, None)
        try:
            await self._done.wait()
        finally:
            timer.cancel()

    def hurry(self) -> None:
        """The user wants what there is, now."""
        self._hurried = True
        if self._collecting:
            self._enough.fire(None)
        self._done.fire(None)

    @property
    def hurried(self) -> bool:
        """Whether the test was cut short."""
        return self._hurried

    async def results(self) -> dict[Role, Stopped | SessionFailure]:
        """What each end has; one end's are kept though the other's are lost."""
        accept = AcceptType.REJECT if self._hurried or self._has_failed() else AcceptType.ACCEPT
        roles = [role for role in (Role.CLIENT, Role.SERVER) if role in self._clients]
        self._collecting = True
        timer = self._timers.after(_HURRIED_S, self._no_patience)
        try:
            results = await settled([self._result(role, accept) for role in roles])
        finally:
            timer.cancel()
        return dict(zip(roles, results, strict=True))

    def _no_patience(self) -> None:
        if self._hurried:
            self._enough.fire(None)

    def _has_failed(self) -> bool:
        """Whether an end has said already that its test is no result."""
        stops = [client.stopped.value for client in self._clients.values()]
        return any(stop is not None and stop.accept is not AcceptType.ACCEPT for stop in stops)

    async def _result(self, role: Role, accept: AcceptType) -> Stopped:
        client = self._clients[role]
        either: list[Deferred[Any]] = [
            Deferred.fromCoroutine(settled([client.stop(accept)])),
            self._enough.wait(),
        ]
        _, got = await race(either)
        if got is None:
            raise SessionFailure("lost", f"{client.name} sent no results in time")
        stop: Stopped | SessionFailure = got[0]
        if isinstance(stop, Stopped):
            self.order.append(role)
            return stop
        raise stop
