"""Ports for a test that nobody else holds. Source: testers.md 14, point 7."""

from __future__ import annotations

import errno
import math
import socket
import time
from collections.abc import Callable
from typing import Protocol

from bwctl.broker.ports import PortPool
from bwctl.values import IPAddress

_MOST_TRIES = 50  # a range of which so many are in use is not ours
_FRESH_S = 1.0  # a port that was free so lately counts as free, if no tester has had any since
_MOST_KNOWN = 1024
_STREAMS = (socket.SOCK_STREAM,)
_BOTH = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


class TakePorts(Protocol):
    """How ports are taken for a test; None: there are none."""

    def __call__(
        self, pool: PortPool, count: int, address: IPAddress, *, datagrams: bool
    ) -> int | None: ...


class FreePorts:
    """Takes ports that nobody holds.

    To look costs a socket for each port and protocol, a tenth of what a reservation does; so a port
    that comes and goes with reservations that are never used is not looked at each time.

    Args:
        now: seconds of a clock that is never set.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        # free: when that was seen, and how much the pool had been used then
        self._known: dict[tuple[bytes, int, int, bool], tuple[float, int]] = {}

    def __call__(
        self, pool: PortPool, count: int, address: IPAddress, *, datagrams: bool
    ) -> int | None:
        """Mark neighbouring ports of a pool; the first one, None if no more are free.

        Ports of the pool that another program holds are passed over, and stay in the pool.

        Args:
            datagrams: the tester may use UDP too. Each protocol costs a look of its own.
        """
        passed: list[int] = []
        try:
            for _ in range(_MOST_TRIES):
                first = pool.take(count)
                if first is None or self._are_free(pool, address, first, count, datagrams):
                    return first
                passed.append(first)
            return None
        finally:
            for port in passed:
                pool.release(port, count)

    def _are_free(
        self, pool: PortPool, address: IPAddress, first: int, count: int, datagrams: bool
    ) -> bool:
        key, now = (address.packed, first, count, datagrams), self._now()
        seen, used = self._known.get(key, (-math.inf, 0))
        if now - seen < _FRESH_S and used == pool.used:
            return True
        if _is_any_held(address, range(first, first + count), _BOTH if datagrams else _STREAMS):
            return False
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = now, pool.used
        return True


def _is_any_held(address: IPAddress, ports: range, kinds: tuple[socket.SocketKind, ...]) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    host = str(address)
    return any(_is_held(family, kind, (host, port)) for port in ports for kind in kinds)


def _is_held(family: socket.AddressFamily, kind: socket.SocketKind, place: tuple[str, int]) -> bool:
    """Whether a socket holds a port; an address that is not ours tells nothing."""
    try:
        with socket.socket(family, kind) as one:
            if kind is socket.SOCK_STREAM:  # connections that are over do not count
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(place)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
